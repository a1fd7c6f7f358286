// SPDX-License-Identifier: Apache-2.0
//
// Whose data an exchange holds, by [record] subject.
#pragma once

#include <string>
#include <string_view>

#include "core/http/message.h"
#include "proxy/options.h"

namespace banyan::proxy {

// "" where the request names nobody: then it is recorded as if there were no subjects. The first
// value where there are several.
std::string subject_of(const SubjectOptions& options, const http::RequestHead& head,
                       std::string_view session);

}  // namespace banyan::proxy
