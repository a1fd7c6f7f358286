// SPDX-License-Identifier: Apache-2.0
//
// The last refused messages of each reason, so that a person can see which legacy client or system
// meets the strict reading, and with which bytes. Secrets cannot show: see
// core/http/masked_sample.h.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/mutex.h"

namespace banyan::proxy {

struct Refusal {
  std::int64_t wall_ns = 0;
  std::string_view from;    // client, legacy, candidate
  std::string_view reason;  // stable code: "conflicting_length"
  int status = 0;           // that the client got
  std::string peer;         // address of who sent it
  std::uint64_t position = 0;
  std::string sample;  // masked; "" where there is nothing to show
};

// Any thread; a lock per refusal. Bounded.
class Refusals {
 public:
  static constexpr std::size_t kSamplesPerReason = 8;
  static constexpr std::size_t kReasonsMax = 256;

  struct Reason {
    std::string from, reason;
    std::uint64_t count = 0;
    std::deque<Refusal> samples;  // newest last
  };

  void add(Refusal refusal);
  std::vector<Reason> list() const;

 private:
  mutable Mutex mutex_;
  std::map<std::pair<std::string_view, std::string_view>, Reason> reasons_ GUARDED_BY(mutex_);
};

}  // namespace banyan::proxy
