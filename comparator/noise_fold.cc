// SPDX-License-Identifier: Apache-2.0
#include "comparator/noise_fold.h"
#include "comparator/field_path.h"

#include <algorithm>

#include "core/base/text.h"
#include "core/model/witness.h"

namespace banyan::comparator {
namespace {

constexpr std::uint64_t kUsableBit = 1;
constexpr std::uint64_t kMarkSeed = 4;
constexpr std::string_view kNotListed = "not listed";  // differences past DifferenceSink's bound

// The answer says nothing of what it holds: there is none, or it was a proxy's.
bool is_spoiled(const model::VerdictRecord& witness) {
  if (witness.verdict == Verdict::kIncomparable || witness.of.is_erased) return true;
  return std::any_of(witness.differences.begin(), witness.differences.end(),
                     [](const auto& one) { return one.kind == DifferenceKind::kNoAnswer; });
}

NoiseFold::Paths paths_of(const model::VerdictRecord& witness) {
  NoiseFold::Paths out;
  for (const model::Difference& one : witness.differences) {
    if (!one.rule.empty()) continue;
    if (out.size() >= 2 * NoiseFold::kPathsMax) break;
    NoiseFold::add(out, known_path(one.path), std::string(to_string(one.kind)), one.transition);
  }
  return out;
}

// What one answer differs in, by path; "" where that is not all. Of a value that is shown in part
// nobody knows whether it is another one's: `side` tells them apart.
void note_last(const model::VerdictRecord& witness, std::string_view side,
               std::map<std::string, std::string>& last) {
  for (const model::Difference& one : witness.differences) {
    if (!one.rule.empty()) continue;
    if (one.transition == kNotListed || last.size() >= NoiseFold::kPathsMax) {
      last.insert_or_assign(std::string(), std::string(side));
      return;
    }
    std::string& text = last[known_path(one.path)];
    text += one.at;
    text += '\n';
    text += to_string(one.kind);
    text += '\n';
    text += one.legacy;  // The recorded answer's is the same for both sides, whichever it is.
    text += '\n';
    text += one.candidate;
    text += '\n';
    if (one.legacy.ends_with("…") || one.candidate.ends_with("…")) text += side;
  }
}

}  // namespace

bool NoiseFold::has_shapes(const model::Difference& one) {
  const bool is_order = one.kind == DifferenceKind::kOrder && one.legacy.starts_with('[');
  return one.rule.empty() && (is_order || one.kind == DifferenceKind::kValue) &&
         one.transition != kNotListed;
}

void NoiseFold::add(Paths& paths, std::string path, std::string kind, std::string transition) {
  paths.insert({path, kind, std::string(kEveryTransition)});
  paths.insert({std::move(path), std::move(kind), std::move(transition)});
}

std::uint64_t NoiseFold::mark_of(ExchangeId exchange) const {
  return model::draw_of(exchange, kMarkSeed) | kUsableBit;
}

void NoiseFold::note_race(ExchangeId exchange, const model::Race& race) {
  if (!races_.insert_or_assign(exchange, race).second) return;
  races_order_.push_back(exchange);
  if (races_order_.size() <= kRacesMax) return;
  races_.erase(races_order_.front());
  races_order_.pop_front();
}

bool NoiseFold::Complete::agreed_at(const std::string& path) const {
  if (same_last.count({}) > 0 || other_last.count({}) > 0) return false;
  const auto same = same_last.find(path);
  const auto other = other_last.find(path);
  if (same == same_last.end() || other == other_last.end()) {
    return same == same_last.end() && other == other_last.end();
  }
  return same->second == other->second;
}

std::optional<NoiseFold::Complete> NoiseFold::note_live(ExchangeId exchange, bool is_usable,
                                                        const model::Race& race) {
  if (race.is_there()) note_race(exchange, race);
  is_usable = is_usable && !race.is_there();
  if (!recent_) recent_ = std::make_unique<std::array<std::uint64_t, kRecent>>();
  const std::uint64_t mark = mark_of(exchange);
  (*recent_)[(mark >> 1) % kRecent] = is_usable ? mark : mark & ~kUsableBit;
  if (waiting_.empty()) return std::nullopt;
  const auto found = waiting_.find({exchange, static_cast<int>(WitnessReason::kControl)});
  if (found == waiting_.end()) return std::nullopt;
  std::optional<Complete> out;
  if (is_usable) {
    out = std::move(found->second.so_far);
  } else {
    ++unpaired_;
  }
  waiting_.erase(found);
  return out;
}

NoiseFold::Waiting& NoiseFold::waiting_of(ExchangeId exchange) {
  const std::pair<ExchangeId, int> key{exchange, static_cast<int>(WitnessReason::kConfirmation)};
  const auto found = waiting_.find(key);
  if (found != waiting_.end()) return found->second;
  order_.push_back(key);
  return waiting_[key];
}

std::optional<NoiseFold::Complete> NoiseFold::add(const model::VerdictRecord& witness,
                                                  std::string_view endpoint) {
  // Of what has left already there is nothing to push out.
  while (waiting_.size() >= kWaitingMax || order_.size() >= 2 * kWaitingMax) {
    if (waiting_.erase(order_.front()) > 0) ++unpaired_;
    order_.pop_front();
  }
  const Paths paths = paths_of(witness);
  const RunId run = witness.run;
  const auto raced = races_.find(witness.exchange);
  if (run.reason() == WitnessReason::kControl) {
    if (is_spoiled(witness)) {
      ++unpaired_;
      return std::nullopt;
    }
    Complete one;
    one.exchange = witness.exchange;
    one.reason = WitnessReason::kControl;
    one.route = std::string(witness.route);
    one.endpoint = std::string(endpoint);
    for (const Path& path : paths) one.same_system[path] = 1;
    const std::uint64_t mark = mark_of(witness.exchange);
    const std::uint64_t known = recent_ ? (*recent_)[(mark >> 1) % kRecent] : 0;
    if (known == mark) return one;
    if ((known | kUsableBit) == mark) {
      ++unpaired_;
      return std::nullopt;
    }
    const std::pair<ExchangeId, int> key{witness.exchange,
                                         static_cast<int>(WitnessReason::kControl)};
    order_.push_back(key);
    waiting_[key].so_far = std::move(one);
    return std::nullopt;
  }
  Waiting& waiting = waiting_of(witness.exchange);
  if (!waiting.runs.insert(run.value).second) return std::nullopt;
  Complete& sum = waiting.so_far;
  sum.exchange = witness.exchange;
  sum.route = std::string(witness.route);
  sum.endpoint = std::string(endpoint);
  sum.asked = run.of();
  waiting.is_spoiled |= is_spoiled(witness);
  for (const Path& path : paths) {
    ++(run.side() == WitnessSide::kSame ? sum.same_system : sum.other_system)[path];
  }
  if (raced != races_.end()) {
    sum.race = raced->second;
    const bool is_same = run.side() == WitnessSide::kSame;
    if (run.number() + 1 == run.of()) {
      note_last(witness, is_same ? "a" : "b", is_same ? sum.same_last : sum.other_last);
    }
  }
  if (waiting.runs.size() < std::size_t{2} * run.of()) return std::nullopt;
  std::optional<Complete> out;
  if (waiting.is_spoiled) {
    ++unpaired_;
  } else {
    out = std::move(sum);
  }
  waiting_.erase({witness.exchange, static_cast<int>(WitnessReason::kConfirmation)});
  return out;
}

ShapeTally* NoiseFold::shapes_at(std::string_view route, std::string_view endpoint,
                                 const ShapePlace& place) {
  const auto& [path, kind] = place;
  const NoiseKey key{std::string(route), std::string(is_field(path) ? kEveryEndpoint : endpoint),
                     path, std::string(to_string(kind)), std::string(kEveryTransition)};
  const auto found = shapes_.find(key);
  if (found != shapes_.end()) return &found->second;
  return shapes_.size() < kShapePlacesMax ? &shapes_[key] : nullptr;
}

void NoiseFold::add_shapes(const model::VerdictRecord& live) {
  std::map<ShapePlace, ShapeSides> places;
  for (const model::Difference& one : live.differences) {
    if (!has_shapes(one)) continue;
    places[{known_path(one.path), one.kind}].add(one.legacy, one.candidate);
    if (places.size() >= kPathsMax) break;
  }
  for (auto& [place, sides] : places) {
    sides.drop_common();
    if (sides.legacy.empty() && sides.candidate.empty()) continue;
    if (ShapeTally* const tally = shapes_at(live.route, live.endpoint, place)) tally->add(sides);
  }
}

// A witness of legacy stands in the candidate's place where legacy answered the client.
void NoiseFold::add_shapes_again(const model::VerdictRecord& witness, std::string_view endpoint) {
  if (witness.run.whom() == WitnessOf::kCandidate || is_spoiled(witness)) return;
  const bool is_same = witness.run.side() == WitnessSide::kSame;
  std::set<std::pair<ShapePlace, std::string>> shown;
  for (const model::Difference& one : witness.differences) {
    if (!has_shapes(one)) continue;
    const std::string own = shape_of(is_same ? one.candidate : one.legacy);
    if (own == shape_of(is_same ? one.legacy : one.candidate)) continue;
    shown.emplace(ShapePlace(known_path(one.path), one.kind), own);
    if (shown.size() >= kPathsMax) break;
  }
  for (const auto& [place, shape] : shown) {
    ShapeTally* const tally = shapes_at(witness.route, endpoint, place);
    if (tally != nullptr) tally->add_again(shape);
  }
}

void NoiseFold::clear_counts() {
  counts_.clear();
  pairs_.clear();
  overlaps_.clear();
  shapes_.clear();
}

void NoiseFold::clear() {
  clear_counts();
  waiting_.clear();
  order_.clear();
  races_.clear();
  races_order_.clear();
  recent_.reset();
}

}  // namespace banyan::comparator
