// SPDX-License-Identifier: Apache-2.0
//
// One comparison: equal answers of 1 KB (bar: 0.3 us), and a 1 KB JSON pair with differences (30
// us).
#include <benchmark/benchmark.h>

#include <string>

#include "comparator/compare.h"

namespace banyan::comparator {
namespace {

// An object with a list of twelve records, about 1 KB.
std::string body_of(int total, bool is_changed) {
  std::string out = R"({"customer":"c-1042","currency":"EUR","items":[)";
  for (int i = 0; i < 12; ++i) {
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

}  // namespace
}  // namespace banyan::comparator
