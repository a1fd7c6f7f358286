// SPDX-License-Identifier: Apache-2.0
#include "admin/events.h"

#include <string>

namespace banyan::admin {

void Events::subscribe(RequestId id) {
  for_each([](std::uint64_t, std::uint64_t&) {});  // forgets those that left
  if (missed_.size() >= subscribers_max_) {
    server_->respond(id, error_response(503, "too_many_subscribers",
                                        "all places for event streams are taken", "close one"));
    return;
  }
  HttpResponse head;
  head.content_type = "text/event-stream";
  if (!server_->respond_stream(id, head)) return;
  missed_.emplace(id.connection, 0);
  server_->push(id.connection, "retry: 2000\n\n");
}

template <typename Function>
void Events::for_each(Function function) {
  for (auto it = missed_.begin(); it != missed_.end();) {
    if (!server_->stream_waiting(it->first)) {
      it = missed_.erase(it);
    } else {
      function(it->first, it->second);
      ++it;
    }
  }
}

void Events::publish(std::string_view type, std::string_view json) {
  std::string event = "id: " + std::to_string(next_event_++) + "\nevent: ";
  event.append(type).append("\ndata: ").append(json).append("\n\n");
  for_each([&](std::uint64_t connection, std::uint64_t& missed) {
    if (server_->stream_waiting(connection).value_or(0) + event.size() > waiting_bytes_max_) {
      ++missed;
      return;
    }
    if (missed > 0) {
      server_->push(connection,
                    "event: missed\ndata: {\"count\":" + std::to_string(missed) + "}\n\n");
      missed = 0;
    }
    server_->push(connection, event);
  });
}

void Events::beat() {
  for_each([this](std::uint64_t connection, std::uint64_t&) {
    if (server_->stream_waiting(connection).value_or(1) == 0)
      server_->push(connection, ": beat\n\n");
  });
}

}  // namespace banyan::admin
