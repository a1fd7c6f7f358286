// SPDX-License-Identifier: Apache-2.0
//
// The admin server on real services. The log and the state lie on two disks in memory, so that a
// test can hang either; findings lie in a temporary folder.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "admin/admin_server.h"
#include "admin/erasure_service.h"
#include "comparator/findings.h"
#include "core/crypto/key_ring.h"
#include "core/json/value.h"
#include "core/obs/metrics.h"
#include "ledger/ledger.h"
#include "recorder/recorder.h"
#include "routing/routing_control.h"
#include "tests/admin/raw_client.h"
#include "tests/support/memory_file_system.h"
#include "tests/support/records.h"

namespace banyan::admin {

class AdminFixture : public ::testing::Test {
 protected:
  static constexpr const char* kHostileRoute = "a\"><script>alert(1)</script>";

  void SetUp() override {
    char pattern[] = "/tmp/banyan_admin_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern), nullptr);
    folder_ = pattern;
    recorder::RecorderOptions log;
    log.directory = "log";
    log.flush_interval_ns = 5'000'000;
    recorder_ = take(recorder::Recorder::open(log_disk_, clock_, log));
    keys_ = take(crypto::KeyRing::open(state_disk_, "keys", Epoch{1}, ""));
    sink_ = recorder_->open_lane();
    routing::RoutingOptions routing;
    routing.state_directory = "state";
    for (const char* name : {"orders", "stock", kHostileRoute}) {
      routing::RouteOptions route;
      route.name = name;
      route.match.path = "/" + std::string(1, name[0]) + "*/**";
      routing.routes.push_back(route);
    }
    std::vector<std::string> warnings;
    ASSERT_TRUE(state_disk_.make_directories("state").ok());
    ASSERT_TRUE(state_disk_.make_directories("data").ok());
    routing_ = take(
        routing::RoutingControl::open(state_disk_, clock_, routing, *keys_, sink_.get(), warnings));
    ledger_ =
        take(ledger::Ledger::open(state_disk_, clock_, recorder_->access(), "state", warnings));
    ledger_->start();
    findings_ = take(comparator::FindingsStore::open(folder_ + "/findings.sqlite", clock_));
  }
  void TearDown() override {
    log_disk_.release();
    state_disk_.release();
    if (admin_) admin_->stop();
    admin_.reset();
    findings_.reset();
    ledger_.reset();
    routing_.reset();
    sink_.reset();
    recorder_.reset();
    std::filesystem::remove_all(folder_);
  }

  void start(AdminOptions options = {}) {
    options.address = "127.0.0.1:0";
    options.data_dir = "data";
    AdminFacts facts;
    facts.version = "1.2.3";
    facts.data_dir = "data";
    facts.started_wall_ns = clock_.wall_ns();
    facts.legacy_urls = {"http://127.0.0.1:9001"};
    admin_ = take(AdminServer::open(options, facts,
                                    AdminServices{.clock = clock_,
                                                  .files = state_disk_,
                                                  .metrics = metrics_,
                                                  .recorder = *recorder_,
                                                  .routing = *routing_,
                                                  .ledger = *ledger_,
                                                  .findings = *findings_,
                                                  .config = config_,
                                                  .erasure = erasure_,
                                                  .add_alarms = add_alarms_}));
    ASSERT_NE(admin_, nullptr);
    if (options.needs_token) token_ = take_value(read_admin_token(state_disk_, "data"));
    admin_->start();
  }

  std::string head_of(const std::string& method, const std::string& target) const {
    return method + " " + target + " HTTP/1.1\r\nHost: " + admin_->address() +
           "\r\nAuthorization: Bearer " + token_ + "\r\n";
  }
  std::string text_of(const std::string& method, const std::string& target,
                      const std::string& body = "") const {
    std::string text = head_of(method, target);
    if (method != "GET") {
      text += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
              "\r\n";
    }
    return text + "\r\n" + body;
  }
  Answer ask(const std::string& method, const std::string& target, const std::string& body = "") {
    RawClient client(admin_->address());
    client.send(text_of(method, target, body));
    return client.receive_answer();
  }
  Answer ask_raw(const std::string& text) {
    RawClient client(admin_->address());
    client.send(text);
    return client.receive_answer();
  }
  json::Value get(const std::string& target) { return value_of(ask("GET", target)); }
  static json::Value value_of(const Answer& answer) {
    auto value = json::parse(answer.body);
    EXPECT_TRUE(value.ok()) << answer.status << " " << answer.body;
    return value.ok() ? *std::move(value) : json::Value();
  }
  std::uint32_t share_of(const std::string& route) const {
    for (const auto& status : routing_->list()) {
      if (status.name == route) return status.dials.candidate_share;
    }
    return 99999;
  }
  template <typename R>
  void append(const R& record) {
    EXPECT_FALSE(model::append_record(*sink_, record).is_refused());
  }
  template <typename T>
  static T take(Result<T> result) {
    EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error().message);
    return result.ok() ? std::move(result).value() : T();
  }
  static std::string take_value(const Result<std::string>& result) {
    EXPECT_TRUE(result.ok());
    return result.ok() ? *result : std::string();
  }

  std::string folder_;
  support::MemoryFileSystem log_disk_, state_disk_;
  SystemClock& clock_ = SystemClock::instance();
  obs::Metrics metrics_;
  std::unique_ptr<recorder::Recorder> recorder_;
  std::unique_ptr<crypto::KeyRing> keys_;
  std::unique_ptr<model::RecordSink> sink_;
  std::unique_ptr<routing::RoutingControl> routing_;
  std::unique_ptr<ledger::Ledger> ledger_;
  std::unique_ptr<comparator::FindingsStore> findings_;
  ConfigService* config_ = nullptr;
  ErasureService* erasure_ = nullptr;
  std::function<void(std::vector<std::string>&)> add_alarms_;
  std::unique_ptr<AdminServer> admin_;
  std::string token_;
};

}  // namespace banyan::admin
