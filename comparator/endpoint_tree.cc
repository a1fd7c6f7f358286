// SPDX-License-Identifier: Apache-2.0
#include "comparator/endpoint_tree.h"

#include <algorithm>
#include <array>
#include <utility>

#include "comparator/endpoint_name.h"
#include "comparator/endpoint_tree_node.h"

namespace banyan::comparator {
namespace {

constexpr std::string_view kRest = "*";
constexpr std::array<std::string_view, 7> kUsualMethods = {"GET",    "HEAD",  "POST",   "PUT",
                                                           "DELETE", "PATCH", "OPTIONS"};

}  // namespace

EndpointTree::EndpointTree(std::size_t nodes_max)
    : nodes_max_(nodes_max), root_(std::make_unique<Node>()) {}
EndpointTree::~EndpointTree() = default;

void EndpointTree::clear() {
  drop_names();
  root_ = std::make_unique<Node>();
  visits_ = next_sweep_ = 0;
  nodes_ = 0;
  has_changed_ = true;
  has_collapsed_ = false;
}

EndpointTree::Stats EndpointTree::stats() const { return {nodes_, collapsed_, overflow_}; }

bool EndpointTree::take_collapsed() { return std::exchange(has_collapsed_, false); }

std::string_view EndpointTree::count(std::string_view endpoint, bool is_there) {
  if (last_ == nullptr || last_->first != endpoint) {
    const auto found = known_.find(endpoint);
    last_ = found == known_.end() ? nullptr : &*found;
  }
  if (last_ != nullptr) {
    if (last_->second.unsettled++ == 0) unsettled_.push_back(last_);
    has_changed_ = true;
    return last_->second.name;
  }
  const Parts parts(endpoint);
  if (!is_there && parts.is_path) {
    absent_ = name_of_absent(parts);
    return absent_;
  }
  has_changed_ = true;
  settle();
  if (!has_room() && visits_ >= next_sweep_) sweep();
  if (known_.size() >= kKnownMax) drop_names();
  std::string name = parts.is_path ? learn(parts) : std::string(endpoint);
  last_ = &*known_.insert_or_assign(std::string(endpoint), Known{std::move(name), 0}).first;
  return last_->second.name;
}

void EndpointTree::drop_names() {
  last_ = nullptr;
  unsettled_.clear();
  known_.clear();
}

void EndpointTree::settle() {
  for (auto* known : unsettled_) add(known->first, std::exchange(known->second.unsettled, 0));
  unsettled_.clear();
}

// To what is there: what was swept away since stays away.
void EndpointTree::add(std::string_view endpoint, std::uint64_t visits) {
  visits_ += visits;
  Parts parts(endpoint);
  if (!parts.is_path) return;
  Node* node = root_.get();
  std::string_view segment = parts.method;
  do {
    const auto word = segment == kAnySegment ? node->words.end() : node->words.find(segment);
    if (word != node->words.end()) {
      node->word_visits += visits;
    } else if (!node->any) {
      return;
    } else if (segment != kAnySegment && !node->is_collapsed) {
      node->spilled += visits;
    }
    node = word == node->words.end() ? node->any.get() : word->second.get();
    node->visits += visits;
  } while (parts.next(segment));
  node->ends += visits;
  const auto operation = node->operations.find(parts.operation);
  if (operation != node->operations.end()) operation->second += visits;
}

std::string EndpointTree::learn(const Parts& endpoint) {
  ++visits_;
  Parts parts = endpoint;
  const bool is_fixed = parts.is_fixed();
  std::string out;
  Node* node = root_.get();
  Node* grown = nullptr;  // the first one that got a word, or had no place for it
  bool is_cut = false;
  std::string_view segment = parts.method;
  for (std::size_t depth = 0;; ++depth) {
    if (depth > 0) out += depth == 1 ? " /" : "/";
    bool is_new = false;
    Node* const next =
        depth > kDepthMax ? nullptr : step(*node, segment, is_fixed || depth == 0, is_new, out);
    if (is_new && grown == nullptr) grown = node;
    if (next == nullptr) {
      ++overflow_;
      out += depth == 0 ? "* /*" : kRest;
      is_cut = true;
      break;
    }
    node = next;
    ++node->visits;
    if (!parts.next(segment)) {
      ++node->ends;
      break;
    }
  }
  if (!endpoint.operation.empty()) {
    out += ' ';
    out += !is_cut && learn_operation(*node, endpoint.operation) ? endpoint.operation : kRest;
  }
  if (grown == nullptr || grown == root_.get() || is_fixed || !should_collapse(*grown)) return out;
  collapse(*grown);
  recount();
  drop_names();
  has_collapsed_ = true;
  ++collapsed_;
  // What stands behind the collapsed word may have got other names too.
  return name_of(out);
}

// The node of one more segment, and its name to `out`; null where there is no room for it.
EndpointTree::Node* EndpointTree::step(Node& node, std::string_view segment, bool is_fixed,
                                       bool& is_new, std::string& out) {
  const auto word = segment == kAnySegment ? node.words.end() : node.words.find(segment);
  if (word != node.words.end()) {
    out += segment;
    ++node.word_visits;
    return word->second.get();
  }
  const bool is_full = node.words.size() >= kWordsMax;
  if (is_fixed && is_full && segment != kAnySegment) return nullptr;
  if (segment == kAnySegment || node.is_collapsed || is_full) {
    if (segment != kAnySegment && !node.is_collapsed) {
      is_new = true;
      ++overflow_;
      ++node.spilled;
    }
    if (!node.any) {
      if (!has_room()) return nullptr;
      node.any = std::make_unique<Node>();
      ++nodes_;
    }
    out += kAnySegment;
    return node.any.get();
  }
  if (!has_room()) return nullptr;
  is_new = true;
  ++nodes_;
  out += segment;
  Node& child = *node.words.emplace(segment, std::make_unique<Node>()).first->second;
  child.born = node.word_visits++;
  return &child;
}

bool EndpointTree::learn_operation(Node& node, std::string_view operation) {
  const auto found = node.operations.find(operation);
  if (found != node.operations.end()) {
    ++found->second;
    return true;
  }
  if (node.operations.size() >= kOperationsMax || !has_room()) {
    ++overflow_;
    return false;
  }
  node.operations.emplace(operation, 1);
  ++nodes_;
  return true;
}

// What is known of it, {} for every other word.
std::string EndpointTree::name_of_absent(const Parts& endpoint) const {
  Parts parts = endpoint;
  const auto method = root_->words.find(parts.method);
  const Node* node = method == root_->words.end() ? nullptr : method->second.get();
  const bool is_usual =
      std::find(kUsualMethods.begin(), kUsualMethods.end(), parts.method) != kUsualMethods.end();
  std::string out(node == nullptr && !is_usual ? kRest : parts.method);
  std::string_view segment;
  for (bool is_first = true; parts.next(segment); is_first = false) {
    out += is_first ? " /" : "/";
    const Node* next = nullptr;
    std::string_view name = segment.empty() ? segment : kAnySegment;
    if (node != nullptr) {
      const auto word = node->words.find(segment);
      next = word == node->words.end() ? node->any.get() : word->second.get();
      if (word != node->words.end()) name = segment;
    }
    out += name;
    node = next;
  }
  if (parts.operation.empty()) return out;
  const bool is_known = node != nullptr && node->operations.count(parts.operation) > 0;
  return out + " " + std::string(is_known ? parts.operation : kRest);
}

std::string EndpointTree::name_of(std::string_view endpoint) const {
  if (const auto known = known_.find(endpoint); known != known_.end()) return known->second.name;
  Parts parts(endpoint);
  if (!parts.is_path) return std::string(endpoint);
  std::string out(parts.method);
  const auto method = root_->words.find(parts.method);
  const Node* node = method == root_->words.end() ? nullptr : method->second.get();
  std::string_view segment;
  for (bool is_first = true; parts.next(segment); is_first = false) {
    out += is_first ? " /" : "/";
    const Node* next = nullptr;
    std::string_view name = segment;
    if (node != nullptr) {
      const auto word = node->words.find(segment);
      if (word != node->words.end()) {
        next = word->second.get();
      } else if (segment != kRest && (segment == kAnySegment || node->is_collapsed)) {
        name = kAnySegment;
        next = node->any.get();
      }
    }
    out += name;
    node = next;
  }
  if (!parts.operation.empty()) {
    out += ' ';
    out += parts.operation;
  }
  return out;
}

bool EndpointTree::should_collapse(const Node& node) const {
  if (node.is_collapsed || node.words.size() < kCollapseWordsMin) return false;
  const std::uint64_t visits = node.word_visits;
  const std::uint64_t half = visits / 2;
  std::uint64_t late = 0;
  // What follows the words: how many of them each thing follows.
  std::map<std::string_view, std::size_t> behind;
  for (const auto& [word, child] : node.words) {
    late += child->born >= half ? 1 : 0;
    if (child->ends > 0) ++behind[kRest];
    if (child->any) ++behind[kAnySegment];
    for (const auto& [next, grandchild] : child->words) ++behind[next];
  }
  if (visits < kCollapseVisitsMin && node.words.size() < kWordsMax) return false;
  const bool brings_new =
      static_cast<double>(late) >= kCollapseNewMin * static_cast<double>(visits - half);
  if (!brings_new && node.spilled <= visits) return false;
  std::size_t all = 0;
  std::size_t shared = 0;
  for (const auto& [next, count] : behind) {
    all += count;
    if (count > 1) shared += count;
  }
  return static_cast<double>(shared) >= kCollapseAlikeMin * static_cast<double>(all);
}

void EndpointTree::collapse(Node& node) {
  node.is_collapsed = true;
  if (!node.any) node.any = std::make_unique<Node>();
  std::uint64_t visits = 0;
  for (const auto& [word, child] : node.words) visits += child->visits;
  const auto stays = [visits](const Node& child) {
    return child.visits >= kLiteralVisitsMin &&
           static_cast<double>(child.visits) >= kLiteralShareMin * static_cast<double>(visits);
  };
  for (auto word = node.words.begin(); word != node.words.end();) {
    if (stays(*word->second)) {
      ++word;
      continue;
    }
    merge(*node.any, std::move(word->second));
    word = node.words.erase(word);
  }
}

void EndpointTree::merge(Node& into, std::unique_ptr<Node> from) {
  into.visits += from->visits;
  into.ends += from->ends;
  into.word_visits += from->word_visits;
  into.spilled += from->spilled;
  for (const auto& [operation, visits] : from->operations) into.operations[operation] += visits;
  for (auto& [word, child] : from->words) {
    auto& place = into.words[word];
    if (place) {
      merge(*place, std::move(child));
    } else {
      place = std::move(child);
      place->born = 0;
    }
  }
  if (from->any && into.any) {
    merge(*into.any, std::move(from->any));
  } else if (from->any) {
    into.any = std::move(from->any);
  }
  const bool is_collapsed = into.is_collapsed || from->is_collapsed;
  if (is_collapsed || into.words.size() > kWordsMax) collapse(into);
}

void EndpointTree::sweep() {
  struct Sweeper {
    // True where nothing is left of it.
    static bool halve(Node& node) {
      node.visits /= 2;
      node.ends /= 2;
      node.word_visits /= 2;
      node.spilled /= 2;
      node.born /= 2;
      std::erase_if(node.words, [](auto& word) { return halve(*word.second); });
      std::erase_if(node.operations, [](const auto& one) { return one.second < 2; });
      for (auto& [operation, visits] : node.operations) visits /= 2;
      if (node.any && halve(*node.any) && !node.is_collapsed) node.any.reset();
      if (node.is_empty() && node.visits == 0) return !node.is_collapsed;
      node.visits = std::max<std::uint64_t>(node.visits, 1);
      return false;
    }
  };
  for (auto& [method, node] : root_->words) Sweeper::halve(*node);
  std::erase_if(root_->words, [](auto& word) { return word.second->is_empty(); });
  next_sweep_ = visits_ + kSweepEvery;
  recount();
  drop_names();
}

void EndpointTree::recount() {
  struct Counter {
    static std::size_t below(const Node& node) {
      std::size_t out = node.operations.size();
      for (const auto& [word, child] : node.words) out += 1 + below(*child);
      if (node.any) out += 1 + below(*node.any);
      return out;
    }
  };
  nodes_ = Counter::below(*root_);
}

void EndpointTree::forget(std::string_view endpoint) {
  has_changed_ = true;
  settle();
  drop_names();
  Parts parts(endpoint);
  if (!parts.is_path) return;
  struct Step {
    Node* parent;
    std::string_view segment;
  };
  std::vector<Step> way;
  Node* node = root_.get();
  std::string_view segment = parts.method;
  do {
    const auto word = node->words.find(segment);
    if (word == node->words.end()) return;  // collapsed, or never seen: nothing names it
    way.push_back({node, segment});
    node = word->second.get();
  } while (parts.next(segment));
  if (!parts.operation.empty()) {
    const auto operation = node->operations.find(parts.operation);
    if (operation != node->operations.end()) node->operations.erase(operation);
    if (node->operations.empty()) node->ends = 0;
  } else if (node->operations.empty()) {
    node->ends = 0;
  }
  for (auto step = way.rbegin(); step != way.rend(); ++step) {
    const auto word = step->parent->words.find(step->segment);
    if (!word->second->is_empty()) break;
    step->parent->words.erase(word);
  }
  recount();
}

}  // namespace banyan::comparator
