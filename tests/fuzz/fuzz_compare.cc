// SPDX-License-Identifier: Apache-2.0
//
// Input: one byte of choices, then two bodies with "\n--\n" between them. Laws: a body equals
// itself, swapped sides give the same verdict and number of differences, and what is shown is
// bounded.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "comparator/endpoint_name.h"
#include "comparator/endpoint_tree.h"
#include "comparator/order_shape.h"
#include "comparator/transition.h"
#include "core/base/check.h"
#include "tests/support/comparison_laws.h"

namespace banyan::comparator {
namespace {

constexpr std::size_t kShownMax = 40;

std::shared_ptr<const CompiledRules> rules_of(bool is_ruled) {
  ComparatorOptions options;
  options.shown_bytes_max = kShownMax;
  options.body_bytes_max = 1 << 20;
  if (is_ruled) {
    options.rules.push_back({{},
                             {"body:$..t", "header:X-A", "body://@t", "body://i"},
                             {{"body:$.a", "id"}, {"body:$.b", ""}, {"body:/x/u", "@k"}},
                             {{"body:$..n", 0.5, 0.01}}});
    options.rules.back().operations = {{"shape", "body:$..s"},
                                       {"coerce", "body:$..c"},
                                       {"null_eq_absent", "body:**"},
                                       {"presence", "body:$.m.{}"},
                                       {"time", "body:$..at", 5'000'000'000},
                                       {"unit", "body:$..u", 0, -1},
                                       {"parse_as", "body:$..p", 0, 0, "json"},
                                       {"parse_as", "body:$..q", 0, 0, "base64json"},
                                       {"url", "body:$..h", 0, 0, "", {{"a", "b"}, {"b", "a"}}}};
  }
  return *CompiledRules::compile(options);
}

// Members that go by other names are read from legacy's side alone, so swapped sides need not
// mirror.
std::shared_ptr<const CompiledRules> renaming_rules() {
  ComparatorOptions options;
  options.shown_bytes_max = kShownMax;
  options.rules.push_back({{}, {"body:$..t"}, {{"body:$.b", "id, k"}}, {}});
  options.rules.back().operations = {
      {"rename", "body:$", 0, 0, "", {{"a", "b"}, {"c", "a"}}},
      {"rename", "body:$..m", 0, 0, "", {{"id", "k"}, {"k", "id"}, {"n", "o"}}},
      {"rename", "body:$.b[]", 0, 0, "", {{"k", "q"}}}};
  return *CompiledRules::compile(options);
}

LiftedAnswer answer(std::string_view body, unsigned choices) {
  constexpr std::string_view kCodings[] = {"",     "gzip", "deflate",  "br",
                                           "zstd", "x",    "gzip, br", ""};
  LiftedAnswer out = answer_of({}, body);
  out.fields.push_back({"Content-Encoding", kCodings[choices & 7]});
  const bool is_xml = body.starts_with('<');
  if ((choices & 8) != 0) {
    // The first byte of a body that is neither chooses what else it is.
    constexpr std::string_view kTypes[] = {"application/x-www-form-urlencoded",
                                           "multipart/form-data; boundary=x",
                                           "application/x-ndjson",
                                           "text/event-stream",
                                           "application/x-protobuf",
                                           "application/grpc",
                                           "text/html"};
    const bool is_other = !body.empty() && body[0] >= '0' && body[0] < '7';
    out.fields.push_back({"Content-Type", is_other ? kTypes[body[0] - '0']
                                          : is_xml ? "application/xml"
                                                   : "application/json"});
    if (is_other) body.remove_prefix(1);
  }
  // The head of the body also serves as hostile header values.
  const std::string_view head = body.substr(0, body.find('\n'));
  if ((choices & 16) != 0) out.fields.push_back({"Set-Cookie", head});
  if ((choices & 32) != 0) out.fields.push_back({"Content-Type", head});
  out.body = body;
  out.body_length = body.size();
  return out;
}

void check(const CompiledRules& rules, std::string_view a, std::string_view b, unsigned choices) {
  const LiftedAnswer left = answer(a, choices);
  const LiftedAnswer right = answer(b, (choices & 64) != 0 ? choices & ~7U : choices);
  Comparison there;
  CHECK(broken_law(rules, left, right, there).empty());
  for (const auto& found : there.differences) {
    CHECK(found.legacy.size() <= kShownMax && found.candidate.size() <= kShownMax);
    CHECK(!found.path.empty() && !found.at.empty());
  }
}

void check_renamed(const CompiledRules& rules, std::string_view a, std::string_view b) {
  const LiftedAnswer left = answer_of("application/json", a);
  const LiftedAnswer right = answer_of("application/json", b);
  CHECK(compare_answers(rules, "r", "GET", left, left).verdict == Verdict::kEqual);
  const Comparison found = compare_answers(rules, "r", "GET", left, right);
  CHECK((found.verdict == Verdict::kEqual) == found.differences.empty());
}

constexpr std::size_t kWordBytesMax = 64;

// A leaf from its text; the choices give its type.
Leaf leaf_of(std::string_view text, unsigned type) {
  switch (type & 3) {
    case 0: return {LeafType::kNumber, text};
    case 1: return {LeafType::kBoolean, text.size() % 2 == 0 ? "true" : "false"};
    case 2: return {};
    default: return {LeafType::kString, text};
  }
}

void check_transition(std::string_view a, std::string_view b, unsigned choices) {
  const std::string there = transition_of_text(a, b);
  CHECK(there.size() <= kWordBytesMax);
  CHECK(there.empty() == transition_of_text(b, a).empty());
  CHECK(transition_of_text(a, a).empty());
  const Leaf left = leaf_of(a, choices);
  const Leaf right = leaf_of(b, choices >> 2);
  CHECK(transition_of(left, right).size() <= kWordBytesMax);
  CHECK(transition_of(left, right).empty() == transition_of(right, left).empty());
}

// The first body as whatever names an operation.
void check_endpoint(std::string_view a, std::string_view b, unsigned choices) {
  constexpr std::string_view kTypes[] = {"application/json", "application/graphql", "text/xml",
                                         "application/grpc"};
  model::RequestRecord request;
  request.method = (choices & 4) != 0 ? "GET" : "POST";
  request.target = (choices & 8) != 0 ? b : std::string_view("/graphql");
  request.fields = {{"Content-Type", (choices & 16) != 0 ? b : kTypes[choices & 3]}};
  if ((choices & 32) != 0) request.fields.push_back({"SOAPAction", b});
  request.body.kind = model::Body::Kind::kInline;
  request.body.bytes = a;
  Operation operation;
  if (may_name_operation(request.method, request.target)) read_operation(request, operation);
  std::string label;
  write_endpoint(request.method, request.target, operation, label);
  CHECK(label.size() <= kEndpointBytesMax);
}

// A tree from hostile bytes, and lines of a body as endpoints.
void check_tree(std::string_view a, std::string_view b) {
  EndpointTree tree(50);
  static_cast<void>(tree.read(b));
  while (!a.empty()) {
    const std::size_t end = a.find('\n');
    const std::string name(tree.count(a.substr(0, end)));
    CHECK(tree.name_of(name) == tree.name_of(tree.name_of(name)));
    a.remove_prefix(end == std::string_view::npos ? a.size() : end + 1);
  }
  const std::string bytes = tree.to_bytes();
  EndpointTree again(50);
  if (again.read(bytes)) CHECK(again.to_bytes() == bytes);
}

}  // namespace
}  // namespace banyan::comparator

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto bare = banyan::comparator::rules_of(false);
  static const auto ruled = banyan::comparator::rules_of(true);
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t middle = rest.find("\n--\n");
  const std::string_view a = rest.substr(0, middle);
  const std::string_view b =
      middle == std::string_view::npos ? std::string_view() : rest.substr(middle + 4);
  banyan::comparator::check((data[0] & 128) != 0 ? *ruled : *bare, a, b, data[0]);
  static const auto renaming = banyan::comparator::renaming_rules();
  banyan::comparator::check_renamed(*renaming, a, b);
  banyan::comparator::check_transition(a, b, data[0]);
  CHECK(banyan::comparator::order_shape(a).size() <= banyan::comparator::kWordBytesMax);
  banyan::comparator::check_endpoint(a, b, data[0]);
  banyan::comparator::check_tree(a, b);
  static_cast<void>(banyan::comparator::check_rule_path(a.substr(0, 200)));
  static_cast<void>(banyan::comparator::endpoint_of("GET", a));
  return 0;
}
