// SPDX-License-Identifier: Apache-2.0
//
// What proxies in front of us say of the client: Forwarded (RFC 7239) and X-Forwarded-*. Only read
// where the peer is trusted, and even then parts of it may come from further away, so all of it is
// checked: what is malformed, and what stood before it, is dropped.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/http/message.h"

namespace banyan::proxy {

// Of a list that is passed on or looked at, the newest elements; longer ones lose their front.
inline constexpr std::size_t kForwardedElementsMax = 64;
inline constexpr std::size_t kForwardedBytesMax = 4096;

// The end of one field line that is well-formed: all of it where nothing is wrong, else what
// follows the last bad element. An open quote spoils the rest of its line.
std::string_view good_part_of_forwarded(std::string_view line);
std::string_view good_part_of_forwarded_for(std::string_view line);

// Adds the good part of a further line to a list. What came before a bad element goes with it.
void add_forwarded_line(std::string& list, std::string_view line, std::string_view good_part);
// Cuts the front of a list that is too long, in elements or bytes.
void trim_forwarded(std::string& list);

// The address in a node: "192.0.2.1", "192.0.2.1:4711", "[2001:db8::1]", "[2001:db8::1]:_port",
// also a bare "2001:db8::1" as X-Forwarded-For has it, quoted or not. "" for "unknown", "_hidden"
// and nonsense. A view of `node`.
std::string_view address_of_node(std::string_view node);

// Who passed the request on, nearest first, as X-Forwarded-For says or, where there is none,
// Forwarded; at most kForwardedElementsMax. An element that names nobody is "". Views of the head.
std::vector<std::string_view> forwarding_nodes(const http::RequestHead& head);

// Values (or lists of them) a scheme and an authority can have.
bool is_forwarded_proto(std::string_view value);
bool is_forwarded_host(std::string_view value);

// name=value; a token as it is, all else as a quoted string.
void append_forwarded_pair(std::string& out, std::string_view name, std::string_view value);

}  // namespace banyan::proxy
