// SPDX-License-Identifier: Apache-2.0
#include "comparator/rules.h"

#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <utility>

#include "core/base/bytes.h"
#include "core/base/hash.h"
#include "core/base/text.h"

namespace banyan::comparator {
namespace {

using Table = CompiledRules::Impl::Table;

Error bad_rule(std::string_view path, std::string_view what) {
  return make_error(
      ErrorCode::kInvalidArgument, ErrorOrigin::kConfig,
      "compare rule \"" + escape_for_terminal(path, 256) + "\": " + std::string(what));
}

bool is_token(std::string_view name) {
  if (name.empty()) return false;
  for (const char c : name) {
    const bool is_alphanumeric =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!is_alphanumeric && std::string_view("!#$%&'*+-.^_`|~").find(c) == std::string_view::npos) {
      return false;
    }
  }
  return true;
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
    if (name.find_first_of("[]()") != std::string_view::npos) {
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

Status add_ignore(const std::string& path, Table& table) {
  const std::string text = "ignore " + path;
  if (path == "status") {
    table.status = text;
    return {};
  }
  for (const FieldPlace place : {FieldPlace::kHeader, FieldPlace::kTrailer}) {
    const std::string_view prefix = prefix_of(place);
    if (!path.starts_with(prefix)) continue;
    const std::string_view name = std::string_view(path).substr(prefix.size());
    if (!is_token(name)) {
      return bad_rule(path, "expected a field name or * behind " + std::string(prefix));
    }
    table.fields.push_back({place, to_lower(name), text});
    return {};
  }
  const bool is_whole = path == "body" || path == "body:**";
  auto pattern = body_pattern(is_whole ? "body:**" : path);
  if (!pattern) {
    if (path.starts_with("body:")) return pattern.error();
    return bad_rule(
        path, "expected status, header:NAME, trailer:NAME, body, body:**, body:$… or body:/…");
  }
  if (is_whole && table.whole_body.empty()) table.whole_body = text;
  table.body.push_back({BodyRule::Kind::kIgnore, std::move(*pattern), text, {}, 0, 0});
  return {};
}

Status add_unordered(const UnorderedOptions& rule, Table& table) {
  auto pattern = body_pattern(rule.path);
  if (!pattern) return pattern.error();
  std::string text = "unordered " + rule.path;
  std::vector<std::string> by;
  if (!rule.by.empty()) {
    text += " by " + rule.by;
    for (const std::string_view name : split(rule.by, '.')) {
      if (name.empty()) return bad_rule(rule.path, "the key behind \"by\" has an empty name");
      by.emplace_back(name);
    }
  }
  table.body.push_back(
      {BodyRule::Kind::kUnordered, std::move(*pattern), std::move(text), std::move(by), 0, 0});
  return {};
}

void append_number(std::string& out, double value) {
  std::array<char, 32> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  out.append(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
}

Status add_tolerance(const ToleranceOptions& rule, Table& table) {
  auto pattern = body_pattern(rule.path);
  if (!pattern) return pattern.error();
  const auto is_usable = [](double value) { return std::isfinite(value) && value >= 0; };
  if (!is_usable(rule.absolute) || !is_usable(rule.relative)) {
    return bad_rule(rule.path, "a tolerance is a number that is not negative");
  }
  std::string text = "tolerance " + rule.path;
  if (rule.absolute > 0) append_number(text += " absolute ", rule.absolute);
  if (rule.relative > 0) append_number(text += " relative ", rule.relative);
  table.body.push_back({BodyRule::Kind::kTolerance,
                        std::move(*pattern),
                        std::move(text),
                        {},
                        rule.absolute,
                        rule.relative});
  return {};
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
  writer.u8(2);  // raise when the engine itself judges differently
  writer.u64(options.body_bytes_max);
  writer.u64(options.differences_max);
  writer.u64(options.shown_bytes_max);
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
    for (const auto& path : rule.ignore) BANYAN_RETURN_IF_ERROR(add_ignore(path, table));
    for (const auto& unordered : rule.unordered) {
      BANYAN_RETURN_IF_ERROR(add_unordered(unordered, table));
    }
    for (const auto& tolerance : rule.tolerance) {
      BANYAN_RETURN_IF_ERROR(add_tolerance(tolerance, table));
    }
    name_saved(rule.id, table);
    count += rule.ignore.size() + rule.unordered.size() + rule.tolerance.size();
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
  return add_ignore(std::string(path), table);
}

RuleSet::RuleSet(const CompiledRules& rules, std::string_view route, std::int64_t now_wall_ns)
    : options_(rules.impl().options) {
  for (const Table& table : rules.impl().tables) {
    if (!applies_to(table, route, now_wall_ns)) continue;
    if (status_.empty()) status_ = table.status;
    if (whole_body_.empty()) whole_body_ = table.whole_body;
    for (const FieldRule& rule : table.fields) fields_.push_back(&rule);
    for (const BodyRule& rule : table.body) body_.push_back(&rule);
  }
}

std::string_view prefix_of(FieldPlace place) {
  return place == FieldPlace::kHeader ? "header:" : "trailer:";
}

std::string_view RuleSet::field(FieldPlace place, std::string_view lower_name) const {
  for (const FieldRule* rule : fields_) {
    if (rule->place == place && (rule->name == "*" || rule->name == lower_name)) return rule->text;
  }
  return {};
}

}  // namespace banyan::comparator
