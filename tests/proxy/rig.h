// SPDX-License-Identifier: Apache-2.0
//
// A real proxy between real sockets, with a log in memory.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/crypto/key_ring.h"
#include "core/obs/metrics.h"
#include "proxy/proxy.h"
#include "routing/routing_table.h"
#include "tests/proxy/fake_sink.h"
#include "tests/proxy/loopback.h"
#include "tests/support/memory_file_system.h"

namespace banyan::proxy {

// The records of one exchange, in the order of the log.
struct Recorded {
  std::vector<model::RequestRecord> requests;
  std::vector<model::ResponseRecord> responses;
  std::vector<model::OutcomeRecord> outcomes;
  std::vector<model::ChunkRecord> chunks;

  std::size_t closers() const { return responses.size() + outcomes.size(); }
  std::string body_of(model::Side side) const {
    std::string body;
    for (const auto& chunk : chunks) {
      if (chunk.side == side) body.append(chunk.bytes);
    }
    return body;
  }
};

class Rig {
 public:
  Rig() {
    options.workers = 1;
    options.listeners.emplace_back().address = "127.0.0.1:0";
    route.name = "default";
    route.dials.mirror_share = 10000;
  }
  ~Rig() { stop(); }

  // Before start().
  ProxyOptions options;
  routing::RouteOptions route;
  std::vector<model::RedactionRule> redaction;
  FakeLog log;
  ProxyExtras extras;

  void set_legacy(const std::string& address) { set(options.legacy, address); }
  void set_candidate(const std::string& address) { set(options.candidate, address); }

  void start() {
    const Status status = try_open();
    ASSERT_TRUE(status.ok()) << status.error().message;
    proxy->start();
  }
  Status try_open() {
    for (SystemOptions* system : {&options.legacy, &options.candidate}) {
      if (!system->upstream.endpoints) system->upstream.endpoints = net::Endpoints::fixed({});
    }
    auto ring = crypto::KeyRing::open(files_, "keys", Epoch{1}, "");
    if (!ring.ok()) return ring.error();
    keys_ = std::move(*ring);
    model::RedactionOptions redact;
    redact.rules = redaction;
    auto redactor = model::Redactor::create(redact, *keys_);
    if (!redactor.ok()) return redactor.error();
    redactor_ = std::move(*redactor);
    cell_.publish(std::make_shared<routing::RoutingTable>(
        std::vector<routing::Route>{{route, route.dials}}, 1, "salt", *keys_));
    LogDoor door;
    door.node = 7;
    door.epoch = Epoch{1};
    door.log_uuid = kUuid;
    door.next_lane_number = [this] { return ++lanes_; };
    door.open_lane = [this](std::function<void()> wake) { return log.open_lane(std::move(wake)); };
    auto opened = Proxy::open(
        options, SystemClock::instance(), cell_, std::move(door), *redactor_, *keys_, metrics,
        [this](int status) {
          std::lock_guard lock(mutex_);
          refused_.push_back(status);
        },
        std::move(extras));
    if (!opened.ok()) return opened.error();
    proxy = std::move(*opened);
    return {};
  }
  void stop() {
    if (proxy) proxy->stop(0);
    proxy.reset();
  }
  Wire client() { return Wire::connect(proxy->addresses().front()); }

  // Waits until `count` exchanges are closed in the log; what was recorded by then.
  Recorded wait_for_closed(std::size_t count) {
    EXPECT_TRUE(eventually([&] { return recorded().closers() >= count; }));
    return recorded();
  }
  Recorded recorded() const {
    Recorded all;
    for (auto& record : log.records()) {
      if (auto* request = std::get_if<model::RequestRecord>(&record)) {
        all.requests.push_back(std::move(*request));
      } else if (auto* response = std::get_if<model::ResponseRecord>(&record)) {
        all.responses.push_back(std::move(*response));
      } else if (auto* outcome = std::get_if<model::OutcomeRecord>(&record)) {
        all.outcomes.push_back(std::move(*outcome));
      } else if (auto* chunk = std::get_if<model::ChunkRecord>(&record)) {
        all.chunks.push_back(std::move(*chunk));
      }
    }
    return all;
  }

  static constexpr const char* kUuid = "0123456789abcdef0123456789abcdef";
  obs::Metrics metrics;
  std::unique_ptr<Proxy> proxy;
  std::vector<int> refused() const {
    std::lock_guard lock(mutex_);
    return refused_;
  }

 private:
  static void set(SystemOptions& system, const std::string& address) {
    auto resolved = net::resolve_url("http://" + address);
    ASSERT_TRUE(resolved.ok()) << resolved.error().message;
    system.upstream.endpoints = net::Endpoints::fixed(*std::move(resolved));
    system.authority = address;
  }

  support::MemoryFileSystem files_;
  std::unique_ptr<crypto::KeyRing> keys_;
  std::unique_ptr<model::Redactor> redactor_;
  routing::RoutingCell cell_;
  std::uint16_t lanes_ = 0;
  mutable std::mutex mutex_;
  std::vector<int> refused_;
};

inline std::string plain_answer(std::string_view body, std::string_view extra = "") {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         std::string(extra) + "\r\n" + std::string(body);
}

inline std::string field_of(const http::HeaderList& fields, std::string_view name) {
  return std::string(http::find_header(fields, name).value_or(std::string_view()));
}

}  // namespace banyan::proxy
