// SPDX-License-Identifier: Apache-2.0
//
// The absolute URL of a recorded request, for formats that want one. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "interchange/exchange.h"

namespace banyan::interchange {

// "https" where X-Forwarded-Proto says so.
std::string_view scheme_of(const Exchange& exchange);
// What the client called: X-Forwarded-Host, else Host, else "localhost".
std::string host_of(const Exchange& exchange);
// Bytes that no URL may hold (over 0x7e, spaces, quotes) are percent-encoded.
std::string url_of(const Exchange& exchange);
// The query of a target, "" where there is none.
std::string_view query_of(std::string_view target);
std::string escape_for_url(std::string_view target);

}  // namespace banyan::interchange
