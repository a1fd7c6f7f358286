// SPDX-License-Identifier: Apache-2.0
#include "admin/log_filter.h"

#include <optional>
#include <variant>

#include "core/base/text.h"

namespace banyan::admin {
namespace {

// What a filter may ask of a record; absent where it has no such thing.
struct Facts {
  std::optional<std::string_view> route, method, path;
  std::optional<int> status;
  std::optional<System> system;
};

struct FactsOf {
  Facts operator()(const model::RequestRecord& r) const {
    Facts facts;
    facts.route = r.route;
    facts.method = r.method;
    facts.path = r.target.substr(0, r.target.find('?'));
    return facts;
  }
  Facts operator()(const model::ResponseRecord& r) const { return of_answer(r.route, r.answer); }
  Facts operator()(const model::ShadowRecord& r) const { return of_answer(r.route, r.answer); }
  Facts operator()(const model::OutcomeRecord& r) const {
    Facts facts;
    facts.route = r.route;
    facts.status = r.status;
    return facts;
  }
  Facts operator()(const model::ChunkRecord&) const { return {}; }
  Facts operator()(const model::GapRecord&) const { return {}; }
  Facts operator()(const model::CheckpointRecord&) const { return {}; }
  template <typename R>
  Facts operator()(const R& r) const {
    Facts facts;
    facts.route = r.route;
    return facts;
  }
  static Facts of_answer(std::string_view route, const model::Answer& answer) {
    Facts facts;
    facts.route = route;
    facts.status = answer.status;
    facts.system = answer.system;
    return facts;
  }
};

bool status_matches(std::string_view wanted, int status) {
  if (wanted.size() == 3 && wanted.substr(1) == "xx") return status / 100 == wanted[0] - '0';
  return parse_u64(wanted) == static_cast<std::uint64_t>(status);
}

bool is_status(std::string_view text) {
  if (text.size() == 3 && text.substr(1) == "xx") return text[0] >= '1' && text[0] <= '5';
  const auto number = parse_u64(text);
  return number && *number <= 599;
}

Error bad_word(std::string_view word, std::string_view why) {
  return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kClient,
                    "filter word \"" + escape_for_terminal(word, 64) + "\": " + std::string(why));
}

}  // namespace

Result<LogFilter> LogFilter::parse(std::string_view text) {
  LogFilter filter;
  for (const std::string_view word : split(text, ' ')) {
    if (word.empty()) continue;
    const std::size_t colon = word.find(':');
    const std::string_view name = word.substr(0, colon);
    const std::string_view value =
        colon == std::string_view::npos ? std::string_view() : word.substr(colon + 1);
    Key key = Key::kType;
    if (name == "type")
      key = Key::kType;
    else if (name == "route")
      key = Key::kRoute;
    else if (name == "exchange")
      key = Key::kExchange;
    else if (name == "method")
      key = Key::kMethod;
    else if (name == "path")
      key = Key::kPath;
    else if (name == "status")
      key = Key::kStatus;
    else if (name == "system")
      key = Key::kSystem;
    else
      return bad_word(word, "words are type: route: exchange: method: path: status: system:");
    if (value.empty()) return bad_word(word, "it has no value");
    if (key == Key::kStatus && !is_status(value)) return bad_word(word, "use 404 or 5xx");
    if (key == Key::kSystem && !parse_system(value)) return bad_word(word, "legacy or candidate");
    if (filter.words_.size() == kWordsMax) return bad_word(word, "too many words");
    filter.words_.push_back(Word{key, std::string(value)});
  }
  return filter;
}

bool LogFilter::may_match(const model::SourcedRecord& sourced) const {
  for (const Word& word : words_) {
    if (word.key == Key::kType && !equal_ignoring_case(word.value, to_string(sourced.type))) {
      return false;
    }
    if (word.key == Key::kExchange &&
        (sourced.exchange.is_null() ||
         !starts_with_ignoring_case(sourced.exchange.to_string(), word.value))) {
      return false;
    }
  }
  return true;
}

bool LogFilter::holds(const Word& word, const model::SourcedRecord&,
                      const model::AnyRecord& record) {
  const Facts facts = std::visit(FactsOf(), record);
  switch (word.key) {
    case Key::kType:
    case Key::kExchange: return true;  // told by may_match()
    case Key::kRoute: return facts.route && glob_match(word.value, *facts.route);
    case Key::kMethod: return facts.method && equal_ignoring_case(word.value, *facts.method);
    case Key::kPath: return facts.path && glob_match(word.value, *facts.path);
    case Key::kStatus: return facts.status && status_matches(word.value, *facts.status);
    case Key::kSystem: return facts.system && to_string(*facts.system) == word.value;
  }
  return false;
}

bool LogFilter::matches(const model::SourcedRecord& sourced, const model::AnyRecord& record) const {
  if (!may_match(sourced)) return false;
  for (const Word& word : words_) {
    if (!holds(word, sourced, record)) return false;
  }
  return true;
}

}  // namespace banyan::admin
