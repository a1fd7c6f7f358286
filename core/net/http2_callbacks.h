// SPDX-License-Identifier: Apache-2.0
//
// From nghttp2's callbacks to the methods of an Http2Link. Internal.
#pragma once

#include <cstddef>

struct nghttp2_session;

namespace banyan::net {

// Entries of one SETTINGS frame, from either side of us.
inline constexpr std::size_t kSettingsMax = 32;

class Http2Link;

// A client's session whose user data is `link`. Owned by the caller.
nghttp2_session* new_http2_client_session(Http2Link& link);

}  // namespace banyan::net
