// SPDX-License-Identifier: Apache-2.0
//
// [[compare]] and [record]: what is tolerated, what is secret.
#include <algorithm>
#include <string>
#include <utility>

#include "comparator/compare.h"
#include "config/loaders.h"
#include "core/base/clock.h"
#include "core/base/text.h"

namespace banyan::config {
namespace {

// Items of an array of strings that stand for rule paths; a bad one is reported at its place.
void check_paths(TableReader& table, std::string_view key, const std::vector<std::string>& paths) {
  const Node* node = table.node().find(key);
  for (std::size_t i = 0; i < paths.size() && i < node->items.size(); ++i) {
    const Status status = comparator::check_rule_path(paths[i]);
    if (!status.ok()) table.problems().error(node->items[i], status.error().message);
  }
}

void read_unordered(TableReader& table, comparator::CompareRuleOptions& rule) {
  std::vector<std::string> texts;
  if (!table.read_strings("unordered", texts)) return;
  std::vector<std::string> paths;
  for (const std::string& text : texts) {
    const std::size_t by = text.find(" by ");
    comparator::UnorderedOptions option;
    option.path = std::string(trim(text.substr(0, by)));
    if (by != std::string::npos) option.by = std::string(trim(text.substr(by + 4)));
    paths.push_back(option.path);
    rule.unordered.push_back(std::move(option));
  }
  check_paths(table, "unordered", paths);
}

void read_tolerance(TableReader& table, comparator::CompareRuleOptions& rule) {
  for (TableReader& entry : table.tables("tolerance")) {
    comparator::ToleranceOptions option;
    const bool has_path = entry.read("path", option.path);
    entry.read_number("absolute", option.absolute, 0, 1e300);
    entry.read_number("relative", option.relative, 0, 1);
    entry.finish();
    if (entry.node().find("path") == nullptr) {
      table.problems().error(entry.node(), entry.path() + " needs a path");
    }
    if (entry.node().find("absolute") == nullptr && entry.node().find("relative") == nullptr) {
      table.problems().error(entry.node(), entry.path() + " needs absolute or relative");
    }
    if (has_path) {
      const Status status = comparator::check_rule_path(option.path);
      if (!status.ok()) {
        table.problems().error(*entry.node().find("path"), status.error().message);
      }
    }
    rule.tolerance.push_back(std::move(option));
  }
}

// The pairs of a table of strings.
void read_pairs(TableReader& entry, std::string_view key, comparator::OperationOptions& option) {
  const Node* node = entry.take(key);
  if (node == nullptr) return;
  if (node->kind != Node::Kind::kTable) {
    entry.problems().error(*node, entry.name_of_key(key) + " must be a table of strings",
                           "{ \"old\" = \"new\" }");
    return;
  }
  for (const Node::Member& member : node->members) {
    if (member.node.kind != Node::Kind::kString) {
      entry.problems().error(member.node, entry.name_of_key(key) + " holds strings alone");
      continue;
    }
    const auto text = entry.resolve(member.node);
    if (text) option.map.emplace_back(member.name, *text);
  }
}

// Whether the rules can be compiled with it; reported at `node`.
void add_operation(TableReader& table, const Node& node, comparator::OperationOptions option,
                   comparator::CompareRuleOptions& rule) {
  comparator::ComparatorOptions alone;
  alone.rules.emplace_back().operations = {option};
  const auto compiled = comparator::CompiledRules::compile(alone);
  if (!compiled.ok()) table.problems().error(node, compiled.error().message);
  rule.operations.push_back(std::move(option));
}

void read_operations(TableReader& table, comparator::CompareRuleOptions& rule) {
  for (const char* name : comparator::kPathOperations) {
    std::vector<std::string> paths;
    if (!table.read_strings(name, paths)) continue;
    const Node* node = table.node().find(name);
    for (std::size_t i = 0; i < paths.size() && i < node->items.size(); ++i) {
      add_operation(table, node->items[i], {name, paths[i]}, rule);
    }
  }
  for (const char* name : comparator::kTableOperations) {
    for (TableReader& entry : table.tables(name)) {
      comparator::OperationOptions option{name, {}};
      entry.read("path", option.path);
      if (option.name == "time") entry.read_duration("skew", option.skew_ns, {0, INT64_MAX / 4});
      if (option.name == "unit") entry.read_number("factor", option.factor, -1e300, 1e300);
      if (option.name == "parse_as") entry.read("as", option.as);
      if (option.name == "enum_map") read_pairs(entry, "map", option);
      if (option.name == "url") read_pairs(entry, "hosts", option);
      if (option.name == "rename") read_pairs(entry, "names", option);
      entry.finish();
      add_operation(table, entry.node(), std::move(option), rule);
    }
  }
}

// A date or an RFC 3339 time.
void read_expiry(TableReader& table, comparator::CompareRuleOptions& rule) {
  std::string text;
  if (!table.read("expires", text)) return;
  const Node& node = *table.node().find("expires");
  // No relative times: the file would mean something else every day.
  const auto time = text.size() >= 10 ? parse_time(text, 0) : std::nullopt;
  if (!time || *time <= 0) {
    table.problems().error(node, table.name_of_key("expires") + " is no date or RFC 3339 time",
                           "\"2027-03-31\" or \"2027-03-31T18:00:00Z\"");
    return;
  }
  rule.expires_wall_ns = *time;
  if (!comparator::has_expired(*time, SystemClock::instance().wall_ns())) return;
  table.problems().warning(node, "these rules have expired and cover nothing",
                           "remove them, or set a later date");
}

void check_rule_routes(TableReader& table, const std::vector<std::string>& globs,
                       const Config& config) {
  if (config.routing.routes.empty()) return;
  const Node* node = table.node().find("routes");
  for (std::size_t i = 0; i < globs.size(); ++i) {
    const auto& routes = config.routing.routes;
    if (std::any_of(routes.begin(), routes.end(), [&](const routing::RouteOptions& route) {
          return glob_match(globs[i], route.name);
        })) {
      continue;
    }
    table.problems().warning(node->items[i], "no route has such a name; the rules never apply");
  }
}

constexpr std::pair<std::string_view, std::uint8_t> kPlaces[] = {{"body", model::kInBody},
                                                                 {"query", model::kInQuery},
                                                                 {"path", model::kInPath},
                                                                 {"headers", model::kInHeaders}};

void add_redaction(TableReader& table, const Node& item, model::RedactionRule rule,
                   Config& config) {
  const Status status = model::Redactor::check(rule);
  if (!status.ok()) {
    const std::string whose = rule.name.empty() ? "" : "\"" + rule.name + "\": ";
    table.problems().error(item, "record.redact: " + whose + status.error().message,
                           "\"header:X-Secret\", \"query:token\", \"body:$..password\" or "
                           "\"pattern:card\"");
    return;
  }
  config.redaction.rules.push_back(std::move(rule));
}

// Where a pattern looks; everywhere without the key.
std::uint8_t read_places(TableReader& entry) {
  std::vector<std::string> names;
  if (!entry.read_strings("in", names)) return model::kInEverything;
  const Node* node = entry.node().find("in");
  std::uint8_t places = 0;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto* place = std::find_if(std::begin(kPlaces), std::end(kPlaces),
                                     [&](const auto& one) { return one.first == names[i]; });
    if (place == std::end(kPlaces)) {
      entry.problems().error(node->items[i], "record.redact: in holds no \"" + names[i] + "\"",
                             "\"body\", \"query\", \"path\" or \"headers\"");
    } else {
      places |= place->second;
    }
  }
  if (names.empty()) {
    entry.problems().error(*node, "record.redact: in names no place; leave it out for everywhere");
  }
  return places;
}

// { field = "…" } or { pattern = "…", name = "…" }, with keep and in.
void read_redaction_table(TableReader& table, const Node& item, Config& config) {
  TableReader entry(table.problems(), &item, "record.redact");
  model::RedactionRule rule;
  const bool has_field = entry.read("field", rule.field);
  const bool has_pattern = entry.read("pattern", rule.expression);
  entry.read("name", rule.name);
  rule.is_dropped = entry.read_name("keep", {"sealed", "drop"}) == std::size_t{1};
  rule.places = read_places(entry);
  entry.finish();
  const bool looks_anywhere = has_pattern || rule.field.rfind("pattern:", 0) == 0;
  std::string problem;
  if (has_field == has_pattern) {
    problem = "a table has either field or pattern";
  } else if (has_pattern && rule.expression.empty()) {
    problem = "the pattern is empty";
  } else if (has_pattern && rule.name.empty()) {
    problem = "a pattern needs a name, to speak of it";
  } else if (!looks_anywhere && item.find("in") != nullptr) {
    problem = "only a pattern takes in; a field says itself where it is";
  }
  if (!problem.empty()) {
    table.problems().error(item, "record.redact: " + problem,
                           "{ pattern = \"KD-[0-9]{8}\", name = \"customer number\", in = "
                           "[\"body\"] }");
    return;
  }
  add_redaction(table, item, std::move(rule), config);
}

void read_redact(TableReader& table, Config& config) {
  const Node* node = table.take("redact");
  if (node == nullptr) return;
  if (node->kind != Node::Kind::kArray) {
    table.problems().error(*node, "record.redact must be an array of strings or tables");
    return;
  }
  for (const Node& item : node->items) {
    if (item.kind == Node::Kind::kString) {
      const auto field = table.resolve(item);
      if (field) add_redaction(table, item, {*field}, config);
    } else if (item.kind == Node::Kind::kTable) {
      read_redaction_table(table, item, config);
    } else {
      table.problems().error(item,
                             "record.redact holds strings, or tables such as "
                             "{ field = \"header:X-Secret\", keep = \"drop\" }");
    }
  }
  const auto patterns = std::count_if(
      config.redaction.rules.begin(), config.redaction.rules.end(), [](const auto& rule) {
        return !rule.expression.empty() || rule.field.rfind("pattern:", 0) == 0;
      });
  if (static_cast<std::size_t>(patterns) > model::SecretPatterns::kRulesMax) {
    table.problems().error(*node, "record.redact holds more than " +
                                      std::to_string(model::SecretPatterns::kRulesMax) +
                                      " patterns");
  }
}

// "header:NAME", "cookie:NAME", "query:NAME" or "session".
void read_subject(TableReader& table, Config& config) {
  using Kind = proxy::SubjectOptions::Kind;
  std::string text;
  if (!table.read("subject", text)) return;
  static constexpr std::pair<std::string_view, Kind> kKinds[] = {
      {"header:", Kind::kHeader}, {"cookie:", Kind::kCookie}, {"query:", Kind::kQuery}};
  proxy::SubjectOptions subject;
  if (text == "session") subject.kind = Kind::kSession;
  for (const auto& [prefix, kind] : kKinds) {
    if (!text.starts_with(prefix)) continue;
    subject.kind = kind;
    subject.name = text.substr(prefix.size());
  }
  constexpr std::string_view kNotInNames = " \t\"(),/:;<=>?@[]{}\\&";
  std::string problem;
  if (subject.kind == Kind::kNone) {
    problem = "names no place of a request";
  } else if (subject.kind != Kind::kSession && subject.name.empty()) {
    problem = "needs a name behind the colon";
  } else if (subject.name.size() > 256 ||
             subject.name.find_first_of(kNotInNames) != std::string::npos) {
    problem = "holds a name that no " + text.substr(0, text.find(':')) + " can have";
  }
  if (!problem.empty()) {
    table.problems().error(*table.node().find("subject"), "record.subject " + problem,
                           "\"header:X-Customer-Id\", \"cookie:customer\", \"query:customer\" or "
                           "\"session\"");
    return;
  }
  config.proxy.subject = std::move(subject);
}

}  // namespace

void load_compare(TableReader& root, Config& config) {
  for (TableReader& table : root.tables("compare")) {
    comparator::CompareRuleOptions rule;
    if (table.read_strings("routes", rule.routes)) check_rule_routes(table, rule.routes, config);
    if (table.read_strings("ignore", rule.ignore)) check_paths(table, "ignore", rule.ignore);
    read_unordered(table, rule);
    read_tolerance(table, rule);
    read_operations(table, rule);
    table.read("reason", rule.reason);
    table.read("owner", rule.owner);
    read_expiry(table, rule);
    table.finish();
    config.comparator.rules.push_back(std::move(rule));
  }
}

void load_record(TableReader& root, Config& config) {
  TableReader table = root.table("record");
  read_redact(table, config);
  read_subject(table, config);
  if (table.read("key", config.record_key) && config.record_key.size() < 16) {
    // Says nothing about the value, and the line it stands in is not shown.
    table.problems().error(*table.node().find("key"), "record.key has at least 16 bytes",
                           "key = \"${env:BANYAN_KEY}\" or \"${file:/etc/banyan/key}\"");
  }
  table.finish();
}

}  // namespace banyan::config
