// SPDX-License-Identifier: Apache-2.0
#include "comparator/rules.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <utility>

#include "comparator/decimal.h"
#include "comparator/message_types.h"
#include "core/base/bytes.h"
#include "core/base/hash.h"
#include "core/base/text.h"
#include "core/http/char_classes.h"

namespace banyan::comparator {
namespace {

using Table = CompiledRules::Impl::Table;

Error bad_rule(std::string_view path, std::string_view what) {
  return make_error(
      ErrorCode::kInvalidArgument, ErrorOrigin::kConfig,
      "compare rule \"" + escape_for_terminal(path, 256) + "\": " + std::string(what));
}

// The members that the names of an XML path lead through: /a/b/@c is $.a.b['@c'], //b is $..b.
Result<std::string> member_path(std::string_view xml) {
  const auto bad = [](std::string what) {
    return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kConfig, std::move(what));
  };
  std::string out = "$";
  bool is_deep = false;
  for (const std::string_view name : split(xml.substr(1), '/')) {
    if (name.empty()) {
      if (is_deep) return bad("a name is missing between slashes");
      is_deep = true;
      continue;
    }
    if (name.find(':') != std::string_view::npos) {
      return bad("names in XML paths are local: leave out the prefix before the colon");
    }
    if (name.find_first_of("[](){}") != std::string_view::npos) {
      return bad("XML paths hold names, @attributes, * and ** alone");
    }
    if (is_deep) out += ".";
    if (is_deep || name == "*" || name == "**") {
      out.append(".").append(name);
    } else {
      json::append_member(out, name);
    }
    is_deep = false;
  }
  if (is_deep) return bad("a name is missing behind the last slash");
  return out;
}

Result<json::PathPattern> body_pattern(std::string_view path) {
  if (!path.starts_with("body:"))
    return bad_rule(path, "only paths that start with body:$ or body:/ fit here");
  const std::string_view inside = path.substr(5);
  std::string of_xml;
  if (inside.starts_with("/")) {
    auto translated = member_path(inside);
    if (!translated.ok()) return bad_rule(path, translated.error().message);
    of_xml = *std::move(translated);
  }
  auto pattern = json::PathPattern::parse(of_xml.empty() ? inside : of_xml);
  if (!pattern) return bad_rule(path, pattern.error().message);
  return pattern;
}

// A rule of that kind on a path that may also be the status, a field or the whole body.
Status add_field_or_body(const std::string& path, ValueRule rule, Table& table) {
  for (const FieldPlace place : {FieldPlace::kHeader, FieldPlace::kTrailer}) {
    const std::string_view prefix = prefix_of(place);
    if (!path.starts_with(prefix)) continue;
    const std::string_view name = std::string_view(path).substr(prefix.size());
    if (!http::is_token(name)) {
      return bad_rule(path, "expected a field name or * behind " + std::string(prefix));
    }
    FieldRule& field = table.fields.emplace_back();
    static_cast<ValueRule&>(field) = std::move(rule);
    field.place = place;
    field.name = to_lower(name);
    return {};
  }
  auto pattern = body_pattern(path);
  if (!pattern.ok()) {
    if (path.starts_with("body:")) return pattern.status();
    return bad_rule(path, "expected header:NAME, trailer:NAME, body:$… or body:/…");
  }
  static_cast<ValueRule&>(table.body.emplace_back(*std::move(pattern))) = std::move(rule);
  return {};
}

// `name` is ignore, ignore_all, type or presence.
Status add_ignore(std::string_view name, const std::string& path, Table& table) {
  ValueRule rule;
  rule.text = std::string(name) + " " + path;
  rule.kind = name == "ignore_all" ? RuleKind::kIgnoreAll
              : name == "presence" ? RuleKind::kPresence
                                   : RuleKind::kIgnore;
  const bool is_ignore = name == "ignore" || name == "ignore_all";
  if (path == "status" && is_ignore) {
    if (table.status.empty()) table.status = rule.text;
    return {};
  }
  if (path == "body" || path == "body:**") {
    if (!is_ignore) return bad_rule(path, std::string(name) + " is said of fields inside the body");
    if (table.whole_body.empty()) table.whole_body = rule.text;
    // The whole body is not compared at all.
    rule.kind = RuleKind::kIgnoreAll;
    return add_field_or_body("body:**", std::move(rule), table);
  }
  const bool is_known =
      path.starts_with("body:") || path.starts_with("header:") || path.starts_with("trailer:");
  if (!is_known) {
    return bad_rule(
        path, "expected status, header:NAME, trailer:NAME, body, body:**, body:$… or body:/…");
  }
  return add_field_or_body(path, std::move(rule), table);
}

Status add_unordered(const UnorderedOptions& option, Table& table) {
  ValueRule rule;
  rule.kind = RuleKind::kUnordered;
  rule.text = "unordered " + option.path;
  if (!option.by.empty()) {
    rule.text += " by " + option.by;
    for (const std::string_view member : split(option.by, ',')) {
      auto& names = rule.by.emplace_back();
      for (const std::string_view name : split(trim(member), '.')) {
        if (name.empty()) return bad_rule(option.path, "the key behind \"by\" has an empty name");
        names.emplace_back(name);
      }
    }
    if (rule.by.size() > kKeyMembersMax) {
      return bad_rule(option.path,
                      "a key has at most " + std::to_string(kKeyMembersMax) + " members");
    }
  }
  auto pattern = body_pattern(option.path);
  if (!pattern.ok()) return pattern.status();
  static_cast<ValueRule&>(table.body.emplace_back(*std::move(pattern))) = std::move(rule);
  return {};
}

Status add_tolerance(const ToleranceOptions& option, Table& table) {
  const auto is_usable = [](double value) { return std::isfinite(value) && value >= 0; };
  if (!is_usable(option.absolute) || !is_usable(option.relative)) {
    return bad_rule(option.path, "a tolerance is a number that is not negative");
  }
  ValueRule rule;
  rule.kind = RuleKind::kTolerance;
  rule.absolute = option.absolute;
  rule.relative = option.relative;
  rule.text = "tolerance " + option.path;
  if (option.absolute > 0) rule.text += " absolute " + shortest_text(option.absolute);
  if (option.relative > 0) rule.text += " relative " + shortest_text(option.relative);
  auto pattern = body_pattern(option.path);
  if (!pattern.ok()) return pattern.status();
  static_cast<ValueRule&>(table.body.emplace_back(*std::move(pattern))) = std::move(rule);
  return {};
}

// What the operation needs besides its path.
Status compile_operation(const OperationOptions& option, ValueRule& rule) {
  if (option.name == "shape") {
    rule.kind = RuleKind::kShape;
  } else if (option.name == "coerce") {
    rule.kind = RuleKind::kCoerce;
  } else if (option.name == "null_eq_absent") {
    rule.kind = RuleKind::kNullEqAbsent;
  } else if (option.name == "time") {
    rule.kind = RuleKind::kTime;
    rule.skew_ns = option.skew_ns;
    if (rule.skew_ns < 0) return bad_rule(option.path, "a skew is not negative");
    rule.text += " skew " + format_duration_ns(rule.skew_ns);
  } else if (option.name == "unit") {
    rule.kind = RuleKind::kUnit;
    if (std::isfinite(option.factor)) rule.factor = decimal_of(shortest_text(option.factor));
    if (!rule.factor || rule.factor->digits.empty()) {
      return bad_rule(option.path, "unit needs a factor that is not 0");
    }
    rule.text += " factor " + shortest_text(option.factor);
  } else if (option.name == "parse_as") {
    rule.kind = RuleKind::kParseAs;
    if (option.as != "json" && option.as != "base64json") {
      return bad_rule(option.path, "parse_as is json or base64json");
    }
    rule.is_base64 = option.as == "base64json";
    rule.text += " " + option.as;
  } else if (option.name == "rename") {
    rule.kind = RuleKind::kRename;
    rule.map = option.map;
    if (rule.map.empty()) return bad_rule(option.path, "rename needs pairs of names");
    for (std::size_t i = 0; i < rule.map.size(); ++i) {
      const auto& [from, to] = rule.map[i];
      if (from.empty() || to.empty() || from == to) {
        return bad_rule(option.path, "rename needs two names that are not the same");
      }
      rule.text += (i > 0 ? ", " : " ") + from + "→" + to;
    }
  } else if (option.name == "enum_map" || option.name == "url") {
    rule.kind = option.name == "url" ? RuleKind::kUrl : RuleKind::kEnumMap;
    rule.map = option.map;
    if (rule.map.empty()) return bad_rule(option.path, option.name + " needs pairs to map");
    if (option.name == "url") {
      for (auto& [from, to] : rule.map) {
        from = to_lower(from);
        to = to_lower(to);
      }
    }
  } else {
    return bad_rule(option.path,
                    "no operation is called \"" + escape_for_terminal(option.name, 64) + "\"");
  }
  return {};
}

Status add_operation(const OperationOptions& option, Table& table) {
  if (option.name == "ignore_all" || option.name == "type" || option.name == "presence") {
    return add_ignore(option.name, option.path, table);
  }
  ValueRule rule;
  rule.text = option.name + " " + option.path;
  BANYAN_RETURN_IF_ERROR(compile_operation(option, rule));
  const bool is_of_body = rule.kind == RuleKind::kParseAs || rule.kind == RuleKind::kRename ||
                          rule.kind == RuleKind::kNullEqAbsent;
  if (is_of_body && !option.path.starts_with("body:$") && option.path != "body:**") {
    return bad_rule(option.path, option.name + " is said of JSON: body:$…");
  }
  return add_field_or_body(option.path, std::move(rule), table);
}

// A difference says which saved rule covers it.
void name_saved(const std::string& id, Table& table) {
  if (id.empty()) return;
  const auto name = [&](std::string& text) {
    if (!text.empty()) text.append(" [").append(id).append("]");
  };
  name(table.status);
  name(table.whole_body);
  for (FieldRule& rule : table.fields) name(rule.text);
  for (BodyRule& rule : table.body) name(rule.text);
}

std::uint64_t version_of(const ComparatorOptions& options) {
  std::string bytes;
  ByteWriter writer(bytes);
  writer.u8(4);  // raise when the engine itself judges differently
  writer.u64(options.body_bytes_max);
  writer.u64(options.differences_max);
  writer.u64(options.shown_bytes_max);
  if (options.messages != nullptr) writer.u64(options.messages->signature());
  for (const CompareRuleOptions& rule : options.rules) {
    writer.varint(rule.routes.size());
    for (const auto& route : rule.routes) writer.bytes(route);
    writer.varint(rule.ignore.size());
    for (const auto& path : rule.ignore) writer.bytes(path);
    writer.varint(rule.unordered.size());
    for (const auto& unordered : rule.unordered) {
      writer.bytes(unordered.path);
      writer.bytes(unordered.by);
    }
    writer.varint(rule.tolerance.size());
    for (const auto& tolerance : rule.tolerance) {
      writer.bytes(tolerance.path);
      writer.u64(std::bit_cast<std::uint64_t>(tolerance.absolute));
      writer.u64(std::bit_cast<std::uint64_t>(tolerance.relative));
    }
    for (const OperationOptions& operation : rule.operations) {
      writer.bytes(operation.name);
      writer.bytes(operation.path);
      writer.u64(static_cast<std::uint64_t>(operation.skew_ns));
      writer.u64(std::bit_cast<std::uint64_t>(operation.factor));
      writer.bytes(operation.as);
      writer.varint(operation.map.size());
      for (const auto& [from, to] : operation.map) {
        writer.bytes(from);
        writer.bytes(to);
      }
    }
    // What was there before there were any keeps its version.
    if (rule.expires_wall_ns != 0) {
      writer.bytes("expires");
      writer.u64(static_cast<std::uint64_t>(rule.expires_wall_ns));
    }
  }
  return xxh3_64(bytes);
}

bool applies_to(const Table& table, std::string_view route, std::int64_t now_wall_ns) {
  if (has_expired(table.expires_wall_ns, now_wall_ns)) return false;
  if (table.routes.empty()) return true;
  for (const std::string& glob : table.routes) {
    if (glob_match(glob, route)) return true;
  }
  return false;
}

}  // namespace

CompiledRules::CompiledRules() : impl_(std::make_unique<Impl>()) {}
CompiledRules::~CompiledRules() = default;
std::uint64_t CompiledRules::version() const { return impl_->version; }

Result<std::shared_ptr<const CompiledRules>> CompiledRules::compile(
    const ComparatorOptions& options) {
  std::shared_ptr<CompiledRules> rules(new CompiledRules());
  std::size_t count = 0;
  for (const CompareRuleOptions& rule : options.rules) {
    Table& table = rules->impl_->tables.emplace_back();
    table.routes = rule.routes;
    table.expires_wall_ns = rule.expires_wall_ns;
    for (const auto& path : rule.ignore) BANYAN_RETURN_IF_ERROR(add_ignore("ignore", path, table));
    for (const auto& unordered : rule.unordered) {
      BANYAN_RETURN_IF_ERROR(add_unordered(unordered, table));
    }
    for (const auto& tolerance : rule.tolerance) {
      BANYAN_RETURN_IF_ERROR(add_tolerance(tolerance, table));
    }
    for (const auto& operation : rule.operations) {
      BANYAN_RETURN_IF_ERROR(add_operation(operation, table));
    }
    name_saved(rule.id, table);
    count +=
        rule.ignore.size() + rule.unordered.size() + rule.tolerance.size() + rule.operations.size();
  }
  if (count > kRulesMax) {
    return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kConfig,
                      "more than " + std::to_string(kRulesMax) + " compare rules");
  }
  rules->impl_->options = options;
  rules->impl_->version = version_of(options);
  return std::shared_ptr<const CompiledRules>(std::move(rules));
}

Status check_rule_path(std::string_view path) {
  Table table;
  return add_ignore("ignore", std::string(path), table);
}

RuleSet::RuleSet(const CompiledRules& rules, std::string_view route, std::int64_t now_wall_ns)
    : options_(rules.impl().options) {
  for (const Table& table : rules.impl().tables) {
    if (!applies_to(table, route, now_wall_ns)) continue;
    if (status_.empty()) status_ = table.status;
    if (whole_body_.empty()) whole_body_ = table.whole_body;
    for (const FieldRule& rule : table.fields) fields_.push_back(&rule);
    for (const BodyRule& rule : table.body) {
      auto& rules_of = rule.kind == RuleKind::kParseAs  ? parsed_
                       : rule.kind == RuleKind::kRename ? renames_
                                                        : body_;
      rules_of.push_back(&rule);
    }
  }
  const auto says_more = [](const BodyRule* a, const BodyRule* b) {
    return a->pattern.rank() > b->pattern.rank();
  };
  if (!std::is_sorted(body_.begin(), body_.end(), says_more)) {
    std::stable_sort(body_.begin(), body_.end(), says_more);
  }
}

std::string_view prefix_of(FieldPlace place) {
  return place == FieldPlace::kHeader ? "header:" : "trailer:";
}

std::string_view RuleSet::field_rule(const FieldRule& rule, DifferenceKind kind,
                                     std::string_view legacy, std::string_view candidate) const {
  // Of a field most that matters is whether it is there, so `ignore` covers that as well.
  if (rule.kind == RuleKind::kIgnore || rule.kind == RuleKind::kIgnoreAll) {
    return rule.text;
  }
  if (rule.covers_below()) return covers_kind(rule.kind, kind) ? rule.text : std::string_view();
  if (kind != DifferenceKind::kValue) return {};
  const auto leaf = [&](std::string_view text) {
    const bool is_number = rule.kind == RuleKind::kTolerance;
    return Leaf{is_number ? LeafType::kNumber : LeafType::kString, text};
  };
  return covers(rule, leaf(legacy), leaf(candidate)) ? rule.text : std::string_view();
}

std::string_view RuleSet::field(FieldPlace place, std::string_view lower_name, DifferenceKind kind,
                                std::string_view legacy, std::string_view candidate) const {
  // Where a rule names the field, those for all fields say nothing.
  for (const std::string_view name : {lower_name, std::string_view("*")}) {
    bool is_named = false;
    for (const FieldRule* rule : fields_) {
      if (rule->place != place || rule->name != name) continue;
      is_named = true;
      const std::string_view text = field_rule(*rule, kind, legacy, candidate);
      if (!text.empty()) return text;
    }
    if (is_named) return {};
  }
  return {};
}

bool RuleSet::names_field(FieldPlace place, std::string_view lower_name) const {
  return std::any_of(fields_.begin(), fields_.end(), [&](const FieldRule* rule) {
    return rule->place == place && (rule->name == "*" || rule->name == lower_name);
  });
}

std::string_view RuleSet::covering(const NodeRules& node, DifferenceKind kind) const {
  if (node.ignore < 0) return {};
  const BodyRule& rule = *body_[static_cast<std::size_t>(node.ignore)];
  return node.is_inherited || covers_kind(rule.kind, kind) ? rule.text : std::string_view();
}

std::string_view RuleSet::covering(const NodeRules& node, DifferenceKind kind, const Leaf& legacy,
                                   const Leaf& candidate) const {
  if (const std::string_view text = covering(node, kind); !text.empty()) return text;
  for (const std::int16_t index : node.values) {
    if (index < 0) break;
    const BodyRule& rule = *body_[static_cast<std::size_t>(index)];
    if (covers(rule, legacy, candidate)) return rule.text;
  }
  return {};
}

std::string_view RuleSet::covering_null(const NodeRules& node, DifferenceKind kind) const {
  if (const std::string_view text = covering(node, kind); !text.empty()) return text;
  for (const std::int16_t index : node.values) {
    if (index < 0) break;
    const BodyRule& rule = *body_[static_cast<std::size_t>(index)];
    if (rule.kind == RuleKind::kNullEqAbsent) return rule.text;
  }
  return {};
}

}  // namespace banyan::comparator
