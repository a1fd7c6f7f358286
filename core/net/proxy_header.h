// SPDX-License-Identifier: Apache-2.0
//
// Writes the header of HAProxy's PROXY protocol, version 1 (text) and 2 (binary). Pure.
#pragma once

#include <string>
#include <string_view>

#include "core/net/upstream.h"

namespace banyan::net {

// `client` and `listener` are the bytes of two sockaddrs of one family. Where one is "" or they do
// not fit, the header says that it speaks for nobody (UNKNOWN, LOCAL). Replaces `out`.
void write_proxy_header(ProxyHeader version, std::string_view client, std::string_view listener,
                        std::string& out);

}  // namespace banyan::net
