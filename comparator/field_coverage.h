// SPDX-License-Identifier: Apache-2.0
//
// Which fields of recorded answers a rule covers, whether they differ or not: what its trial tells
// of the fields that never did. For the comparator's own sources. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "comparator/lifted_json.h"
#include "comparator/markup_tree.h"

namespace banyan::comparator {

class FieldCoverage {
 public:
  static constexpr std::size_t kFieldsMax = 10'000;  // kept apart; past it they are only counted
  static constexpr std::size_t kProblemsMax = 20;

  struct Field {
    std::string route, path;
    std::uint64_t pairs = 0;  // of answers that have it
  };

  // One pair of answers; add() and the notes in between are of this pair.
  void begin_pair(std::string_view route);
  void end_pair();

  void add(std::string path);
  void note(const LiftedJson& json, const RuleSet& rules);
  void note(const MarkupTree& tree, const RuleSet& rules);
  void note_unread_body() { ++unread_bodies_; }

  std::vector<Field> fields() const;
  std::uint64_t overflow() const { return overflow_; }
  // Bodies of which only the digest was at hand.
  std::uint64_t unread_bodies() const { return unread_bodies_; }
  // "body:$.items" where the rule names an object, a list or an element with elements as such.
  const std::set<std::string>& containers() const { return containers_; }
  // "body:$.items: the key sku comes twice": why an order by that key is none.
  const std::set<std::string>& ambiguities() const { return ambiguities_; }

 private:
  class JsonWalk;
  class MarkupWalk;
  void add_container(std::string path);
  void add_ambiguity(std::string text);

  std::string route_;
  std::set<std::string> pair_;  // paths of the pair at hand
  std::map<std::pair<std::string, std::string>, std::uint64_t> fields_;
  std::uint64_t overflow_ = 0;
  std::uint64_t unread_bodies_ = 0;
  std::set<std::string> containers_;
  std::set<std::string> ambiguities_;
};

}  // namespace banyan::comparator
