// SPDX-License-Identifier: Apache-2.0
#include "recorder/tail.h"

#include <algorithm>
#include <utility>

namespace banyan::recorder {

IndexedRecord index_record(std::string_view encoded) {
  IndexedRecord record;
  const auto peeked = model::peek(encoded);
  if (!peeked.ok()) return record;
  record.encoded = encoded;
  record.type = peeked->type;
  record.kind = model::kind_of(peeked->type, encoded);
  record.exchange = peeked->exchange;
  return record;
}

std::size_t TailBatch::memory_bytes() const {
  std::size_t bytes = sizeof(TailBatch) + records.capacity() * sizeof(IndexedRecord) +
                      spans.capacity() * sizeof(KindSpan);
  for (const auto& buffer : buffers) bytes += buffer->memory_bytes();
  return bytes;
}

TailPlace::TailPlace(Tail& tail, Offset at) : tail_(tail), at_(at.value) {
  MutexLock lock(tail_.mutex_);
  tail_.places_.push_back(this);
}

TailPlace::~TailPlace() {
  MutexLock lock(tail_.mutex_);
  std::erase(tail_.places_, this);
}

bool Tail::must_let_go() const {
  if (bytes_ <= bytes_max_) return false;
  if (bytes_ > kHeldTimes * bytes_max_) return true;
  // Who needs what is gone already, and thus reads files, is not helped by the rest.
  const Offset begin = batches_.front()->base;
  const Offset end = batches_.front()->end();
  return std::none_of(places_.begin(), places_.end(), [begin, end](const TailPlace* place) {
    return begin <= place->at() && place->at() < end;
  });
}

std::shared_ptr<const TailBatch> Tail::pop_oldest() {
  auto oldest = std::move(batches_.front());
  batches_.pop_front();
  bytes_ -= oldest->memory_bytes();
  begin_.store(batches_.empty() ? kNowhere : batches_.front()->base.value,
               std::memory_order_release);
  return oldest;
}

void Tail::add(std::shared_ptr<const TailBatch> batch) {
  // Let go behind the lock: the memory of the last holder is given back then.
  std::vector<std::shared_ptr<const TailBatch>> let_go;
  MutexLock lock(mutex_);
  if (batches_.empty()) begin_.store(batch->base.value, std::memory_order_release);
  bytes_ += batch->memory_bytes();
  batches_.push_back(std::move(batch));
  while (must_let_go()) {
    let_go.push_back(pop_oldest());
    ++pushed_out_;
    const auto& spans = let_go.back()->spans;
    spans_.insert(spans_.end(), spans.begin(), spans.end());
  }
  if (spans_.size() > kSpansMax) {
    spans_.erase(spans_.begin(),
                 spans_.begin() + static_cast<std::ptrdiff_t>(spans_.size() - kSpansMax));
  }
}

Offset Tail::pass_over(Offset at, model::RecordKinds wanted, Offset fence) {
  MutexLock lock(mutex_);
  auto span = std::upper_bound(spans_.begin(), spans_.end(), at,
                               [](Offset place, const KindSpan& held) { return place < held.end; });
  for (; span != spans_.end() && span->begin <= at && at < fence && !span->kinds.meets(wanted);
       ++span) {
    at = std::min(span->end, fence);
  }
  return at;
}

void Tail::forget_before(Offset offset) {
  std::vector<std::shared_ptr<const TailBatch>> let_go;
  MutexLock lock(mutex_);
  while (!batches_.empty() && batches_.front()->base < offset) let_go.push_back(pop_oldest());
  // What is gone is a hole, and that has to be told.
  while (!spans_.empty() && spans_.front().begin < offset) spans_.pop_front();
}

std::shared_ptr<const TailBatch> Tail::find(Offset offset) {
  std::shared_ptr<const TailBatch> found;
  if (offset.value >= begin_.load(std::memory_order_acquire)) {
    MutexLock lock(mutex_);
    const auto after =
        std::upper_bound(batches_.begin(), batches_.end(), offset,
                         [](Offset wanted, const auto& held) { return wanted < held->base; });
    if (after != batches_.begin() && offset < (*std::prev(after))->end()) {
      found = *std::prev(after);
    }
  }
  (found != nullptr ? hits_ : misses_).fetch_add(1, std::memory_order_relaxed);
  return found;
}

Tail::Stats Tail::stats() const {
  Stats stats;
  stats.hits = hits_.load(std::memory_order_relaxed);
  stats.misses = misses_.load(std::memory_order_relaxed);
  MutexLock lock(mutex_);
  stats.bytes = bytes_;
  stats.pushed_out = pushed_out_;
  stats.spans = spans_.size();
  return stats;
}

}  // namespace banyan::recorder
