// SPDX-License-Identifier: Apache-2.0
#include "recorder/lane.h"

#include <utility>

#include "core/model/record_codec.h"
#include "recorder/format.h"

namespace banyan::recorder {

Lane::Lane(LaneOwner& owner, std::size_t bytes_max, std::shared_ptr<BufferPool> pool,
           std::function<void()> wake)
    : owner_(owner),
      bytes_max_(bytes_max),
      pool_(std::move(pool)),
      buffer_(pool_->take()),
      wake_(std::move(wake)) {}

BatchBuffer& Lane::room() {
  if (buffer_->bytes.size() >= kLaneBufferBytes) {
    full_bytes_ += buffer_->bytes.size();
    full_.push_back(std::move(buffer_));
    buffer_ = pool_->take(kLaneBufferBytes);
  }
  return *buffer_;
}

// True where that filled the buffer.
template <typename Record>
bool Lane::add(const Record& record) {
  BatchBuffer& buffer = room();
  buffer.add(record);
  return buffer.bytes.size() >= kLaneBufferBytes;
}

model::Ticket Lane::append(std::string_view encoded) {
  model::Ticket ticket;
  bool filled = false;
  {
    MutexLock lock(mutex_);
    if (is_refusing_ || encoded.empty() || !fits(encoded.size())) return refuse(encoded);
    filled = add(encoded);
    ticket.value = ++accepted_;
  }
  owner_.on_append(filled);
  return ticket;
}

bool Lane::fits(std::size_t bytes) const {
  return bytes <= kRecordBytesMax &&
         full_bytes_ + buffer_->bytes.size() + bytes + kRecordOverheadBytesMax <= bytes_max_;
}

// Where the record surely fits it is encoded in its place; else its exact size decides.
model::Ticket Lane::write(const model::Unwritten& record) {
  model::Ticket ticket;
  bool filled = false;
  {
    MutexLock lock(mutex_);
    if (!is_refusing_ && fits(record.bytes_max())) {
      filled = add(record);
      ticket.value = ++accepted_;
    }
  }
  if (ticket.is_refused()) {
    std::string encoded;
    record.append_to(encoded);
    return append(encoded);
  }
  owner_.on_append(filled);
  return ticket;
}

model::Ticket Lane::refuse(std::string_view encoded) {
  is_refusing_ = true;
  const Instant now = owner_.clock().now();
  if (loss_.records == 0) {
    loss_.first = now;
    loss_.was_failed = owner_.has_failed();
  }
  loss_.last = now;
  ++loss_.records;
  owner_.count_refused();
  const auto peeked = model::peek(encoded);
  if (!peeked.ok() || peeked->exchange.is_null()) return {};
  if (!loss_.parts.empty() && loss_.parts.back().exchange == peeked->exchange) {
    loss_.parts.back().sides |= peeked->sides;
  } else if (loss_.parts.size() < kLostPartsMax) {
    loss_.parts.push_back({peeked->exchange, peeked->sides});
  }
  return {};
}

void Lane::want_durable(model::Ticket ticket) {
  if (ticket.is_refused()) return;
  std::uint64_t wanted = wanted_.load(std::memory_order_relaxed);
  while (wanted < ticket.value &&
         !wanted_.compare_exchange_weak(wanted, ticket.value, std::memory_order_seq_cst)) {
  }
  owner_.on_want_durable();
}

void Lane::close() {
  {
    // Waits for a wake in progress; after this none comes.
    MutexLock lock(wake_mutex_);
    wake_ = nullptr;
  }
  is_closed_.store(true, std::memory_order_release);
}

std::uint64_t Lane::take(std::vector<std::shared_ptr<BatchBuffer>>& out,
                         std::shared_ptr<BatchBuffer>& next, LaneLoss& loss) {
  out.swap(full_);
  full_bytes_ = 0;
  if (!buffer_->empty()) out.push_back(std::exchange(buffer_, std::exchange(next, nullptr)));
  is_refusing_ = false;
  loss = std::exchange(loss_, LaneLoss{});
  return accepted_;
}

bool Lane::is_empty() {
  MutexLock lock(mutex_);
  return buffer_->empty() && loss_.records == 0;
}

bool Lane::has_full_buffer() {
  MutexLock lock(mutex_);
  return full_bytes_ > 0 || buffer_->bytes.size() >= kLaneBufferBytes;
}

void Lane::wake_if_wanted(bool has_failed) {
  std::uint64_t wanted = wanted_.load(std::memory_order_seq_cst);
  if (wanted == 0) return;
  const std::uint64_t durable = durable_.load(std::memory_order_relaxed);
  // Waiters of smaller tickets are woken although the largest wanted one is still to come.
  const bool is_done = wanted <= durable || has_failed;
  if (!is_done && durable == woken_at_) return;
  woken_at_ = durable;
  if (is_done) wanted_.compare_exchange_strong(wanted, 0, std::memory_order_seq_cst);
  MutexLock lock(wake_mutex_);
  if (wake_) wake_();
}

}  // namespace banyan::recorder
