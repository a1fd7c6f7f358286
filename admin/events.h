// SPDX-License-Identifier: Apache-2.0
//
// GET events: server-sent events to a bounded number of subscribers. One that does not keep up
// misses events and is told how many. Loop-confined.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>

#include "admin/http_server.h"

namespace banyan::admin {

class Events {
 public:
  Events(std::size_t subscribers_max, std::size_t waiting_bytes_max)
      : subscribers_max_(subscribers_max), waiting_bytes_max_(waiting_bytes_max) {}
  // After the server exists and before any request.
  void attach(HttpServer& server) { server_ = &server; }

  // Answers the request, with the stream or with 503 when there are too many.
  void subscribe(RequestId id);
  // `json` is one line.
  void publish(std::string_view type, std::string_view json);
  // A comment to all, so that middle boxes and clients see a live connection.
  void beat();
  std::size_t subscribers() const { return missed_.size(); }

 private:
  template <typename Function>
  void for_each(Function function);

  const std::size_t subscribers_max_;
  const std::size_t waiting_bytes_max_;
  HttpServer* server_ = nullptr;
  std::map<std::uint64_t, std::uint64_t> missed_;  // by connection
  std::uint64_t next_event_ = 1;
};

}  // namespace banyan::admin
