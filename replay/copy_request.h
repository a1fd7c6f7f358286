// SPDX-License-Identifier: Apache-2.0
//
// From a REQUEST record to the bytes of its copy. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/model/record.h"
#include "core/model/redaction.h"

namespace banyan::replay {

// How a body that lies in CHUNKs goes out.
struct StreamedBody {
  bool is_streamed = false;
  std::uint64_t length = 0;
  bool has_trailers = false;  // then in chunked coding, else with a Content-Length
};

struct CopyMessage {
  std::string head;
  std::string body;             // whole, already framed; "" where it is streamed
  int dropped_fields = 0;       // that the original had and nobody kept
  std::string idempotency_key;  // what the copy of a write carries, the client's or ours
  http::HeaderList fields;      // of the head; kept for its room, its views are gone
};

// The same for every attempt at an exchange, also after a crash and in another run, so that a
// system that knows the field does a write once.
std::string idempotency_key_of(ExchangeId exchange);

// `host` replaces the recorded one unless it is "" (then the client's). An error: what the record
// sealed cannot be opened, or it holds bytes that no message may carry. `copy` is written anew; its
// strings keep their room.
Status build_copy(const model::RequestRecord& request, const model::Redactor& redactor,
                  std::string_view host, const StreamedBody& streamed, CopyMessage& copy);

}  // namespace banyan::replay
