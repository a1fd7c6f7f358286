// SPDX-License-Identifier: Apache-2.0
//
// A log of VERDICTs that is made up as it is read: any number of exchanges that differ for twelve
// planted causes, over 12 routes, 240 endpoints and some 2,000 fields. Differences come from the
// real comparison; which exchange shows what follows from the seed and its number alone. One
// exchange in 400 shows besides a difference that has nothing to do with any other.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "comparator/compare.h"
#include "comparator/options.h"
#include "core/base/hash.h"
#include "core/model/record_io.h"

namespace banyan::support {

class PlantedCauses {
 public:
  static constexpr std::size_t kCauses = 12;
  static constexpr std::size_t kRoutes = 12;
  static constexpr std::size_t kResources = 60;  // each with four endpoints
  static constexpr std::uint64_t kStrayEvery = 400;

  explicit PlantedCauses(std::uint64_t seed) : seed_(seed) {
    for (std::size_t i = 0; i < kResources * 4; ++i) endpoints_.push_back(plan(i));
  }

  std::size_t endpoints() const { return endpoints_.size(); }
  // Which causes exchange `number` shows, as bits.
  std::uint32_t causes_of(std::uint64_t number) const {
    const Endpoint& endpoint = endpoint_of(number);
    std::uint32_t shown = 0;
    for (std::size_t cause = 0; cause < kCauses; ++cause) {
      const bool is_met = random(number, cause) % 100 < kOften[cause];
      if (is_met && !endpoint.differences[cause].empty()) shown |= 1U << cause;
    }
    return shown != 0 ? shown : endpoint.first;
  }
  // Encodes the VERDICT of exchange `number`.
  void encode(std::uint64_t number, std::string& out) const {
    const Endpoint& endpoint = endpoint_of(number);
    model::VerdictRecord record;
    record.exchange = ExchangeId::make(1, Epoch{1}, 1, number + 1);
    record.route = endpoint.route;
    record.endpoint = endpoint.name;
    record.verdict = Verdict::kDifferent;
    record.legacy_status = record.candidate_status = 200;
    record.at.wall_ns = 1'700'000'000'000'000'000 + static_cast<std::int64_t>(number) * 1'000'000;
    record.legacy_duration_ns = record.candidate_duration_ns = 10'000'000;
    record.request_stream = "main";
    record.request_offset = Offset{3 * number};
    record.request_shape = static_cast<std::uint32_t>(random(number, 101) % 8);
    const std::uint32_t shown = causes_of(number);
    for (std::size_t cause = 0; cause < kCauses; ++cause) {
      if ((shown >> cause & 1U) == 0) continue;
      const auto& some = endpoint.differences[cause];
      record.differences.insert(record.differences.end(), some.begin(), some.end());
    }
    if (random(number, 102) % kStrayEvery == 0) {
      model::Difference stray;
      stray.path = stray.at = "body:$.stray" + std::to_string(random(number, 103) % 100);
      stray.legacy = "a";
      stray.candidate = "b";
      record.differences.push_back(stray);
    }
    out.clear();
    model::encode(record, out);
  }

 private:
  struct Endpoint {
    std::string route, name;
    std::array<std::vector<model::Difference>, kCauses> differences;
    std::uint32_t first = 0;  // shown where chance shows none
  };
  struct Field {
    std::size_t cause;
    std::string_view name, legacy, candidate;  // JSON; "" where it is left out
  };
  // How often an exchange shows a cause that its endpoint has, in percent.
  static constexpr std::array<std::uint64_t, kCauses> kOften = {90, 100, 80, 30, 60, 70,
                                                                25, 95,  15, 10, 50, 100};
  static constexpr std::array<Field, 19> kFields = {{
      {0, "price", "12.5", "1250"},
      {0, "total", "99.99", "9999"},
      {0, "shipping", "4.5", "450"},
      {1, "id", "17", "\"17\""},
      {1, "customer_id", "1042", "\"1042\""},
      {1, "parent_id", "3", "\"3\""},
      {2, "created_at", "\"2026-11-28T10:00:00Z\"", "\"2026-11-28T10:00:00+00:00\""},
      {2, "updated_at", "\"2026-11-28T11:30:00Z\"", "\"2026-11-28T11:30:00+00:00\""},
      {3, "description", "\"salt & pepper\"", "\"salt &amp; pepper\""},
      {3, "title", "\"<new>\"", "\"&lt;new&gt;\""},
      {4, "email", "\"Ada@example.org\"", "\"ada@example.org\""},
      {5, "discount", "null", ""},
      {5, "note", "null", ""},
      {6, "tags", R"(["red","green","blue"])", R"(["blue","red","green"])"},
      {7, "link", "\"https://old.example.org/a/1\"", "\"https://new.example.org/a/1\""},
      {10, "lines", R"([{"sku":"a"},{"sku":"b"},{"sku":"c"}])", R"([{"sku":"a"},{"sku":"b"}])"},
      {11, "checksum", "\"a81fe\"", "\"77c2b\""},
      {kCauses, "name", "\"Ada\"", "\"Ada\""},
      {kCauses, "active", "true", "true"},
  }};

  std::uint64_t random(std::uint64_t number, std::uint64_t what) const {
    const std::array<std::uint64_t, 3> parts = {seed_, number, what};
    return xxh3_64(std::string_view(reinterpret_cast<const char*>(parts.data()), sizeof(parts)));
  }
  // Some are asked for a hundred times as often as others.
  const Endpoint& endpoint_of(std::uint64_t number) const {
    const std::uint64_t draw = random(number, 100);
    const std::uint64_t below = draw % endpoints_.size() + 1;
    return endpoints_[(draw >> 32) % below];
  }

  // One answer of an endpoint; `cause` applied, where it is one.
  static std::string body_of(const std::vector<bool>& has, bool is_list, std::size_t cause) {
    std::string out;
    for (std::size_t i = 0; i < kFields.size(); ++i) {
      const std::string_view value =
          kFields[i].cause == cause ? kFields[i].candidate : kFields[i].legacy;
      if (!has[i] || value.empty()) continue;
      out += (out.empty() ? "\"" : ",\"") + std::string(kFields[i].name) + "\":";
      out += value;
    }
    out = "{" + out + "}";
    return is_list ? R"({"page":1,"data":[)" + out + "]}" : out;
  }

  Endpoint plan(std::size_t number) const {
    const std::size_t resource = number / 4;
    std::string word = "things";
    for (std::size_t i = 0, left = resource; i < 2; ++i, left /= 26) {
      word.push_back(static_cast<char>('a' + left % 26));
    }
    Endpoint out;
    out.route = "route-" + std::to_string(resource % kRoutes);
    const std::array<std::string, 4> names = {"GET /" + word, "GET /" + word + "/{}",
                                              "POST /" + word, "GET /" + word + "/{}/history"};
    out.name = names[number % 4];
    std::vector<bool> has(kFields.size());
    for (std::size_t i = 0; i < has.size(); ++i) {
      has[i] = random(number, 200 + i) % 2 == 0;
      // Rows are missing of one resource, and one endpoint signs what it answers.
      if (kFields[i].cause == 10) has[i] = resource == 0;
      if (kFields[i].cause == 11) has[i] = number == 1;
    }
    for (std::size_t cause = 0; cause < kCauses; ++cause) {
      out.differences[cause] = compare(number, has, cause);
      if (!out.differences[cause].empty() && out.first == 0) out.first = 1U << cause;
    }
    return out;
  }

  // By the real comparison. Cause 8: a header is gone; cause 9: another status.
  std::vector<model::Difference> compare(std::size_t number, const std::vector<bool>& has,
                                         std::size_t cause) const {
    const bool is_list = number % 4 == 0;
    const std::string before = body_of(has, is_list, kCauses + 1);
    const std::string after = body_of(has, is_list, cause);
    comparator::LiftedAnswer legacy;
    legacy.status = 200;
    legacy.fields = {{"Content-Type", "application/json"}, {"X-Request-Cost", "3"}};
    comparator::LiftedAnswer candidate = legacy;
    if (cause == 8) candidate.fields.pop_back();
    if (cause == 9 && number % 4 == 2) candidate.status = 202;
    const auto fill = [](comparator::LiftedAnswer& answer, std::string_view body) {
      answer.body = body;
      answer.has_body = true;
      answer.body_length = body.size();
      answer.body_digest = xxh3_128(body, 7);
    };
    fill(legacy, before);
    fill(candidate, after);
    const auto rules = comparator::CompiledRules::compile(comparator::ComparatorOptions());
    if (!rules.ok()) return {};
    return comparator::compare_answers(**rules, "all", "GET", legacy, candidate).differences;
  }

  std::uint64_t seed_;
  std::vector<Endpoint> endpoints_;
};

// The first `size` of them, as records of the stream "compare".
class PlantedLog final : public model::LogAccess {
 public:
  explicit PlantedLog(const PlantedCauses& causes) : causes_(causes) {}
  void set_size(std::uint64_t size) { size_ = size; }

  Result<std::unique_ptr<model::RecordSource>> open_source(const model::Cursor& from,
                                                           model::Fence) override {
    return std::unique_ptr<model::RecordSource>(new Source(*this, from.next_of("compare").value));
  }
  model::Cursor begin() const override { return {}; }
  model::Cursor end() const override { return {{{"compare", Offset{size_}}}}; }
  Result<model::Cursor> find_time(std::int64_t) const override { return model::Cursor(); }
  Result<std::vector<model::LogSpan>> find_key(const model::LogKey&) const override {
    return std::vector<model::LogSpan>{{"compare", Offset{0}, Offset{size_}}};
  }
  std::int64_t longest_exchange_ns(std::int64_t) const override { return 0; }
  std::shared_ptr<void> add_publish_listener(PublishListener) override { return nullptr; }
  Status commit_cursor(std::string_view, const model::Cursor&, bool) override { return {}; }
  Result<model::Cursor> load_cursor(std::string_view) const override { return model::Cursor(); }

 private:
  class Source final : public model::RecordSource {
   public:
    Source(const PlantedLog& log, std::uint64_t next) : log_(log), next_(next) {}
    Result<bool> next(model::SourcedRecord& out) override {
      if (next_ >= log_.size_) return false;
      log_.causes_.encode(next_, encoded_);
      out = {};
      out.stream = "compare";
      out.offset = Offset{next_++};
      out.encoded = encoded_;
      out.type = model::RecordType::kVerdict;
      return true;
    }
    model::Cursor position() const override { return {{{"compare", Offset{next_}}}}; }
    bool is_durable(std::string_view, Offset) const override { return true; }
    void wait(std::chrono::milliseconds) override {}
    void interrupt() override {}

   private:
    const PlantedLog& log_;
    std::uint64_t next_;
    std::string encoded_;
  };

  const PlantedCauses& causes_;
  std::uint64_t size_ = 0;
};

}  // namespace banyan::support
