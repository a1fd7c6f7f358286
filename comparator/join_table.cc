// SPDX-License-Identifier: Apache-2.0
#include "comparator/join_table.h"

#include <utility>

namespace banyan::comparator {

std::size_t JoinTable::bytes_of(const Join& join) {
  std::size_t bytes = sizeof(Join) + join.exchange.method.size() + join.exchange.target.size() +
                      join.exchange.route.size() + join.exchange.response.size();
  for (const WaitingShadow& shadow : join.shadows) {
    bytes += sizeof(WaitingShadow) + shadow.encoded.size();
  }
  return bytes;
}

Join* JoinTable::find(ExchangeId exchange) {
  const auto found = joins_.find(exchange);
  return found == joins_.end() ? nullptr : &found->second;
}

Join* JoinTable::add(Join join) {
  const ExchangeId exchange = join.exchange.exchange;
  erase(exchange);
  bytes_ += bytes_of(join);
  Join& added = joins_.emplace(exchange, std::move(join)).first->second;
  order_.push_back(exchange);
  make_room(exchange);
  return &added;
}

void JoinTable::erase(ExchangeId exchange) {
  const auto found = joins_.find(exchange);
  if (found == joins_.end()) return;
  const std::size_t bytes = bytes_of(found->second);
  bytes_ -= bytes < bytes_ ? bytes : bytes_;
  joins_.erase(found);
}

void JoinTable::make_room(ExchangeId keep) {
  trim_order();
  while ((joins_.size() > bounds_.joins_max || bytes_ > bounds_.bytes_max) && !order_.empty()) {
    const ExchangeId oldest = order_.front();
    if (oldest == keep) return;
    order_.pop_front();
    const auto found = joins_.find(oldest);
    if (found == joins_.end()) continue;
    ++pushed_out_;
    if (found->second.shadows.empty()) {
      erase(oldest);
    } else {
      strip(found->second);
    }
  }
}

// A copy that waits must not be forgotten: its place stays, its bytes go.
void JoinTable::strip(Join& join) {
  const std::size_t before = bytes_of(join);
  for (WaitingShadow& shadow : join.shadows) shadow.encoded = std::string();
  const std::size_t freed = before - bytes_of(join);
  bytes_ -= freed < bytes_ ? freed : bytes_;
}

// Names of joins that are gone stay behind one old join; rebuilt before they outnumber the others.
void JoinTable::trim_order() {
  while (!order_.empty() && !joins_.contains(order_.front())) order_.pop_front();
  if (order_.size() <= 2 * joins_.size() + 1024) return;
  std::deque<ExchangeId> kept;
  for (const ExchangeId exchange : order_) {
    if (joins_.contains(exchange)) kept.push_back(exchange);
  }
  order_ = std::move(kept);
}

}  // namespace banyan::comparator
