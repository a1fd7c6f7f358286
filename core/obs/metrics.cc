// SPDX-License-Identifier: Apache-2.0
#include "core/obs/metrics.h"

#include <charconv>
#include <cmath>
#include <map>

#include "core/base/check.h"
#include "core/base/mutex.h"

namespace banyan::obs {
namespace {

constexpr double kBounds[Histogram::kBuckets] = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                                 0.05,   0.075, 0.1,    0.25,  0.5,  0.75,
                                                 1,      2.5,   5,      7.5,   10};

bool is_name(std::string_view name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  for (const char c : name) {
    const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    if (!is_letter && !(c >= '0' && c <= '9')) return false;
  }
  return true;
}

void append_escaped(std::string& out, std::string_view text, bool escapes_quotes) {
  for (const char c : text) {
    if (c == '\\')
      out += "\\\\";
    else if (c == '\n')
      out += "\\n";
    else if (c == '"' && escapes_quotes)
      out += "\\\"";
    else
      out.push_back(c);
  }
}

void append_number(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "NaN";
  } else if (std::isinf(value)) {
    out += value > 0 ? "+Inf" : "-Inf";
  } else {
    char buffer[64];
    const double size = std::abs(value);
    const bool is_plain = size == 0 || (size >= 1e-6 && size < 1e15);
    const auto result =
        std::to_chars(buffer, buffer + sizeof buffer, value,
                      is_plain ? std::chars_format::fixed : std::chars_format::general);
    out.append(buffer, result.ptr);
  }
}

// {a="1",b="2"}, "" where there are no labels; the key of a child and its text.
std::string label_text(const Labels& labels) {
  if (labels.empty()) return {};
  std::string out = "{";
  for (const auto& [name, value] : labels) {
    CHECK(is_name(name));
    if (out.size() > 1) out.push_back(',');
    out += name;
    out += "=\"";
    append_escaped(out, value, true);
    out.push_back('"');
  }
  out.push_back('}');
  return out;
}

std::string label_text_with(const std::string& labels, std::string_view bound) {
  std::string out = labels.empty() ? "{" : labels.substr(0, labels.size() - 1) + ",";
  out += "le=\"";
  out += bound;
  out += "\"}";
  return out;
}

Labels overflow_labels(const Labels& labels) {
  Labels out = labels;
  for (auto& [name, value] : out) value = "_other";
  return out;
}

void append_sample(std::string& out, std::string_view name, std::string_view suffix,
                   std::string_view labels, double value) {
  out += name;
  out += suffix;
  out += labels;
  out.push_back(' ');
  append_number(out, value);
  out.push_back('\n');
}

}  // namespace

const double* Histogram::bounds_seconds() { return kBounds; }

void Histogram::observe_ns(std::int64_t duration_ns) {
  if (duration_ns < 0) duration_ns = 0;
  const double seconds = static_cast<double>(duration_ns) / 1e9;
  int index = 0;
  while (index < kBuckets && seconds > kBounds[index]) ++index;
  buckets_[index].fetch_add(1, std::memory_order_relaxed);
  sum_ns_.fetch_add(static_cast<std::uint64_t>(duration_ns), std::memory_order_relaxed);
}

struct Metrics::Impl {
  struct Family {
    std::string help;
    std::string type;
    std::map<std::string, std::unique_ptr<Counter>> counters;
    std::map<std::string, std::unique_ptr<Histogram>> histograms;
    std::map<std::string, std::function<double()>> gauges;
    std::function<void(const Emit&)> collect;
    std::size_t size() const { return counters.size() + histograms.size() + gauges.size(); }
  };
  mutable Mutex mutex;
  std::map<std::string, Family, std::less<>> families GUARDED_BY(mutex);

  Family& family(std::string_view name, std::string_view help, std::string_view type)
      REQUIRES(mutex) {
    const auto found = families.find(name);
    if (found != families.end()) {
      CHECK(found->second.type == type);
      return found->second;
    }
    CHECK(is_name(name) && name.substr(0, 7) == "banyan_");
    Family& made = families[std::string(name)];
    made.help = help;
    made.type = type;
    return made;
  }

  // The text of the labels, or of their overflow where the family is full.
  template <typename Children>
  static std::string key_in(const Family& family, const Children& children, const Labels& labels) {
    std::string key = label_text(labels);
    if (children.count(key) == 0 && family.size() >= kLabelSetsMax) {
      key = label_text(overflow_labels(labels));
    }
    return key;
  }
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

Counter& Metrics::counter(std::string_view name, std::string_view help, const Labels& labels) {
  MutexLock lock(impl_->mutex);
  Impl::Family& family = impl_->family(name, help, "counter");
  auto& child = family.counters[Impl::key_in(family, family.counters, labels)];
  if (!child) child = std::make_unique<Counter>();
  return *child;
}

Histogram& Metrics::histogram(std::string_view name, std::string_view help, const Labels& labels) {
  MutexLock lock(impl_->mutex);
  Impl::Family& family = impl_->family(name, help, "histogram");
  auto& child = family.histograms[Impl::key_in(family, family.histograms, labels)];
  if (!child) child = std::make_unique<Histogram>();
  return *child;
}

void Metrics::gauge(std::string_view name, std::string_view help, const Labels& labels,
                    std::function<double()> read) {
  MutexLock lock(impl_->mutex);
  Impl::Family& family = impl_->family(name, help, "gauge");
  family.gauges[Impl::key_in(family, family.gauges, labels)] = std::move(read);
}

void Metrics::collected(std::string_view name, std::string_view help, std::string_view type,
                        std::function<void(const Emit&)> collect) {
  MutexLock lock(impl_->mutex);
  impl_->family(name, help, type).collect = std::move(collect);
}

namespace {

void append_histogram(std::string& out, std::string_view name, const std::string& labels,
                      const Histogram& histogram) {
  std::uint64_t total = 0;
  for (int i = 0; i <= Histogram::kBuckets; ++i) {
    total += histogram.bucket(i);
    std::string bound;
    append_number(bound, i < Histogram::kBuckets ? kBounds[i] : INFINITY);
    append_sample(out, name, "_bucket", label_text_with(labels, bound), static_cast<double>(total));
  }
  append_sample(out, name, "_sum", labels, static_cast<double>(histogram.sum_ns()) / 1e9);
  append_sample(out, name, "_count", labels, static_cast<double>(total));
}

// What a family collects at scrape time, bounded like the rest. Samples past the bound are added
// up.
void append_collected(std::string& out, std::string_view name,
                      const std::function<void(const Metrics::Emit&)>& collect) {
  std::map<std::string, double> samples;
  collect([&samples](const Labels& labels, double value) {
    const std::string key = label_text(labels);
    const auto found = samples.find(key);
    if (found != samples.end()) {
      found->second = value;
    } else if (samples.size() < Metrics::kLabelSetsMax) {
      samples.emplace(key, value);
    } else {
      samples[label_text(overflow_labels(labels))] += value;
    }
  });
  for (const auto& [labels, value] : samples) append_sample(out, name, "", labels, value);
}

}  // namespace

std::string Metrics::scrape() const {
  std::string out;
  MutexLock lock(impl_->mutex);
  for (const auto& [name, family] : impl_->families) {
    out += "# HELP " + name + " ";
    append_escaped(out, family.help, false);
    out += "\n# TYPE " + name + " " + family.type + "\n";
    for (const auto& [labels, counter] : family.counters) {
      append_sample(out, name, "", labels, static_cast<double>(counter->value()));
    }
    for (const auto& [labels, histogram] : family.histograms) {
      append_histogram(out, name, labels, *histogram);
    }
    for (const auto& [labels, read] : family.gauges) append_sample(out, name, "", labels, read());
    if (family.collect) append_collected(out, name, family.collect);
  }
  return out;
}

}  // namespace banyan::obs
