// SPDX-License-Identifier: Apache-2.0
//
// Input: a descriptor set, "\n--\n", and two messages with "\n--\n" between them. Any bytes as a
// set are one or an error that names the file; bodies are compared by it under the laws of
// fuzz_compare.
#include <cstdint>
#include <string>
#include <string_view>

#include "comparator/message_types.h"
#include "core/base/check.h"
#include "tests/support/comparison_laws.h"

namespace {

using namespace std::string_view_literals;

std::string_view take(std::string_view& rest) {
  constexpr std::string_view kBetween = "\n--\n"sv;
  const std::size_t end = rest.find(kBetween);
  const std::string_view part = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + kBetween.size());
  return part;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace banyan;
  using namespace banyan::comparator;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const DescriptorSet set{"x.pb", std::string(take(rest))};
  constexpr std::string_view kType = "application/x-protobuf; proto=p.M";
  const LiftedAnswer a = answer_of(kType, take(rest));
  const LiftedAnswer b = answer_of(kType, rest);
  const auto types = MessageTypes::read({&set, 1});
  if (!types.ok()) {
    CHECK(types.error().message.starts_with("x.pb: "));
    return 0;
  }
  ComparatorOptions options;
  options.body_bytes_max = 1 << 20;
  options.messages = *types;
  const auto rules = *CompiledRules::compile(options);
  Comparison found;
  CHECK(broken_law(*rules, a, b, found, "/p.S/Get").empty());
  return 0;
}
