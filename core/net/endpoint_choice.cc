// SPDX-License-Identifier: Apache-2.0
//
// Which address takes the next request.
#include <algorithm>

#include "core/net/endpoints.h"

namespace banyan::net {
namespace {

// Bounds the cost of a choice; four of many are as good as all for balance.
constexpr std::size_t kLooksMax = 4;
constexpr std::int64_t kSmallestShare = Endpoint::kFullShare / 10;

// Requests in flight as a full address would feel them.
std::uint64_t load_of(const Endpoint& endpoint, std::uint32_t share) {
  return std::uint64_t{endpoint.in_flight()} * Endpoint::kFullShare / share;
}

struct Best {
  std::size_t index = EndpointSet::kNone;
  std::uint64_t load = 0;
  std::uint32_t equals = 0;

  void offer(std::size_t other, std::uint64_t other_load, Dice& dice) {
    if (index != EndpointSet::kNone && other_load > load) return;
    if (index == EndpointSet::kNone || other_load < load) {
      equals = 0;
      load = other_load;
      index = other;
    }
    // Each of k equals stays with a chance of 1/k, so that nobody's neighbour is favoured.
    if (++equals > 1 && dice.below(equals) == 0) index = other;
  }
};

}  // namespace

std::uint32_t Endpoint::ramp_share(std::int64_t now_ns, std::int64_t until_ns) const {
  const std::int64_t from_ns = ramp_from_ns_.load(std::memory_order_relaxed);
  const std::int64_t length = until_ns - from_ns;
  if (length <= 0) return kFullShare;
  // In steps of 1/256 of the length, so that nothing overflows.
  const std::int64_t step = std::max<std::int64_t>(length / kFullShare, 1);
  return static_cast<std::uint32_t>(
      std::clamp<std::int64_t>((now_ns - from_ns) / step, kSmallestShare, kFullShare));
}

std::size_t EndpointSet::choose_of_many(std::int64_t now_ns, Dice& dice) const {
  const std::size_t count = endpoints_.size();
  Best best;
  for (std::size_t i = 0; i < std::min(count, kLooksMax); ++i) {
    const std::size_t index =
        count <= kLooksMax ? i : dice.below(static_cast<std::uint32_t>(count));
    const Endpoint& endpoint = *endpoints_[index];
    if (!endpoint.is_usable(now_ns)) continue;
    const std::uint32_t share = endpoint.share(now_ns);
    // Where nobody has anything to do, the dice keep a slow starter to its share.
    if (share < Endpoint::kFullShare && dice.below(Endpoint::kFullShare) >= share) continue;
    best.offer(index, load_of(endpoint, share), dice);
  }
  return best.index != kNone ? best.index : choose_of_all(now_ns, dice);
}

// The first choice met only addresses that are out or start slowly.
std::size_t EndpointSet::choose_of_all(std::int64_t now_ns, Dice& dice) const {
  Best best;
  for (std::size_t i = 0; i < endpoints_.size(); ++i) {
    const Endpoint& endpoint = *endpoints_[i];
    if (endpoint.is_usable(now_ns)) best.offer(i, load_of(endpoint, endpoint.share(now_ns)), dice);
  }
  if (best.index != kNone) return best.index;
  return least_bad();
}

// All are out, and one has to be tried: who comes back first; of those that failed its checks, who
// has not been tried for longest.
std::size_t EndpointSet::least_bad() const {
  std::size_t found = 0;
  for (std::size_t i = 1; i < endpoints_.size(); ++i) {
    const Endpoint& one = *endpoints_[i];
    const Endpoint& other = *endpoints_[found];
    const auto until = one.avoid_until_ns_.load(std::memory_order_relaxed);
    const auto other_until = other.avoid_until_ns_.load(std::memory_order_relaxed);
    if (until != other_until ? until < other_until
                             : one.last_failure_ns_.load(std::memory_order_relaxed) <
                                   other.last_failure_ns_.load(std::memory_order_relaxed)) {
      found = i;
    }
  }
  return found;
}

bool EndpointSet::has_usable(std::int64_t now_ns) const {
  return std::any_of(endpoints_.begin(), endpoints_.end(),
                     [now_ns](const auto& endpoint) { return endpoint->is_usable(now_ns); });
}

bool EndpointSet::has_usable_beside(const Endpoint& endpoint, std::int64_t now_ns) const {
  return std::any_of(endpoints_.begin(), endpoints_.end(), [&](const auto& other) {
    return other.get() != &endpoint && other->is_usable(now_ns);
  });
}

}  // namespace banyan::net
