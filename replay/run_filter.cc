// SPDX-License-Identifier: Apache-2.0
#include "replay/run_filter.h"

#include <algorithm>
#include <utility>

#include "core/base/text.h"

namespace banyan::replay {
namespace {

Error bad(std::string_view word, std::string_view why) {
  return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kClient,
                    "filter '" + escape_for_terminal(word, 100) + "': " + std::string(why));
}

bool is_status_pattern(std::string_view text) {
  if (text == "none") return true;
  if (text.size() != 3 || text[0] < '1' || text[0] > '5') return false;
  if (text.substr(1) == "xx") return true;
  return text[1] >= '0' && text[1] <= '9' && text[2] >= '0' && text[2] <= '9';
}

bool matches_status(std::string_view pattern, std::uint16_t status) {
  if (pattern == "none") return status == 0;
  if (pattern[1] == 'x') return status / 100 == pattern[0] - '0';
  return parse_u64(pattern) == status;
}

std::string_view path_of(std::string_view target) {
  return target.substr(0, std::min(target.find('?'), target.size()));
}

}  // namespace

Result<RunFilter> RunFilter::parse(std::string_view text, std::int64_t now_wall_ns) {
  if (text.size() > kTextBytesMax) return bad(text, "longer than 4096 bytes");
  RunFilter filter;
  for (const std::string_view word : split(text, ' ')) {
    if (word.empty()) continue;
    if (filter.terms_.size() == kTermsMax) return bad(word, "more than 64 words");
    auto term = parse_term(word, now_wall_ns);
    if (!term.ok()) return term.error();
    filter.terms_.push_back(std::move(*term));
  }
  return filter;
}

Result<RunFilter::Term> RunFilter::parse_term(std::string_view word, std::int64_t now_wall_ns) {
  static const std::vector<std::string> kNames = {"route", "method", "path", "status",
                                                  "since", "until",  "kind", "id"};
  Term term;
  std::string_view rest = word;
  if (rest.front() == '-') {
    term.is_negated = true;
    rest.remove_prefix(1);
  }
  const std::size_t colon = rest.find(':');
  const std::string name(rest.substr(0, std::min(colon, rest.size())));
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end() || colon == std::string_view::npos) {
    const auto near = nearest_name(name, kNames);
    return bad(word, near ? "did you mean " + *near + ":?"
                          : "write route: method: path: status: since: until: kind: or id:");
  }
  term.field = static_cast<Field>(found - kNames.begin());
  const std::string_view value = rest.substr(colon + 1);
  if (value.empty()) return bad(word, "a value is missing behind the colon");
  switch (term.field) {
    case Field::kRoute:
    case Field::kPath: term.values.emplace_back(value); break;
    case Field::kMethod:
      for (const std::string_view part : split(value, ',')) term.values.emplace_back(part);
      break;
    case Field::kStatus:
      for (const std::string_view part : split(value, ',')) {
        if (!is_status_pattern(part))
          return bad(word, "write a status (404), a class (5xx) or none");
        term.values.emplace_back(part);
      }
      break;
    case Field::kSince:
    case Field::kUntil: {
      const auto time = parse_time(value, now_wall_ns);
      if (!time) return bad(word, "write a time as 2026-11-23T20:44:00Z or -15m");
      term.time_ns = *time;
      break;
    }
    case Field::kKind:
      if (value != "read" && value != "write") return bad(word, "write kind:read or kind:write");
      term.values.emplace_back(value);
      break;
    case Field::kId: {
      const auto id = ExchangeId::parse(value);
      if (!id) return bad(word, "an exchange id has 32 hex digits");
      term.id = *id;
      break;
    }
  }
  return term;
}

bool RunFilter::holds(const Term& term, const FilterFacts& facts) {
  switch (term.field) {
    case Field::kRoute: return glob_match(term.values[0], facts.route);
    case Field::kMethod:
      return std::find(term.values.begin(), term.values.end(), facts.method) != term.values.end();
    case Field::kPath: return glob_match(term.values[0], path_of(facts.target));
    case Field::kSince: return facts.started_wall_ns >= term.time_ns;
    case Field::kUntil: return facts.started_wall_ns < term.time_ns;
    case Field::kKind: return facts.is_write == (term.values[0] == "write");
    case Field::kId: return facts.exchange == term.id;
    case Field::kStatus: break;  // takes_status()
  }
  return true;
}

bool RunFilter::takes_request(const FilterFacts& facts) const {
  return std::all_of(terms_.begin(), terms_.end(), [&](const Term& term) {
    return term.field == Field::kStatus || holds(term, facts) != term.is_negated;
  });
}

bool RunFilter::takes_status(std::uint16_t status) const {
  return std::all_of(terms_.begin(), terms_.end(), [&](const Term& term) {
    if (term.field != Field::kStatus) return true;
    const bool is_one = std::any_of(term.values.begin(), term.values.end(), [&](const auto& value) {
      return matches_status(value, status);
    });
    return is_one != term.is_negated;
  });
}

}  // namespace banyan::replay
