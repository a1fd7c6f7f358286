// SPDX-License-Identifier: Apache-2.0
//
// A lane in memory whose durability the test decides.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/model/record_codec.h"
#include "core/model/record_io.h"

namespace banyan::proxy {

// What all lanes of one test appended, in order. Any thread.
class FakeLog {
 public:
  enum class Durability { kAtOnce, kByHand };

  model::Ticket append(std::string_view encoded) {
    std::unique_lock lock(mutex_);
    appends_waiting_ += is_holding_ ? 1 : 0;
    let_go_.wait(lock, [this] { return !is_holding_; });
    if (refuses_ || has_failed_) return {};
    records_.emplace_back(encoded);
    return model::Ticket{records_.size()};
  }
  bool is_durable(model::Ticket ticket) const {
    std::lock_guard lock(mutex_);
    return durability_ == Durability::kAtOnce ? !has_failed_ : ticket.value <= durable_;
  }
  void want_durable(const std::function<void()>& wake) {
    bool is_durable_now = false;
    {
      std::lock_guard lock(mutex_);
      ++wanted_;
      is_durable_now = durability_ == Durability::kAtOnce || has_failed_;
    }
    if (is_durable_now && wake) wake();
  }
  bool has_failed() const {
    std::lock_guard lock(mutex_);
    return has_failed_;
  }

  void set_durability(Durability durability) {
    std::lock_guard lock(mutex_);
    durability_ = durability;
  }
  void refuse(bool refuses) {
    std::lock_guard lock(mutex_);
    refuses_ = refuses;
  }
  // Stops whoever appends, inside of its append, until it is let go.
  void hold(bool holds) {
    {
      std::lock_guard lock(mutex_);
      is_holding_ = holds;
    }
    let_go_.notify_all();
  }
  int appends_waiting() const {
    std::lock_guard lock(mutex_);
    return appends_waiting_;
  }
  void make_durable_so_far() {
    run_wakes([this] { durable_ = records_.size(); });
  }
  void fail() {
    run_wakes([this] { has_failed_ = true; });
  }
  std::size_t wanted() const {
    std::lock_guard lock(mutex_);
    return wanted_;
  }
  std::size_t size() const {
    std::lock_guard lock(mutex_);
    return records_.size();
  }
  // Decoded; the views stay valid, records are never removed.
  std::vector<model::AnyRecord> records() const {
    std::lock_guard lock(mutex_);
    std::vector<model::AnyRecord> out;
    for (const std::string& record : records_) {
      auto decoded = model::decode(record);
      if (decoded.ok()) out.push_back(std::move(*decoded));
    }
    return out;
  }
  bool holds_bytes(std::string_view needle) const {
    std::lock_guard lock(mutex_);
    for (const std::string& record : records_) {
      if (record.find(needle) != std::string::npos) return true;
    }
    return false;
  }

  std::unique_ptr<model::RecordSink> open_lane(std::function<void()> wake);
  void add_wake(const void* lane, std::function<void()> wake) {
    std::lock_guard lock(mutex_);
    wakes_[lane] = std::move(wake);
  }
  void remove_wake(const void* lane) {
    std::lock_guard lock(mutex_);
    wakes_.erase(lane);
  }

 private:
  template <typename Change>
  void run_wakes(const Change& change) {
    std::vector<std::function<void()>> wakes;
    {
      std::lock_guard lock(mutex_);
      change();
      for (const auto& [lane, wake] : wakes_) wakes.push_back(wake);
    }
    for (const auto& wake : wakes) wake();
  }

  mutable std::mutex mutex_;
  std::deque<std::string> records_;
  std::map<const void*, std::function<void()>> wakes_;  // by lane
  Durability durability_ = Durability::kAtOnce;
  std::size_t durable_ = 0;
  std::size_t wanted_ = 0;
  bool refuses_ = false;
  bool has_failed_ = false;
  std::condition_variable let_go_;
  bool is_holding_ = false;
  int appends_waiting_ = 0;  // or have waited
};

class FakeLane final : public model::RecordSink {
 public:
  FakeLane(FakeLog& log, std::function<void()> wake) : log_(log), wake_(std::move(wake)) {
    log_.add_wake(this, wake_);
  }
  ~FakeLane() override { log_.remove_wake(this); }
  model::Ticket append(std::string_view encoded) override { return log_.append(encoded); }
  bool is_written(model::Ticket) const override { return true; }
  bool is_durable(model::Ticket ticket) const override { return log_.is_durable(ticket); }
  void want_durable(model::Ticket) override { log_.want_durable(wake_); }
  bool has_failed() const override { return log_.has_failed(); }

 private:
  FakeLog& log_;
  std::function<void()> wake_;
};

inline std::unique_ptr<model::RecordSink> FakeLog::open_lane(std::function<void()> wake) {
  return std::make_unique<FakeLane>(*this, std::move(wake));
}

}  // namespace banyan::proxy
