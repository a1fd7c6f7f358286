// SPDX-License-Identifier: Apache-2.0
//
// Learns which words of paths are names of things: /users/ada, /users/bob and so on become
// /users/{}, while /users/me, which many ask for, stays. Fed with every exchange's endpoint
// (write_endpoint()) in the order of the log; the same order gives the same names, whenever it is
// asked. Bounded. One thread. docs/decisions/0026-endpoint-templates.md says why it is so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/base/hash.h"

namespace banyan::comparator {

class EndpointTree {
 public:
  // Words told apart at one place of a path; the next are {} there.
  static constexpr std::size_t kWordsMax = 64;
  static constexpr std::size_t kOperationsMax = 1'000;  // told apart at one path; the next are *
  // Past it a sweep forgets what came once, at most one in kSweepEvery exchanges; what is new then
  // is * from there on.
  static constexpr std::size_t kNodesMax = 5'000;
  static constexpr std::uint64_t kSweepEvery = 50'000;
  static constexpr std::size_t kDepthMax = 32;  // deeper parts of a path are *

  // Words are collapsed where at least so many were seen at one place, by so many exchanges (or
  // kWordsMax words came first), so large a share of the later half of these brought a new one (or
  // more of all came past kWordsMax), and what follows a word is mostly what follows others too.
  static constexpr std::size_t kCollapseWordsMin = 12;
  static constexpr std::uint64_t kCollapseVisitsMin = 1'000;
  static constexpr double kCollapseNewMin = 0.05;
  static constexpr double kCollapseAlikeMin = 0.6;
  // But a word with such a share of the exchanges, and this many, stays.
  static constexpr double kLiteralShareMin = 0.02;
  static constexpr std::uint64_t kLiteralVisitsMin = 4;

  // `nodes_max` for tests.
  explicit EndpointTree(std::size_t nodes_max = kNodesMax);
  ~EndpointTree();

  // One more exchange of this endpoint, and the name it goes by; valid until the next call. What is
  // no path ("erased", "OPTIONS *") goes by its own. Of what is not there (both systems say 404)
  // nothing is learned, so that a scanner's words are none: new ones are {}.
  std::string_view count(std::string_view endpoint, bool is_there = true);
  // The name of an endpoint that was counted, or of a name that was given, as of now.
  std::string name_of(std::string_view endpoint) const;
  // True once after words were collapsed: names given before may read otherwise now.
  bool take_collapsed();
  // True where to_bytes() may tell something else than when this was last asked.
  bool take_changed() { return std::exchange(has_changed_, false); }
  // As if nobody had asked for it; words that other endpoints hold stay.
  void forget(std::string_view endpoint);
  void clear();

  std::string to_bytes();
  // False, and empty, where the bytes are not what to_bytes() gives.
  bool read(std::string_view bytes);

  struct Stats {
    std::uint64_t nodes = 0;
    std::uint64_t collapsed = 0;  // places whose words became {}
    std::uint64_t overflow = 0;   // endpoints that got {} or * for want of room
  };
  Stats stats() const;

 private:
  struct Node;
  struct Parts;
  struct Known {
    std::string name;
    std::uint64_t unsettled = 0;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return xxh3_64(text); }
  };
  using KnownMap = std::unordered_map<std::string, Known, Hash, std::equal_to<>>;
  static constexpr std::size_t kKnownMax = 10'000;

  std::string learn(const Parts& parts);
  std::string name_of_absent(const Parts& parts) const;
  Node* step(Node& node, std::string_view segment, bool is_fixed, bool& is_new, std::string& out);
  bool learn_operation(Node& node, std::string_view operation);
  void settle();
  void add(std::string_view endpoint, std::uint64_t visits);
  bool should_collapse(const Node& node) const;
  void collapse(Node& node);
  void merge(Node& into, std::unique_ptr<Node> from);
  bool has_room() const { return nodes_ < nodes_max_; }
  void sweep();
  void recount();
  void drop_names();

  std::size_t nodes_max_;
  std::unique_ptr<Node> root_;  // its words are methods
  std::uint64_t visits_ = 0;    // all
  std::uint64_t next_sweep_ = 0;
  std::size_t nodes_ = 0;
  std::uint64_t collapsed_ = 0, overflow_ = 0;
  bool has_collapsed_ = false;
  bool has_changed_ = true;
  // Names by endpoint, and what each was counted since settle(): the tree is only asked, and only
  // has to be exact, when something new comes.
  KnownMap known_;
  std::vector<KnownMap::value_type*> unsettled_;
  KnownMap::value_type* last_ = nullptr;  // traffic repeats itself
  std::string absent_;                    // what count() gave last of what is not there
};

}  // namespace banyan::comparator
