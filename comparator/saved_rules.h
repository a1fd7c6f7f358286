// SPDX-License-Identifier: Apache-2.0
//
// Rules that people saved while Banyan runs, beside those of the config: data_dir/state/rules
// (docs/formats/rules.md). Functions block on the disk; one writer at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "comparator/options.h"
#include "core/base/error.h"
#include "core/base/file_system.h"

namespace banyan::comparator {

inline constexpr std::size_t kSavedRulesMax = 500;
inline constexpr std::size_t kSavedRulesBytesMax = 4 << 20;

struct SavedRule {
  CompareRuleOptions rule;  // with id, reason, owner and expiry
  std::string by;           // who saved it
  std::int64_t saved_wall_ns = 0;
  std::vector<std::string> forced;  // what its trial was refused for
};

std::string encode_saved_rules(const std::vector<SavedRule>& rules);
// kDamaged says what is wrong and where; kUnsupported for another version.
Result<std::vector<SavedRule>> decode_saved_rules(std::string_view text);

std::string saved_rules_path(const std::string& data_dir);
// None where there is no file.
Result<std::vector<SavedRule>> read_saved_rules(FileSystem& files, const std::string& data_dir);
Status write_saved_rules(FileSystem& files, const std::string& data_dir,
                         const std::vector<SavedRule>& rules);

// Gives `rule` an id that none of `rules` has.
void name_rule(SavedRule& rule, const std::vector<SavedRule>& rules);
// The rules of the config, then the saved ones.
ComparatorOptions with_saved(ComparatorOptions config, const std::vector<SavedRule>& rules);

}  // namespace banyan::comparator
