// SPDX-License-Identifier: Apache-2.0
//
// Recorded HTTP/1 messages, as capture tools keep them, read with the proxy's own readers. Any
// thread.
#pragma once

#include <string_view>

#include "core/base/error.h"
#include "core/http/message_reader.h"
#include "interchange/exchange.h"

namespace banyan::interchange {

// What other proxies let through is no reason to refuse a recording: every leniency is on, and
// heads may be as large as ExchangeLimits allows.
http::ReadLimits recorded_limits();

// As the log keeps fields: without those of the connection, since framing is told by the body.
Fields end_to_end(const http::HeaderList& fields);

void take_head(const http::RequestHead& head, Exchange& out);
void take_head(const http::ResponseHead& head, StoredAnswer& out);

// `payload` is one whole message. A body goes to the payload's end unless it is chunked; one that
// is shorter than Content-Length says is Held::kPart.
Status parse_request(std::string_view payload, Exchange& out);
// Interim answers before the final one are passed over.
Status parse_answer(std::string_view payload, std::string_view method, StoredAnswer& out);

// What a reader says of a message that it refuses.
Error refused_message(const http::ReadError& error);

}  // namespace banyan::interchange
