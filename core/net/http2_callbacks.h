// SPDX-License-Identifier: Apache-2.0
//
// From nghttp2's callbacks to the methods of an Http2Link. Internal.
#pragma once

struct nghttp2_session;

namespace banyan::net {

class Http2Link;

// A client's session whose user data is `link`. Owned by the caller.
nghttp2_session* new_http2_client_session(Http2Link& link);

}  // namespace banyan::net
