// SPDX-License-Identifier: Apache-2.0
//
// The differences between two documents of markup, XML or HTML. Elements keep their order, as far
// as no rule says otherwise; those of one name are paired by a key, then by meaning, then by place.
// For the comparator's own sources.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "comparator/difference_sink.h"
#include "comparator/markup_tree.h"
#include "comparator/rules.h"

namespace banyan::comparator {

// Elements whose differing part has more children than this are not searched.
inline constexpr std::size_t kMarkupChildrenMax = 10'000;

class MarkupDiff {
 public:
  // Borrows all of them.
  MarkupDiff(const MarkupTree& legacy, const MarkupTree& candidate, const RuleSet& rules,
             DifferenceSink& sink)
      : legacy_(legacy), candidate_(candidate), rules_(rules), sink_(sink) {}

  void run();

 private:
  using Indexes = std::vector<MarkupIndex>;
  struct Pairs {
    std::vector<std::pair<MarkupIndex, MarkupIndex>> both;
    Indexes only_legacy;
    Indexes only_candidate;
  };

  // Of one name and kind.
  void node(MarkupIndex legacy, MarkupIndex candidate);
  void leaf(const MarkupNode& from, std::string_view a, std::string_view b);
  void attributes(MarkupIndex legacy, MarkupIndex candidate);
  void content(MarkupIndex legacy, MarkupIndex candidate);
  void children(MarkupIndex legacy, MarkupIndex candidate, Indexes a, Indexes b);
  void pair_by_name(const Indexes& a, const Indexes& b, std::int16_t unordered, Pairs& out) const;
  void pair_of_name(Indexes a, Indexes b, const ItemKey& by, Pairs& out) const;
  void paired(Pairs& pairs);
  void one_sided(Pairs& pairs);
  void renamed_space(MarkupIndex legacy, MarkupIndex candidate);

  void enter(const MarkupNode& node);
  void leave() { path_.pop_back(); }
  std::string shown(const MarkupTree& tree, MarkupIndex index) const;
  void emit(DifferenceKind kind, std::string legacy, std::string candidate, std::string_view rule,
            std::string transition = {});

  const MarkupTree& legacy_;
  const MarkupTree& candidate_;
  const RuleSet& rules_;
  DifferenceSink& sink_;
  struct Step {
    std::string_view name;
    std::uint32_t position = 0;
    bool is_attribute = false;
  };
  std::vector<Step> path_;
};

}  // namespace banyan::comparator
