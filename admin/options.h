// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace banyan::admin {

struct AdminOptions {
  std::string address = "127.0.0.1:9901";  // port 0 for any
  bool needs_token = true;                 // false only on loopback; config refuses else
  std::string data_dir;                    // admin.token lies here
  std::size_t connections_max = 64;
  std::size_t events_subscribers_max = 16;   // of GET events, out of connections_max
  std::size_t event_bytes_max = 256 * 1024;  // queued for one subscriber; past it events are left
                                             // out and the subscriber is told how many
  std::size_t head_bytes_max = 16 * 1024;
  std::size_t body_bytes_max = 64 * 1024;
  std::size_t store_queue_max = 64;  // requests waiting for the store thread; past it 503
  std::int64_t request_timeout_ns = 10'000'000'000;  // from a request's first byte to its last
  std::int64_t keep_alive_ns = 30'000'000'000;
  std::int64_t write_timeout_ns = 30'000'000'000;    // longest stall of a client that does not read
  std::int64_t store_patience_ns = 30'000'000'000;   // for an answer of the store thread; then 504
  std::int64_t search_patience_ns = 10'000'000'000;  // of one search of the log
  int auth_failures_per_second = 5;                  // of one peer; past it 429
};

// What status and readiness say of the configuration.
struct AdminFacts {
  std::string version;
  std::string data_dir;
  std::vector<std::string> roles;  // those this process runs
  std::vector<std::string> legacy_urls, candidate_urls;
  std::int64_t started_wall_ns = 0;
  bool every_route_fails_open = false;
};

}  // namespace banyan::admin
