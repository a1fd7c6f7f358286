// SPDX-License-Identifier: Apache-2.0
//
// One call on an Http2Link: its request in HTTP/2 form, what of the body waits, and the answer as
// it comes. No I/O, no library. Internal; confined to its loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/http/message.h"
#include "core/http/message_reader.h"
#include "core/net/event_loop.h"

namespace banyan::net {

class UpstreamCallImpl;

// Field lines of one section, with their bytes. Bounded by the limits given.
class Http2Fields {
 public:
  // False, and nothing kept, past a limit.
  bool add(std::string_view name, std::string_view value, const http::ReadLimits& limits);
  // Views of this object, valid until it is changed.
  void list(http::HeaderList& out) const;
  bool is_empty() const { return lines_.empty(); }
  void clear();

 private:
  struct Line {
    std::size_t name_at, name_bytes, value_bytes;  // the value stands right behind the name
  };
  std::string bytes_;
  std::vector<Line> lines_;
};

// A request head in HTTP/1 form as the fields of HTTP/2, pseudo fields first. Names of connection
// fields are left out, whatever the head says. Views `lowered`, which keeps names in lower case,
// and `head`. False where the head is none of ours.
struct Http2RequestFields {
  std::vector<std::pair<std::string_view, std::string_view>> fields;
  std::string lowered;
  bool assign(std::string_view head, bool is_secure, bool accepts_trailers);
};

struct Http2Stream {
  UpstreamCallImpl* call = nullptr;  // null once it was cancelled or has its answer
  std::int32_t id = -1;

  // ---- the request
  std::string out;  // of the body: given by the call, not framed yet
  std::size_t out_at = 0;
  std::vector<std::pair<std::string, std::string>> trailers_out;
  bool is_body_ended = false;
  bool is_deferred = false;        // the library waits to be told of more
  bool is_end_framed = false;      // nothing of the request is left to frame
  std::uint64_t end_position = 0;  // of the link's output
  std::size_t waiting_bytes() const { return out.size() - out_at; }

  // ---- the answer
  http::ResponseHead head;
  Http2Fields fields, trailers;
  bool answers_head_method = false;
  bool has_final_head = false;
  bool was_reset = false;  // by the system
  bool is_bad = false;     // something of it was refused; why
  std::string why_bad;
  int informational = 0;
  std::size_t unconsumed = 0;  // of its window, while the call is paused
  std::unique_ptr<Timer> timer;

  void refuse(std::string why);
  // A section is whole. False: refused.
  bool finish_head(const http::ReadLimits& limits, bool is_end);
};

}  // namespace banyan::net
