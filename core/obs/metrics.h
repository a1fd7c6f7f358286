// SPDX-License-Identifier: Apache-2.0
//
// Counters, gauges and histograms in the Prometheus text format (0.0.4). Families are registered
// once at start; updating is a relaxed atomic. Any thread. Every name starts with banyan_.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace banyan::obs {

using Labels = std::vector<std::pair<std::string, std::string>>;

class Counter {
 public:
  void add(std::uint64_t by = 1) { value_.fetch_add(by, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// Buckets in seconds: 0.5 ms to 10 s (the OpenTelemetry ones with three finer in front).
class Histogram {
 public:
  void observe_ns(std::int64_t duration_ns);
  static constexpr int kBuckets = 17;
  static const double* bounds_seconds();
  std::uint64_t bucket(int index) const { return buckets_[index].load(std::memory_order_relaxed); }
  std::uint64_t sum_ns() const { return sum_ns_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> buckets_[kBuckets + 1] = {};
  std::atomic<std::uint64_t> sum_ns_{0};
};

class Metrics {
 public:
  static constexpr std::size_t kLabelSetsMax = 500;  // of one family

  Metrics();
  ~Metrics();
  // The same name and labels give the same object; it lives as long as the Metrics. At most 500
  // label sets a family, further ones share one labelled "_other".
  Counter& counter(std::string_view name, std::string_view help, const Labels& labels = {});
  Histogram& histogram(std::string_view name, std::string_view help, const Labels& labels = {});
  // Read at scrape time, on the scraping thread. Registered again, the later one counts. Neither
  // `read` nor `collect` may call this Metrics.
  void gauge(std::string_view name, std::string_view help, const Labels& labels,
             std::function<double()> read);
  // Families whose label sets change: called at scrape, adds samples by `emit(labels, value)`.
  using Emit = std::function<void(const Labels&, double)>;
  void collected(std::string_view name, std::string_view help, std::string_view type,
                 std::function<void(const Emit&)> collect);
  std::string scrape() const;  // families by name, label sets in order

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace banyan::obs
