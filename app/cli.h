// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace banyan::app {

// Parses the command line and runs one verb; answers the exit code.
int run_cli(int argc, char** argv);

}  // namespace banyan::app
