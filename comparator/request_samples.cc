// SPDX-License-Identifier: Apache-2.0
#include "comparator/request_samples.h"

#include <iterator>

namespace banyan::comparator {

std::int64_t RequestSamples::draw_of(ExchangeId exchange) {
  // The ends of splitmix64: exchanges count up, draws must not.
  std::uint64_t x = exchange.low + exchange.high * 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return static_cast<std::int64_t>((x ^ (x >> 31)) >> 1);
}

void RequestSamples::Group::take(Sample sample) {
  if (!drawn.insert(sample.draw).second) return;
  if (drawn.size() > kEach) drawn.erase(std::prev(drawn.end()));
  waiting.push_back(std::move(sample));
  // What others have displaced since is dropped when it is written; here only the room is bounded.
  if (waiting.size() > 2 * kEach) {
    std::erase_if(waiting, [this](const Sample& one) { return drawn.count(one.draw) == 0; });
  }
}

RequestSamples::Group& RequestSamples::group(std::uint64_t number, std::string_view route,
                                             std::string_view endpoint) {
  if (number >= by_number_.size()) by_number_.resize(number + 1, nullptr);
  Group*& group = by_number_[number];
  if (group == nullptr) group = &groups_[{std::string(route), std::string(endpoint)}];
  return *group;
}

void RequestSamples::clear() {
  by_number_.clear();
  groups_.clear();
}

}  // namespace banyan::comparator
