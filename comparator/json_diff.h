// SPDX-License-Identifier: Apache-2.0
//
// The differences between two lifted JSON values. For the comparator's own sources.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "comparator/array_pairing.h"
#include "comparator/difference_sink.h"
#include "comparator/lifted_json.h"
#include "comparator/rules.h"
#include "core/json/path.h"

namespace banyan::comparator {

// Arrays whose differing part has more items than this are not searched: they differ as a whole.
inline constexpr std::size_t kArrayItemsMax = 10'000;

class JsonDiff {
 public:
  // Borrows all of them, and notes in `legacy` what matches.
  JsonDiff(LiftedJson& legacy, const LiftedJson& candidate, const RuleSet& rules,
           DifferenceSink& sink)
      : legacy_(legacy), candidate_(candidate), rules_(rules), sink_(sink) {}

  void run() {
    legacy_.match(candidate_);
    node(0, 0);
  }

 private:
  struct Member;

  bool is_same(NodeIndex legacy, NodeIndex candidate) const;
  // The same but for what rules cover.
  bool is_alike(NodeIndex legacy, NodeIndex candidate) const {
    return legacy_[legacy].same_as == candidate ||
           legacy_.loose(legacy) == candidate_.loose(candidate);
  }
  void node(NodeIndex legacy, NodeIndex candidate);
  void leaf(NodeIndex legacy, NodeIndex candidate);
  void object(NodeIndex legacy, NodeIndex candidate);
  void array(NodeIndex legacy, NodeIndex candidate);
  void ordered(NodeIndex legacy, NodeIndex candidate, Items a, Items b);
  // Where nothing names the items; `same` are those that are equal.
  void similar(NodeIndex legacy, NodeIndex candidate, const Items& a, const Items& b,
               const Pairing& same);
  void unordered(NodeIndex legacy, NodeIndex candidate, const Items& a, const Items& b,
                 const BodyRule& rule);
  // Descends into pairs and reports what has no partner.
  void paired(const Items& a, const Items& b, const Pairing& pairing);
  void positional(NodeIndex legacy, NodeIndex candidate, const Items& a, const Items& b);
  void member(std::span<const Member> legacy, std::span<const Member> candidate);
  void item(NodeIndex legacy, NodeIndex candidate, std::size_t index);
  // `word` names its transition, where what it holds does not.
  void one_sided(NodeIndex at, bool is_legacy, std::string_view word = {});
  void one_sided_members(const std::vector<Member>& missing, const std::vector<Member>& extra);
  void order(NodeIndex legacy, NodeIndex candidate, std::string_view rule);

  std::string shown(const LiftedJson& json, NodeIndex at) const;
  void emit(DifferenceKind kind, std::string legacy, std::string candidate, std::string_view rule,
            std::string transition = {});

  LiftedJson& legacy_;
  const LiftedJson& candidate_;
  const RuleSet& rules_;
  DifferenceSink& sink_;
  std::vector<json::PathStep> path_;
};

}  // namespace banyan::comparator
