// SPDX-License-Identifier: Apache-2.0
//
// The differences between two XML documents. Elements keep their order, as far as no rule says
// otherwise; those of one name are paired by a key, then by meaning, then by place. For the
// comparator's own sources.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "comparator/difference_sink.h"
#include "comparator/rules.h"
#include "comparator/xml_tree.h"

namespace banyan::comparator {

// Elements whose differing part has more children than this are not searched.
inline constexpr std::size_t kXmlChildrenMax = 10'000;

class XmlDiff {
 public:
  // Borrows all of them.
  XmlDiff(const XmlTree& legacy, const XmlTree& candidate, const RuleSet& rules,
          DifferenceSink& sink)
      : legacy_(legacy), candidate_(candidate), rules_(rules), sink_(sink) {}

  void run();

 private:
  using Indexes = std::vector<XmlIndex>;
  struct Pairs {
    std::vector<std::pair<XmlIndex, XmlIndex>> both;
    Indexes only_legacy;
    Indexes only_candidate;
  };

  // Of one name and kind.
  void node(XmlIndex legacy, XmlIndex candidate);
  void leaf(const XmlNode& from, std::string_view a, std::string_view b);
  void attributes(XmlIndex legacy, XmlIndex candidate);
  void content(XmlIndex legacy, XmlIndex candidate);
  void children(XmlIndex legacy, XmlIndex candidate, Indexes a, Indexes b);
  void pair_by_name(const Indexes& a, const Indexes& b, std::int16_t unordered, Pairs& out) const;
  void pair_of_name(Indexes a, Indexes b, const std::vector<std::string>& by, Pairs& out) const;
  void paired(Pairs& pairs);
  void one_sided(Pairs& pairs);
  void renamed_space(XmlIndex legacy, XmlIndex candidate);

  void enter(const XmlNode& node);
  void leave() { path_.pop_back(); }
  std::string shown(const XmlTree& tree, XmlIndex index) const;
  void emit(DifferenceKind kind, std::string legacy, std::string candidate, std::string_view rule,
            std::string transition = {});

  const XmlTree& legacy_;
  const XmlTree& candidate_;
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
