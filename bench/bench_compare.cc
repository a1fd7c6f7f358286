// SPDX-License-Identifier: Apache-2.0
//
// One comparison. Bars (issue 5, per core): equal answers of 1 KB 500,000/s, equal but for spelling
// 150,000/s, different 60,000/s; documents of 64 KB with one changed leaf 0.4 GB/s, the bytes of
// both sides counted; the worst array stays inside its bound. memory_floor reads the same bytes
// once, for a ratio.
#include <benchmark/benchmark.h>

#include <string>

#include "comparator/compare.h"
#include "core/base/hash.h"

namespace banyan::comparator {
namespace {

// An object with a list of records; twelve are about 1 KB.
std::string body_of(int total, bool is_changed, int records = 12) {
  std::string out = R"({"customer":"c-1042","currency":"EUR","items":[)";
  for (int i = 0; i < records; ++i) {
    if (i > 0) out += ',';
    const std::string price = std::to_string(i * 7 + (is_changed && i % 5 == 1 ? 1 : 0));
    out += R"({"sku":"sku-)" + std::to_string(1000 + i) + R"(","name":"article )" +
           std::to_string(i) + R"(","quantity":)" + std::to_string(i % 4) + R"(,"price":)" + price +
           ".50}";
  }
  return out + R"(],"total":)" + std::to_string(total) + "}";
}

LiftedAnswer answer_of(std::string_view body, std::string_view date) {
  LiftedAnswer out;
  out.status = 200;
  out.fields = {{"Content-Type", "application/json"},
                {"Date", date},
                {"Cache-Control", "no-store"},
                {"Vary", "Accept"},
                {"Server", "x"}};
  out.body = body;
  out.has_body = true;
  out.body_length = body.size();
  return out;
}

void compare_pair(benchmark::State& state, const std::string& a, const std::string& b,
                  const ComparatorOptions& options) {
  const auto rules = *CompiledRules::compile(options);
  const LiftedAnswer legacy = answer_of(a, "Mon, 23 Nov 2026 20:00:00 GMT");
  const LiftedAnswer candidate = answer_of(b, "Mon, 23 Nov 2026 20:00:01 GMT");
  std::size_t differences = 0;
  for (auto step : state) {
    static_cast<void>(step);
    const Comparison result = compare_answers(*rules, "orders", "GET", legacy, candidate);
    differences = result.differences.size();
    benchmark::DoNotOptimize(result.verdict);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * (a.size() + b.size())));
  state.counters["bytes"] = static_cast<double>(a.size());
  state.counters["differences"] = static_cast<double>(differences);
}

void equal_bodies(benchmark::State& state) {
  compare_pair(state, body_of(5, false), body_of(5, false), {});
}
BENCHMARK(equal_bodies);

void equal_but_for_spelling(benchmark::State& state) {
  compare_pair(state, body_of(5, false), " " + body_of(5, false), {});
}
BENCHMARK(equal_but_for_spelling);

void different_json(benchmark::State& state) {
  compare_pair(state, body_of(5, false), body_of(6, true), {});
}
BENCHMARK(different_json);

void different_json_with_rules(benchmark::State& state) {
  ComparatorOptions options;
  options.rules.push_back({{"orders*"},
                           {"body:$.generated_at", "body:$..trace", "header:X-A"},
                           {{"body:$.items", "sku"}},
                           {{"body:$.total", 0.005, 0}}});
  compare_pair(state, body_of(5, false), body_of(6, true), options);
}
BENCHMARK(different_json_with_rules);

constexpr int kRecordsOf64Kb = 990;

void one_leaf_of_64_kb(benchmark::State& state) {
  compare_pair(state, body_of(5, false, kRecordsOf64Kb), body_of(6, false, kRecordsOf64Kb), {});
}
BENCHMARK(one_leaf_of_64_kb);

void one_leaf_of_64_kb_with_rules(benchmark::State& state) {
  ComparatorOptions options;
  options.rules.push_back({{"orders*"},
                           {"body:$.generated_at", "body:$..trace", "header:X-A"},
                           {{"body:$.items", "sku"}},
                           {{"body:$.items[].price", 0.005, 0}}});
  compare_pair(state, body_of(5, false, kRecordsOf64Kb), body_of(6, false, kRecordsOf64Kb),
               options);
}
BENCHMARK(one_leaf_of_64_kb_with_rules);

// What any comparison of these bytes has to do at least: look at each once.
void memory_floor_of_64_kb(benchmark::State& state) {
  const std::string a = body_of(5, false, kRecordsOf64Kb);
  const std::string b = body_of(6, false, kRecordsOf64Kb);
  for (auto step : state) {
    static_cast<void>(step);
    benchmark::DoNotOptimize(xxh3_128(a, 1));
    benchmark::DoNotOptimize(xxh3_128(b, 1));
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * (a.size() + b.size())));
}
BENCHMARK(memory_floor_of_64_kb);

// 10,000 distinct items, all moved; with `is_changed` none is what it was either.
void worst_array(benchmark::State& state, bool is_changed) {
  constexpr int kItems = 10'000;
  std::string a = "[", b = "[";
  for (int i = 0; i < kItems; ++i) {
    const int moved = kItems - 1 - i;
    a += (i > 0 ? ",[" : "[") + std::to_string(i) + R"(,"left","right"])";
    b += (i > 0 ? ",[" : "[") + std::to_string(moved) +
         (is_changed ? R"(,"left","other"])" : R"(,"left","right"])");
  }
  compare_pair(state, a + "]", b + "]", {});
}
void worst_array_moved(benchmark::State& state) { worst_array(state, false); }
BENCHMARK(worst_array_moved)->Unit(benchmark::kMillisecond);
void worst_array_moved_and_changed(benchmark::State& state) { worst_array(state, true); }
BENCHMARK(worst_array_moved_and_changed)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace banyan::comparator
