// SPDX-License-Identifier: Apache-2.0
#include "comparator/rule_options.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>

#include "comparator/decimal.h"
#include "core/base/text.h"

namespace banyan::comparator {
namespace {

using Type = json::Value::Type;

Error bad(std::string what) {
  return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kClient, "rule: " + std::move(what));
}

void write_strings(json::JsonWriter& json, std::string_view name,
                   const std::vector<std::string>& values) {
  if (values.empty()) return;
  json.key(name).begin_array();
  for (const std::string& value : values) json.string(value);
  json.end_array();
}

// Names and types of the members that make up a rule.
Status check_object(const json::Value& object, const std::vector<std::string_view>& known,
                    std::string_view what) {
  if (!object.is_object()) return bad(std::string(what) + " must be an object");
  for (std::size_t i = 0; i < object.members.size(); ++i) {
    const std::string& name = object.members[i].first;
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return bad(std::string(what) + " has an unknown member \"" + escape_for_terminal(name, 64) +
                 "\"");
    }
    for (std::size_t k = 0; k < i; ++k) {
      if (object.members[k].first == name) return bad("\"" + name + "\" comes twice");
    }
  }
  return {};
}

Status read_strings(const json::Value& object, std::string_view name,
                    std::vector<std::string>& out) {
  const json::Value* list = object.find(name);
  if (list == nullptr) return {};
  const bool is_good = list->type == Type::kArray &&
                       std::all_of(list->items.begin(), list->items.end(),
                                   [](const auto& item) { return item.type == Type::kString; });
  if (!is_good) return bad(std::string(name) + " must be an array of strings");
  for (const json::Value& item : list->items) out.push_back(item.text);
  return {};
}

Status read_text(const json::Value& object, std::string_view name, std::string& out) {
  const json::Value* text = object.find(name);
  if (text == nullptr) return {};
  if (text->type != Type::kString) return bad(std::string(name) + " must be a string");
  if (text->text.size() > kRuleTextBytesMax) {
    return bad(std::string(name) + " is longer than " + std::to_string(kRuleTextBytesMax) +
               " bytes");
  }
  out = text->text;
  return {};
}

Status read_number_member(const json::Value& object, std::string_view name, double& out) {
  const json::Value* number = object.find(name);
  if (number == nullptr) return {};
  const char* end = number->text.data() + number->text.size();
  const auto read = number->type == Type::kNumber
                        ? std::from_chars(number->text.data(), end, out)
                        : std::from_chars_result{nullptr, std::errc::invalid_argument};
  if (read.ec == std::errc() && read.ptr == end) return {};
  return bad(std::string(name) + " must be a number");
}

Status read_tolerance(const json::Value& object, std::vector<ToleranceOptions>& out) {
  const json::Value* list = object.find("tolerance");
  if (list == nullptr) return {};
  if (list->type != Type::kArray) return bad("tolerance must be an array of objects");
  for (const json::Value& item : list->items) {
    BANYAN_RETURN_IF_ERROR(check_object(item, {"path", "absolute", "relative"}, "tolerance"));
    ToleranceOptions option;
    BANYAN_RETURN_IF_ERROR(read_text(item, "path", option.path));
    BANYAN_RETURN_IF_ERROR(read_number_member(item, "absolute", option.absolute));
    BANYAN_RETURN_IF_ERROR(read_number_member(item, "relative", option.relative));
    out.push_back(std::move(option));
  }
  return {};
}

bool is_path_operation(std::string_view name) {
  return std::find(std::begin(kPathOperations), std::end(kPathOperations), name) !=
         std::end(kPathOperations);
}

// The member that holds an operation's pairs.
std::string_view map_member(std::string_view name) {
  return name == "url" ? "hosts" : name == "rename" ? "names" : "map";
}

bool has_pairs(std::string_view name) {
  return name == "enum_map" || name == "url" || name == "rename";
}

Status read_map(const json::Value& object, std::string_view member, OperationOptions& option) {
  const json::Value* map = object.find(member);
  if (map == nullptr) return {};
  if (!map->is_object()) return bad(std::string(member) + " must be an object of strings");
  for (const auto& [from, to] : map->members) {
    if (to.type != Type::kString) return bad(std::string(member) + " must be an object of strings");
    option.map.emplace_back(from, to.text);
  }
  return {};
}

Status read_operation_table(const json::Value& item, OperationOptions& option) {
  const std::string_view pairs = map_member(option.name);
  std::vector<std::string_view> known = {"path"};
  if (option.name == "time") known.push_back("skew");
  if (option.name == "unit") known.push_back("factor");
  if (option.name == "parse_as") known.push_back("as");
  if (has_pairs(option.name)) known.push_back(pairs);
  BANYAN_RETURN_IF_ERROR(check_object(item, known, option.name));
  BANYAN_RETURN_IF_ERROR(read_text(item, "path", option.path));
  BANYAN_RETURN_IF_ERROR(read_text(item, "as", option.as));
  BANYAN_RETURN_IF_ERROR(read_number_member(item, "factor", option.factor));
  BANYAN_RETURN_IF_ERROR(read_map(item, pairs, option));
  std::string skew;
  BANYAN_RETURN_IF_ERROR(read_text(item, "skew", skew));
  if (skew.empty()) return {};
  const auto duration = parse_duration_ns(skew);
  if (!duration) return bad("skew must be a duration like 5s");
  option.skew_ns = *duration;
  return {};
}

Status read_operations(const json::Value& object, std::vector<OperationOptions>& out) {
  for (const char* name : kPathOperations) {
    std::vector<std::string> paths;
    BANYAN_RETURN_IF_ERROR(read_strings(object, name, paths));
    for (std::string& path : paths) out.push_back({name, std::move(path)});
  }
  for (const char* name : kTableOperations) {
    const json::Value* list = object.find(name);
    if (list == nullptr) continue;
    if (list->type != Type::kArray) return bad(std::string(name) + " must be an array of objects");
    for (const json::Value& item : list->items) {
      OperationOptions option{name, {}};
      BANYAN_RETURN_IF_ERROR(read_operation_table(item, option));
      out.push_back(std::move(option));
    }
  }
  return {};
}

void write_operation(json::JsonWriter& json, const OperationOptions& option) {
  json.begin_object().member("path", option.path);
  if (option.name == "time") json.member("skew", std::to_string(option.skew_ns) + "ns");
  if (option.name == "unit") json.member("factor", option.factor);
  if (option.name == "parse_as") json.member("as", option.as);
  if (has_pairs(option.name)) {
    json.key(map_member(option.name)).begin_object();
    for (const auto& [from, to] : option.map) json.member(from, to);
    json.end_object();
  }
  json.end_object();
}

void write_operations(json::JsonWriter& json, const std::vector<OperationOptions>& operations) {
  const auto write = [&](const char* name, bool is_path) {
    const auto is_it = [&](const OperationOptions& option) { return option.name == name; };
    if (std::none_of(operations.begin(), operations.end(), is_it)) return;
    json.key(name).begin_array();
    for (const OperationOptions& option : operations) {
      if (!is_it(option)) continue;
      if (is_path)
        json.string(option.path);
      else
        write_operation(json, option);
    }
    json.end_array();
  };
  for (const char* name : kPathOperations) write(name, true);
  for (const char* name : kTableOperations) write(name, false);
}

std::string text_of(const UnorderedOptions& option) {
  return option.by.empty() ? option.path : option.path + " by " + option.by;
}

}  // namespace

void write_rule(json::JsonWriter& json, const CompareRuleOptions& rule) {
  if (!rule.id.empty()) json.member("id", rule.id);
  write_strings(json, "routes", rule.routes);
  write_strings(json, "ignore", rule.ignore);
  if (!rule.unordered.empty()) {
    json.key("unordered").begin_array();
    for (const UnorderedOptions& option : rule.unordered) json.string(text_of(option));
    json.end_array();
  }
  if (!rule.tolerance.empty()) {
    json.key("tolerance").begin_array();
    for (const ToleranceOptions& option : rule.tolerance) {
      json.begin_object().member("path", option.path);
      if (option.absolute > 0) json.member("absolute", option.absolute);
      if (option.relative > 0) json.member("relative", option.relative);
      json.end_object();
    }
    json.end_array();
  }
  write_operations(json, rule.operations);
  if (!rule.reason.empty()) json.member("reason", rule.reason);
  if (!rule.owner.empty()) json.member("owner", rule.owner);
  if (rule.expires_wall_ns != 0) json.member("expires", format_time(rule.expires_wall_ns));
}

Result<CompareRuleOptions> read_rule(const json::Value& object) {
  std::vector<std::string_view> known = {"id",        "routes", "ignore", "unordered",
                                         "tolerance", "reason", "owner",  "expires"};
  known.insert(known.end(), std::begin(kPathOperations), std::end(kPathOperations));
  known.insert(known.end(), std::begin(kTableOperations), std::end(kTableOperations));
  BANYAN_RETURN_IF_ERROR(check_object(object, known, "the rule"));
  return read_rule_part(object);
}

Result<CompareRuleOptions> read_rule_part(const json::Value& object) {
  CompareRuleOptions rule;
  BANYAN_RETURN_IF_ERROR(read_text(object, "id", rule.id));
  BANYAN_RETURN_IF_ERROR(read_strings(object, "routes", rule.routes));
  BANYAN_RETURN_IF_ERROR(read_strings(object, "ignore", rule.ignore));
  std::vector<std::string> unordered;
  BANYAN_RETURN_IF_ERROR(read_strings(object, "unordered", unordered));
  for (const std::string& text : unordered) rule.unordered.push_back(unordered_of(text));
  BANYAN_RETURN_IF_ERROR(read_tolerance(object, rule.tolerance));
  BANYAN_RETURN_IF_ERROR(read_operations(object, rule.operations));
  BANYAN_RETURN_IF_ERROR(read_text(object, "reason", rule.reason));
  BANYAN_RETURN_IF_ERROR(read_text(object, "owner", rule.owner));
  std::string expires;
  BANYAN_RETURN_IF_ERROR(read_text(object, "expires", expires));
  if (!expires.empty()) {
    const auto time = parse_time(expires, 0);
    if (!time || *time <= 0) return bad("expires must be a date or an RFC 3339 time");
    rule.expires_wall_ns = *time;
  }
  return rule;
}

UnorderedOptions unordered_of(std::string_view text) {
  const std::size_t by = text.find(" by ");
  UnorderedOptions option;
  option.path = std::string(trim(text.substr(0, by)));
  if (by != std::string_view::npos) option.by = std::string(trim(text.substr(by + 4)));
  return option;
}

Result<ToleranceOptions> tolerance_of(std::string_view text) {
  const auto refuse = [&] {
    return bad("\"" + escape_for_terminal(text, 256) +
               "\" is no tolerance; write PATH:absolute=NUMBER or PATH:relative=NUMBER");
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon < 5) return refuse();
  ToleranceOptions option;
  option.path = std::string(trim(text.substr(0, colon)));
  for (const std::string_view part : split(text.substr(colon + 1), ',')) {
    const std::size_t equals = part.find('=');
    if (equals == std::string_view::npos) return refuse();
    const std::string_view name = trim(part.substr(0, equals));
    const auto value = parse_double(trim(part.substr(equals + 1)));
    if (!value || (name != "absolute" && name != "relative")) return refuse();
    (name == "absolute" ? option.absolute : option.relative) = *value;
  }
  return option;
}

Result<OperationOptions> operation_of(std::string_view name, std::string_view text) {
  OperationOptions option{std::string(name), std::string(trim(text))};
  if (is_path_operation(name)) return option;
  const auto refuse = [&] {
    return bad("\"" + escape_for_terminal(text, 256) + "\" does not say what " + std::string(name) +
               " needs; as in body:$.at:" +
               (name == "time"       ? "skew=5s"
                : name == "unit"     ? "factor=100"
                : name == "parse_as" ? "as=json"
                                     : "old=new"));
  };
  // The last colon in front of an equals sign, as names in paths may hold some; but of hosts the
  // one behind the path, as ports do.
  const std::size_t colon = name == "url" ? text.find(':', text.find(':') + 1)
                                          : text.substr(0, text.find('=')).rfind(':');
  if (text.find('=') == std::string_view::npos || colon == std::string_view::npos || colon < 5) {
    return refuse();
  }
  option.path = std::string(trim(text.substr(0, colon)));
  for (const std::string_view part : split(text.substr(colon + 1), ',')) {
    const std::size_t equals = part.find('=');
    if (equals == std::string_view::npos) return refuse();
    const std::string_view key = trim(part.substr(0, equals));
    const std::string_view value = trim(part.substr(equals + 1));
    if (name == "time" && key == "skew" && parse_duration_ns(value)) {
      option.skew_ns = *parse_duration_ns(value);
    } else if (name == "unit" && key == "factor" && parse_double(value)) {
      option.factor = *parse_double(value);
    } else if (name == "parse_as" && key == "as") {
      option.as = std::string(value);
    } else if (has_pairs(name)) {
      option.map.emplace_back(key, value);
    } else {
      return refuse();
    }
  }
  return option;
}

std::vector<std::string> texts_of(const CompareRuleOptions& rule) {
  const std::string suffix = rule.id.empty() ? "" : " [" + rule.id + "]";
  std::vector<std::string> out;
  for (const std::string& path : rule.ignore) out.push_back("ignore " + path + suffix);
  for (const UnorderedOptions& option : rule.unordered) {
    out.push_back("unordered " + text_of(option) + suffix);
  }
  for (const ToleranceOptions& option : rule.tolerance) {
    std::string text = "tolerance " + option.path;
    if (option.absolute > 0) text += " absolute " + shortest_text(option.absolute);
    if (option.relative > 0) text += " relative " + shortest_text(option.relative);
    out.push_back(text + suffix);
  }
  for (const OperationOptions& option : rule.operations) {
    std::string text = option.name + " " + option.path;
    if (option.name == "time") text += " skew " + format_duration_ns(option.skew_ns);
    if (option.name == "unit") text += " factor " + shortest_text(option.factor);
    if (option.name == "parse_as") text += " " + option.as;
    for (std::size_t i = 0; option.name == "rename" && i < option.map.size(); ++i) {
      text += (i > 0 ? ", " : " ") + option.map[i].first + "→" + option.map[i].second;
    }
    out.push_back(text + suffix);
  }
  return out;
}

std::optional<std::int64_t> parse_expiry(std::string_view text, std::int64_t now_wall_ns) {
  if (const auto time = parse_time(text, now_wall_ns)) return time;
  if (const auto duration = parse_duration_ns(text)) return now_wall_ns + *duration;
  return std::nullopt;
}

}  // namespace banyan::comparator
