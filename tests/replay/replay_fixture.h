// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/crypto/key_ring.h"
#include "replay/copy_request.h"
#include "replay/mirror.h"
#include "tests/replay/scripted_system.h"
#include "tests/support/memory_file_system.h"
#include "tests/support/memory_log.h"
#include "tests/support/records.h"

namespace banyan::replay {

inline constexpr std::uint64_t kDigestSeed = 42;
inline constexpr std::size_t kLargeAnswer = 700'001;

class SwitchPolicy final : public MirrorPolicy {
 public:
  bool is_mirrored(std::string_view) const override { return is_on; }
  bool mirrors_writes(std::string_view) const override { return has_writes; }
  std::atomic<bool> is_on{true};
  std::atomic<bool> has_writes{false};
};

class ReplayFixture : public testing::Test {
 protected:
  ReplayFixture() {
    auto keys = crypto::KeyRing::open(files_, "keys", Epoch{1}, "");
    EXPECT_TRUE(keys.ok());
    keys_ = std::move(*keys);
    auto redactor = model::Redactor::create({}, *keys_);
    EXPECT_TRUE(redactor.ok());
    redactor_ = std::move(*redactor);
  }

  static bool wait_for(const std::function<bool()>& condition, int seconds = 20) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
  }

  void start_candidate(ScriptedSystem::Script script = {}, std::uint16_t port = 0) {
    if (!script) script = [](const Seen&) { return Reply{}; };
    candidate_ = std::make_unique<ScriptedSystem>(std::move(script), port);
  }
  void start_legacy() {
    legacy_ = std::make_unique<ScriptedSystem>([](const Seen&) { return Reply{}; });
  }

  SystemsOptions systems(std::uint16_t candidate_port = 0) const {
    SystemsOptions made;
    made.digest_seed = kDigestSeed;
    if (candidate_port == 0 && candidate_ != nullptr) candidate_port = candidate_->port();
    made.candidate.endpoints = at_port(candidate_port);
    made.legacy.endpoints = at_port(legacy_ != nullptr ? legacy_->port() : candidate_port);
    return made;
  }
  static std::shared_ptr<net::Endpoints> at_port(std::uint16_t port) {
    auto addresses = net::resolve_url("http://127.0.0.1:" + std::to_string(port));
    EXPECT_TRUE(addresses.ok());
    return net::Endpoints::fixed(*std::move(addresses));
  }

  void start_mirror(std::uint16_t candidate_port = 0) {
    auto mirror = Mirror::open(clock_, log_, log_.open_sink(), *redactor_, policy_,
                               systems(candidate_port), options_);
    ASSERT_TRUE(mirror.ok()) << mirror.error().message;
    mirror_ = std::move(*mirror);
    mirror_->start();
  }

  // Texts of records live as long as the test.
  std::string_view keep(std::string text) {
    texts_.push_back(std::move(text));
    return texts_.back();
  }

  model::RequestRecord make_read(std::uint64_t id, std::string target = "/read") {
    model::RequestRecord request = support::request(support::exchange_id(id, epoch_));
    request.started = clock_.now();
    request.target = keep(std::move(target));
    request.session = "session";
    request.fields = {{"Host", "shop.example"}};
    return request;
  }
  model::RequestRecord make_write(std::uint64_t id, std::string target = "/write",
                                  std::string body = "b") {
    model::RequestRecord request = make_read(id, std::move(target));
    request.method = "POST";
    request.is_write = true;
    request.body = support::inline_body(keep(std::move(body)));
    return request;
  }
  model::RequestRecord in_session(model::RequestRecord request, std::string session) {
    request.session = keep(std::move(session));
    return request;
  }
  void answer_write(std::uint64_t id, std::uint16_t status, Delivery delivery = Delivery::kWhole) {
    model::ResponseRecord response = support::response(support::exchange_id(id, epoch_), "orders",
                                                       delivery, System::kLegacy, "{}", status);
    response.answer.ended = clock_.now();
    log_.append(response);
  }
  void close_without_answer(std::uint64_t id, OutcomeKind kind, Forwarded forwarded) {
    model::OutcomeRecord outcome = support::outcome(support::exchange_id(id, epoch_), kind);
    outcome.forwarded = forwarded;
    outcome.ended = clock_.now();
    log_.append(outcome);
  }
  void append_chunked_write(std::uint64_t id, const std::string& body, bool is_complete) {
    model::RequestRecord request = make_write(id);
    request.body = model::Body{};
    request.body.kind = model::Body::Kind::kChunks;
    log_.append(request);
    constexpr std::size_t kPiece = 100'000;
    std::uint32_t sequence = 0;
    for (std::size_t at = 0; at < body.size(); at += kPiece) {
      model::ChunkRecord chunk;
      chunk.exchange = support::exchange_id(id, epoch_);
      chunk.sequence = sequence++;
      chunk.bytes = std::string_view(body).substr(at, kPiece);
      chunk.is_last = at + kPiece >= body.size();
      chunk.is_complete = chunk.is_last && is_complete;
      chunk.length = chunk.is_last ? body.size() : 0;
      log_.append(chunk);
      // Records of other exchanges lie between.
      model::RequestRecord other = make_read(10'000 + id * 100 + sequence);
      other.mirror = MirrorDecision::kOff;
      log_.append(other);
    }
  }

  std::vector<model::ShadowRecord> shadows() { return log_.all<model::ShadowRecord>(storage_[0]); }
  std::vector<model::SkipRecord> skips() { return log_.all<model::SkipRecord>(storage_[1]); }
  std::optional<SkipReason> skip_of(std::uint64_t id) {
    for (const auto& skip : skips()) {
      if (skip.exchange == support::exchange_id(id, epoch_)) return skip.reason;
    }
    return std::nullopt;
  }

  ManualClock clock_;
  support::MemoryFileSystem files_;
  support::MemoryLog log_{clock_};
  std::unique_ptr<crypto::KeyRing> keys_;
  std::unique_ptr<model::Redactor> redactor_;
  SwitchPolicy policy_;
  MirrorOptions options_;
  std::uint64_t epoch_ = 1;
  std::deque<std::string> texts_;
  std::vector<std::string> storage_[2];
  std::unique_ptr<ScriptedSystem> candidate_, legacy_;
  std::unique_ptr<Mirror> mirror_;
};

}  // namespace banyan::replay
