// SPDX-License-Identifier: Apache-2.0
#include "comparator/recent_writes.h"

#include <algorithm>
#include <cstdlib>

#include "core/base/hash.h"

namespace banyan::comparator {
namespace {

// Of hashes: a path that a write is at or below, a write's own path, a session.
constexpr std::uint64_t kBelowSeed = 1, kWholeSeed = 2, kSessionSeed = 3;

// "/a/b/" and "/a/b?c" are "/a/b"; of "/" nothing is left, since all lies below it.
std::string_view plain_path(std::string_view target) {
  target = target.substr(0, target.find_first_of("?#"));
  while (!target.empty() && target.back() == '/') target.remove_suffix(1);
  return target;
}

// Calls `take` with each path that leads to this one, itself last; at most kSegmentsMax.
template <typename Take>
void for_prefixes(std::string_view path, const Take& take) {
  std::size_t end = 0;
  for (std::size_t i = 0; i < RecentWrites::kSegmentsMax && end < path.size(); ++i) {
    end = std::min(path.find('/', end + 1), path.size());
    take(path.substr(0, end));
  }
}

}  // namespace

std::uint64_t RecentWrites::session_of(std::string_view token) {
  return token.empty() ? 0 : xxh3_64(token, kSessionSeed) | 1;
}

bool RecentWrites::is_open(const Write& write) {
  return write.answered_ns == kOpen || (write.has_copy && write.copied_ns == kOpen);
}

RecentWrites::Write* RecentWrites::find(ExchangeId exchange) {
  const auto found = numbers_.find(exchange);
  return found == numbers_.end() ? nullptr : &writes_[found->second - first_];
}

void RecentWrites::link(Write& write, std::uint64_t number, std::uint64_t key) {
  std::uint64_t& latest = latest_[key];
  write.links[write.links_count++] = {key, latest};
  latest = number;
}

void RecentWrites::drop_oldest() {
  const Write& oldest = writes_.front();
  for (std::size_t i = 0; i < oldest.links_count; ++i) {
    const auto found = latest_.find(oldest.links[i].key);
    if (found != latest_.end() && found->second == first_) latest_.erase(found);
  }
  if (const auto found = sessions_.find(oldest.session); found != sessions_.end()) {
    if (--found->second == 0) sessions_.erase(found);
  }
  if (is_open(oldest)) --open_;
  numbers_.erase(oldest.exchange);
  writes_.pop_front();
  ++first_;
}

void RecentWrites::begin(const model::RequestRecord& write) {
  if (numbers_.count(write.exchange) > 0) return;
  const std::int64_t now = write.started.wall_ns;
  while (!writes_.empty() && now - writes_.front().began_ns > kKeptNs) drop_oldest();
  if (writes_.size() >= kWritesMax) {
    ++pushed_out_;
    drop_oldest();
  }
  const std::uint64_t number = first_ + writes_.size();
  Write& made = writes_.emplace_back();
  made.exchange = write.exchange;
  made.began_ns = now;
  made.has_copy = write.mirror == MirrorDecision::kSelected;
  ++open_;
  numbers_[write.exchange] = number;
  const std::string_view path = plain_path(write.target);
  for_prefixes(path,
               [&](std::string_view prefix) { link(made, number, xxh3_64(prefix, kBelowSeed)); });
  if (!path.empty()) link(made, number, xxh3_64(path, kWholeSeed));
  if (const std::uint64_t session = session_of(write.session); session != 0) {
    link(made, number, session);
    made.session = session;
    ++sessions_[session];
  }
}

void RecentWrites::on_answered(ExchangeId write, std::int64_t wall_ns) {
  Write* const found = find(write);
  if (found == nullptr || found->answered_ns != kOpen) return;
  found->answered_ns = std::max<std::int64_t>(wall_ns, 0);
  if (!is_open(*found)) --open_;
}

void RecentWrites::on_copied(ExchangeId write, std::int64_t wall_ns) {
  Write* const found = find(write);
  if (found == nullptr || !found->has_copy || found->copied_ns != kOpen) return;
  found->copied_ns = std::max<std::int64_t>(wall_ns, 0);
  if (!is_open(*found)) --open_;
}

bool RecentWrites::meets(const Write& write, const Read& read) {
  if (write.began_ns > read.ended_ns || write.exchange == read.exchange) return false;
  if (is_open(write)) return read.began_ns - write.began_ns <= kKeptNs;
  const std::int64_t ended = write.has_copy ? std::max(write.answered_ns, write.copied_ns)
                                            : write.answered_ns + kOtherRoadNs;
  return ended >= read.began_ns;
}

void RecentWrites::look(const Read& read, std::uint64_t key, model::Race& nearest) const {
  const auto found = latest_.find(key);
  if (found == latest_.end()) return;
  std::uint64_t number = found->second;
  for (std::size_t i = 0; i < kLooksMax && number >= first_; ++i) {
    const Write& write = at(number);
    const std::int64_t after = write.began_ns - read.answered_ns;
    if (meets(write, read) &&
        (!nearest.is_there() || std::llabs(after) < std::llabs(nearest.after_ns))) {
      nearest = {write.exchange, after};
    }
    const auto* const end = write.links.data() + write.links_count;
    const auto* const link =
        std::find_if(write.links.data(), end, [key](const Link& one) { return one.key == key; });
    if (link == end) return;
    number = link->before;
  }
}

model::Race RecentWrites::race_of(const Read& read) const {
  model::Race nearest;
  if (writes_.empty()) return nearest;
  const std::string_view path = plain_path(read.target);
  if (!path.empty()) {
    look(read, xxh3_64(path, kBelowSeed), nearest);
    look(read, xxh3_64(path, kWholeSeed), nearest);
    for_prefixes(path, [&](std::string_view prefix) {
      if (prefix != path) look(read, xxh3_64(prefix, kWholeSeed), nearest);
    });
  }
  const auto session = sessions_.find(read.session);
  if (session != sessions_.end() && session->second <= kSessionWritesMax) {
    look(read, read.session, nearest);
  }
  return nearest;
}

}  // namespace banyan::comparator
