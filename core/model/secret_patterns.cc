// SPDX-License-Identifier: Apache-2.0
#include "core/model/secret_patterns.h"

#include <re2/re2.h>

#include <algorithm>
#include <utility>

#include "core/base/text.h"

namespace banyan::model {
namespace {

using Find = void (*)(std::string_view, std::size_t, std::vector<SecretSpan>&);
using MayHold = bool (*)(std::string_view);

struct Known {
  std::string_view name;
  Find find;
  MayHold may_hold;
};
constexpr Known kKnown[] = {
    {"card", find_cards, may_hold_card},
    {"email", find_emails, may_hold_email},
    {"bearer", find_credentials, may_hold_credential},
};

Error bad_pattern(std::string what) {
  return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kConfig, std::move(what));
}

void find_expression(const RE2& expression, std::string_view text, std::size_t spans_max,
                     std::vector<SecretSpan>& spans) {
  const re2::StringPiece whole(text.data(), text.size());
  const int group = expression.NumberOfCapturingGroups() > 0 ? 1 : 0;
  re2::StringPiece found[2];
  std::size_t at = 0;
  while (at < text.size() && spans.size() < spans_max &&
         expression.Match(whole, at, text.size(), RE2::UNANCHORED, found, group + 1)) {
    const auto end_of = [&text](const re2::StringPiece& piece) {
      return static_cast<std::size_t>(piece.data() + piece.size() - text.data());
    };
    // A group that took no part, or matched nothing, hides nothing.
    if (found[group].data() != nullptr && !found[group].empty()) {
      const std::size_t end = end_of(found[group]);
      spans.push_back({end - found[group].size(), end});
    }
    at = std::max(at + 1, end_of(found[0]));
  }
}

// Overlapping matches become one, dropped if any of them is.
void merge(std::vector<SecretSpan>& spans) {
  std::sort(spans.begin(), spans.end(),
            [](const SecretSpan& a, const SecretSpan& b) { return a.begin < b.begin; });
  std::size_t kept = 0;
  for (const SecretSpan& span : spans) {
    if (kept > 0 && span.begin < spans[kept - 1].end) {
      SecretSpan& before = spans[kept - 1];
      before.end = std::max(before.end, span.end);
      before.is_dropped = before.is_dropped || span.is_dropped;
    } else {
      spans[kept++] = span;
    }
  }
  spans.resize(kept);
}

}  // namespace

struct SecretPatterns::Rule {
  const Known* known = nullptr;
  std::unique_ptr<RE2> expression;
  std::uint8_t places = kInEverything;
  bool is_dropped = false;
};

SecretPatterns::SecretPatterns() = default;
SecretPatterns::~SecretPatterns() = default;

Status SecretPatterns::add_known(std::string_view kind, std::uint8_t places, bool is_dropped) {
  const auto* known = std::find_if(std::begin(kKnown), std::end(kKnown),
                                   [kind](const Known& one) { return one.name == kind; });
  if (known == std::end(kKnown)) {
    return bad_pattern("'pattern:" + escape_for_terminal(kind, 100) +
                       "' is no known pattern; there are pattern:card, pattern:email and "
                       "pattern:bearer, and { pattern = \"…\", name = \"…\" } for your own");
  }
  auto rule = std::make_unique<Rule>();
  rule->known = known;
  return add_rule(std::move(rule), places, is_dropped);
}

Status SecretPatterns::add_rule(std::unique_ptr<Rule> rule, std::uint8_t places, bool is_dropped) {
  if (rules_.size() >= kRulesMax) {
    return bad_pattern("more than " + std::to_string(kRulesMax) + " patterns");
  }
  rule->places = places;
  rule->is_dropped = is_dropped;
  places_ |= places;
  if (is_dropped) dropping_places_ |= places;
  rules_.push_back(std::move(rule));
  return {};
}

Status SecretPatterns::add_expression(const std::string& expression, std::uint8_t places,
                                      bool is_dropped) {
  if (expression.size() > kExpressionBytesMax) {
    return bad_pattern("a pattern has at most " + std::to_string(kExpressionBytesMax) + " bytes");
  }
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kExpressionMemoryMax);
  auto rule = std::make_unique<Rule>();
  rule->expression = std::make_unique<RE2>(expression, options);
  if (!rule->expression->ok()) {
    return bad_pattern("the pattern does not compile: " + rule->expression->error());
  }
  if (RE2::FullMatch("", *rule->expression)) {
    return bad_pattern("the pattern also matches the empty text; write + in place of *");
  }
  return add_rule(std::move(rule), places, is_dropped);
}

bool SecretPatterns::may_match(std::string_view text, SecretPlace place) const {
  if (text.empty()) return false;
  // What an expression finds in the decoded text, anchors and all, cannot be told from the raw one.
  return std::any_of(rules_.begin(), rules_.end(), [&](const auto& rule) {
    return (rule->places & place) != 0 && (rule->known == nullptr || rule->known->may_hold(text));
  });
}

std::vector<SecretSpan> SecretPatterns::find(std::string_view text, SecretPlace place,
                                             std::size_t spans_max) const {
  std::vector<SecretSpan> spans;
  if (text.empty()) return spans;
  for (const auto& rule : rules_) {
    if ((rule->places & place) == 0) continue;
    const std::size_t first = spans.size();
    if (rule->known != nullptr) {
      if (rule->known->may_hold(text)) rule->known->find(text, first + spans_max, spans);
    } else {
      find_expression(*rule->expression, text, first + spans_max, spans);
    }
    for (std::size_t i = first; i < spans.size(); ++i) spans[i].is_dropped = rule->is_dropped;
  }
  merge(spans);
  return spans;
}

bool SecretPatterns::replace(std::string_view text, SecretPlace place, const TokenOf& token_of,
                             std::size_t& matches_left, ReplacedText& out) const {
  const auto spans = find(text, place, matches_left);
  if (spans.empty()) return false;
  out = {};
  std::size_t at = 0;
  for (const SecretSpan& span : spans) {
    if (matches_left > 0) --matches_left;
    const std::string_view between = text.substr(at, span.begin - at);
    const std::string_view secret = text.substr(span.begin, span.end - span.begin);
    const std::string token = token_of(secret);
    out.text.append(between).append(token);
    out.to_send.append(between);
    if (span.is_dropped) {
      ++out.dropped;
      out.to_send.append(token);
    } else {
      out.to_send.append(secret);
    }
    at = span.end;
  }
  out.text.append(text.substr(at));
  out.to_send.append(text.substr(at));
  return true;
}

}  // namespace banyan::model
