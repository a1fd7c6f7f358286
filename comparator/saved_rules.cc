// SPDX-License-Identifier: Apache-2.0
#include "comparator/saved_rules.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "comparator/compare.h"
#include "comparator/rule_options.h"
#include "core/base/hash.h"
#include "core/base/sealed_text.h"
#include "core/base/text.h"

namespace banyan::comparator {
namespace {

constexpr TextFormat kFormat{"the file of saved rules", "banyan-rules ", "1", kSavedRulesBytesMax};

Error damaged(std::string_view what) { return damaged_text(kFormat, what); }

std::string line_of(const SavedRule& saved) {
  std::string out;
  json::JsonWriter json(out);
  json.begin_object().key("rule").begin_object();
  write_rule(json, saved.rule);
  json.end_object().member("by", saved.by);
  json.member("saved", format_time(saved.saved_wall_ns));
  if (!saved.forced.empty()) {
    json.key("forced").begin_array();
    for (const std::string& reason : saved.forced) json.string(reason);
    json.end_array();
  }
  json.end_object();
  return out;
}

Result<SavedRule> read_line(std::string_view line) {
  const auto parsed = json::parse(line);
  if (!parsed.ok() || !parsed->is_object()) return damaged("no JSON object");
  const json::Value* rule = parsed->find("rule");
  if (rule == nullptr) return damaged("no rule");
  auto read = read_rule(*rule);
  if (!read.ok()) return damaged(read.error().message);
  SavedRule saved;
  saved.rule = *std::move(read);
  saved.by = parsed->string_or("by", "");
  const auto time = parse_time(parsed->string_or("saved", ""), 0);
  if (!time) return damaged("it has no time");
  saved.saved_wall_ns = *time;
  if (const json::Value* forced = parsed->find("forced")) {
    for (const json::Value& reason : forced->items) saved.forced.push_back(reason.text);
  }
  if (saved.rule.id.empty()) return damaged("it has no id");
  ComparatorOptions alone;
  alone.rules.push_back(saved.rule);
  const auto compiled = CompiledRules::compile(alone);
  if (!compiled.ok()) return damaged(compiled.error().message);
  return saved;
}

}  // namespace

std::string encode_saved_rules(const std::vector<SavedRule>& rules) {
  std::string lines;
  for (const SavedRule& saved : rules) lines.append(line_of(saved)).append("\n");
  return seal_text(kFormat, lines);
}

Result<std::vector<SavedRule>> decode_saved_rules(std::string_view text) {
  const auto opened = open_text(kFormat, text);
  if (!opened.ok()) return opened.error();
  const std::vector<std::string_view>& lines = *opened;
  if (lines.size() - 1 > kSavedRulesMax) return damaged("it holds too many rules");
  std::vector<SavedRule> out;
  std::unordered_set<std::string> ids;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    auto saved = read_line(lines[i]);
    const std::string where = "line " + std::to_string(i + 1) + ": ";
    if (!saved.ok()) return damaged(where + saved.error().message);
    if (!ids.insert(saved->rule.id).second) return damaged(where + "its id comes twice");
    out.push_back(*std::move(saved));
  }
  return out;
}

std::string saved_rules_path(const std::string& data_dir) { return data_dir + "/state/rules"; }

Result<std::vector<SavedRule>> read_saved_rules(FileSystem& files, const std::string& data_dir) {
  const std::string path = saved_rules_path(data_dir);
  if (!files.exists(path)) return std::vector<SavedRule>();
  auto text = files.read_file(path, kSavedRulesBytesMax);
  if (!text.ok()) return text.error();
  auto rules = decode_saved_rules(*text);
  if (rules.ok()) return rules;
  Error error = rules.error();
  error.message += " (" + path + "; mend it, or move it away and save the rules again)";
  return error;
}

Status write_saved_rules(FileSystem& files, const std::string& data_dir,
                         const std::vector<SavedRule>& rules) {
  BANYAN_RETURN_IF_ERROR(files.make_directories(data_dir + "/state"));
  return files.write_file_atomically(saved_rules_path(data_dir), encode_saved_rules(rules));
}

void name_rule(SavedRule& rule, const std::vector<SavedRule>& rules) {
  rule.rule.id.clear();
  const std::string text = line_of(rule);
  for (std::uint64_t seed = 0;; ++seed) {
    rule.rule.id = "r-" + hex_of_u64(xxh3_64(text, seed)).substr(0, 8);
    if (std::none_of(rules.begin(), rules.end(),
                     [&](const SavedRule& other) { return other.rule.id == rule.rule.id; })) {
      return;
    }
  }
}

ComparatorOptions with_saved(ComparatorOptions config, const std::vector<SavedRule>& rules) {
  for (const SavedRule& saved : rules) config.rules.push_back(saved.rule);
  return config;
}

}  // namespace banyan::comparator
