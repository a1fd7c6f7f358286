// SPDX-License-Identifier: Apache-2.0
//
// Latency of endpoints counted in memory until it is written: one addition for each VERDICT. For
// the comparator's own sources. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace banyan::comparator {

class LatencyCounts {
 public:
  // Endpoints in memory past which it wants to be written.
  static constexpr std::size_t kEndpointsMax = 10'000;

  void add(std::string_view route, std::string_view endpoint, std::int64_t legacy_ns,
           std::int64_t candidate_ns);
  // The number of an endpoint until the next clear(); counts of other kinds go by it too.
  std::uint64_t name_of(std::string_view route, std::string_view endpoint);
  struct Name {
    std::string route, endpoint;
  };
  const Name& name(std::uint64_t number) const { return names_[number]; }
  bool is_full() const { return names_.size() >= kEndpointsMax; }
  void clear();

  struct Count {
    std::string_view route, endpoint;
    int system = 0;  // 0 legacy, 1 candidate
    int bucket = 0;  // of LatencyHistogram
    std::uint64_t count = 0;
  };
  std::vector<Count> all() const;

 private:
  std::vector<Name> names_;
  std::unordered_map<std::string, std::uint64_t> index_;  // by route and endpoint in one text
  std::string key_;
  std::uint64_t last_ = 0;  // the name of the last one: traffic repeats itself
  std::unordered_map<std::uint64_t, std::uint64_t> counts_;  // by name, system and bucket
};

}  // namespace banyan::comparator
