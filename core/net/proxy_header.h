// SPDX-License-Identifier: Apache-2.0
//
// Writes the header of HAProxy's PROXY protocol, version 1 (text) and 2 (binary). Pure.
#pragma once

#include <string>
#include <string_view>

#include "core/net/upstream.h"

namespace banyan::net {

// Version 2 on the wire (HAProxy's proxy-protocol.txt, section 2.2): the signature, a byte of
// version and command, a byte of family and transport, the length of the rest.
struct ProxyV2 {
  static constexpr std::string_view kSignature{"\r\n\r\n\0\r\nQUIT\n", 12};
  static constexpr unsigned kVersion = 2;
  static constexpr unsigned kLocal = 0, kProxy = 1;  // commands
  static constexpr unsigned kUnspecified = 0x00, kTcp4 = 0x11, kTcp6 = 0x21, kUnixStream = 0x31;
};

// `client` and `listener` are the bytes of two sockaddrs of one family. Where one is "" or they do
// not fit, the header says that it speaks for nobody (UNKNOWN, LOCAL). Replaces `out`.
void write_proxy_header(ProxyHeader version, std::string_view client, std::string_view listener,
                        std::string& out);

}  // namespace banyan::net
