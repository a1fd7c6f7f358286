// SPDX-License-Identifier: Apache-2.0
#include "comparator/latency_counts.h"

#include "comparator/latency_histogram.h"

namespace banyan::comparator {
namespace {

constexpr unsigned kBucketBits = 11;
static_assert(LatencyHistogram::kBucketMax < (1 << kBucketBits));

std::uint64_t latency_key(std::uint64_t name, std::uint64_t system, std::int64_t duration_ns) {
  const auto bucket = static_cast<std::uint64_t>(LatencyHistogram::bucket_of(duration_ns));
  return (name << (kBucketBits + 1)) | (system << kBucketBits) | bucket;
}

}  // namespace

void LatencyCounts::add(std::string_view route, std::string_view endpoint, std::int64_t legacy_ns,
                        std::int64_t candidate_ns) {
  const std::uint64_t name = name_of(route, endpoint);
  ++counts_[latency_key(name, 0, legacy_ns)];
  ++counts_[latency_key(name, 1, candidate_ns)];
}

std::uint64_t LatencyCounts::name_of(std::string_view route, std::string_view endpoint) {
  if (last_ < names_.size() && names_[last_].endpoint == endpoint && names_[last_].route == route) {
    return last_;
  }
  // The length in front keeps two pairs with the same text apart.
  key_ = std::to_string(route.size());
  key_ += ':';
  key_ += route;
  key_ += endpoint;
  const auto [found, is_new] = index_.try_emplace(key_, names_.size());
  if (is_new) names_.push_back(Name{std::string(route), std::string(endpoint)});
  last_ = found->second;
  return last_;
}

void LatencyCounts::clear() {
  names_.clear();
  index_.clear();
  counts_.clear();
}

std::vector<LatencyCounts::Count> LatencyCounts::all() const {
  std::vector<Count> out;
  out.reserve(counts_.size());
  for (const auto& [key, count] : counts_) {
    const Name& name = names_[key >> (kBucketBits + 1)];
    out.push_back(Count{name.route, name.endpoint, static_cast<int>((key >> kBucketBits) & 1),
                        static_cast<int>(key & ((1U << kBucketBits) - 1)), count});
  }
  return out;
}

}  // namespace banyan::comparator
