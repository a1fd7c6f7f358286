// SPDX-License-Identifier: Apache-2.0
#include "comparator/join_table.h"

#include <utility>

namespace banyan::comparator {
namespace {

std::size_t join_bytes(const Join& join) {
  std::size_t bytes = sizeof(Join) + join.exchange.method.size() + join.exchange.target.size() +
                      join.exchange.route.size() + join.exchange.response.size() +
                      join.exchange.operation.name.size();
  for (const WaitingShadow& shadow : join.shadows) {
    bytes += sizeof(WaitingShadow) + shadow.encoded.size();
  }
  return bytes;
}

}  // namespace

Join* JoinTable::find(ExchangeId exchange) {
  const auto found = joins_.find(exchange);
  return found == joins_.end() ? nullptr : &found->second;
}

Join& JoinTable::add(ExchangeId exchange) {
  erase(exchange);
  Join* join = nullptr;
  if (spare_.empty()) {
    join = &joins_[exchange];
  } else {
    spare_.back().key() = exchange;
    join = &joins_.insert(std::move(spare_.back())).position->second;
    spare_.pop_back();
  }
  join->exchange.exchange = exchange;
  list(*join);
  return *join;
}

void JoinTable::weigh(Join& join) {
  count(join, join_bytes(join));
  while ((joins_.size() > bounds_.joins_max || bytes_ > bounds_.bytes_max) && oldest_ != nullptr &&
         oldest_ != &join) {
    ++pushed_out_;
    if (oldest_->shadows.empty()) {
      erase(oldest_->exchange.exchange);
    } else {
      strip(*oldest_);
    }
  }
}

void JoinTable::erase(ExchangeId exchange) {
  auto node = joins_.extract(exchange);
  if (node.empty()) return;
  Join& join = node.mapped();
  const bool is_small = join.counted_bytes <= kSpareBytesMax;
  count(join, 0);
  unlist(join);
  if (!is_small || spare_.size() >= kSpareMax) return;
  join.exchange.clear();
  join.shadows.clear();
  spare_.push_back(std::move(node));
}

// A copy that waits must not be forgotten: its place stays, its bytes go.
void JoinTable::strip(Join& join) {
  for (WaitingShadow& shadow : join.shadows) shadow.encoded = std::string();
  count(join, join_bytes(join));
  unlist(join);
}

void JoinTable::count(Join& join, std::size_t bytes) {
  bytes_ += bytes;
  bytes_ -= join.counted_bytes;
  join.counted_bytes = bytes;
}

void JoinTable::list(Join& join) {
  join.is_listed = true;
  join.older = newest_;
  join.newer = nullptr;
  (newest_ != nullptr ? newest_->newer : oldest_) = &join;
  newest_ = &join;
}

void JoinTable::unlist(Join& join) {
  if (!join.is_listed) return;
  (join.older != nullptr ? join.older->newer : oldest_) = join.newer;
  (join.newer != nullptr ? join.newer->older : newest_) = join.older;
  join.is_listed = false;
  join.older = join.newer = nullptr;
}

}  // namespace banyan::comparator
