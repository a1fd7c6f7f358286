// SPDX-License-Identifier: Apache-2.0
//
// Which records of the log to show: words separated by spaces, all of which must hold:
// `type:REQUEST route:orders* exchange:0001ab method:POST path:/api/* status:5xx system:candidate`.
// A word about something that a record does not have does not hold for it. Immutable.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/model/record.h"
#include "core/model/record_io.h"

namespace banyan::admin {

class LogFilter {
 public:
  static constexpr std::size_t kWordsMax = 32;

  // kInvalidArgument names the word that is wrong and those that there are.
  static Result<LogFilter> parse(std::string_view text);
  // What can be told without decoding; true where only matches() can tell.
  bool may_match(const model::SourcedRecord& sourced) const;
  bool matches(const model::SourcedRecord& sourced, const model::AnyRecord& record) const;
  bool is_empty() const { return words_.empty(); }

 private:
  enum class Key { kType, kRoute, kExchange, kMethod, kPath, kStatus, kSystem };
  struct Word {
    Key key;
    std::string value;
  };
  static bool holds(const Word& word, const model::SourcedRecord& sourced,
                    const model::AnyRecord& record);
  std::vector<Word> words_;
};

}  // namespace banyan::admin
