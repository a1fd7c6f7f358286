// SPDX-License-Identifier: Apache-2.0
//
// The mirror's reading half: which exchanges are due, and when each copy may go.
#include <utility>
#include <variant>

#include "core/base/hash.h"
#include "core/model/answer_bytes.h"
#include "core/obs/log.h"
#include "replay/mirror_core.h"

namespace banyan::replay {
namespace {

// Records read in one turn of the loop, so that answers are not kept waiting.
constexpr int kReadMax = 4096;
// … and for so long at most, asked after so many: what lies in a file is read slowly, beside a busy
// writer with rests, while the answers of copies wait for this thread.
constexpr std::int64_t kReadNsMax = 2'000'000;
constexpr int kReadsPerLook = 8;
// Encoded requests held in memory; what is above is read from the log again when it is sent.
constexpr std::size_t kKeptBytesMax = 64U << 20;
constexpr std::size_t kKeptRequestBytesMax = 64U << 10;
// Room that a buffer keeps for the next exchange.
constexpr std::size_t kSpareBytesMax = 16U << 10;
// While the log cannot be read to its end, a copy is judged once the log was read on by this much.
constexpr std::int64_t kSettleNs = 100'000'000;

std::uint64_t session_of(std::string_view token) {
  if (token.empty()) return 0;
  const std::uint64_t hash = xxh3_64(token);
  return hash == 0 ? 1 : hash;
}

}  // namespace

// While nothing is pending, only a selected REQUEST can make something of a record.
model::RecordKinds MirrorCore::wanted() const {
  constexpr model::RecordKinds kFirst = model::RecordKinds::selected_requests();
  constexpr model::RecordKinds kLater =
      kFirst | model::RecordKinds::of({model::RecordType::kChunk, model::RecordType::kResponse,
                                       model::RecordType::kOutcome, model::RecordType::kGap});
  return pending_.empty() ? kFirst : kLater;
}

bool MirrorCore::has_room() const {
  return pending_.size() < options_.pending_max && ended_count_ < 2 * options_.pending_max &&
         line(Stage::kUnrecorded).empty();
}

void MirrorCore::read() {
  const std::int64_t began_ns = clock_.mono_ns();
  model::SourcedRecord record;
  for (int i = 0; i < kReadMax; ++i) {
    if (!has_room()) {
      // What retention is about to delete is accounted for now or never.
      bool is_going_away = false;
      const model::Cursor at = source_->position();
      for (const auto& [name, stream] : streams_) {
        is_going_away |= at.next_of(name) < stream.retention_end;
      }
      if (!is_going_away) break;
    }
    source_->want(wanted());
    auto more = source_->next(record);
    if (!more.ok()) {
      obs::log_error("replay", "the mirror cannot read the log: " + more.error().message);
      is_exhausted_ = true;  // tried again at the next tick
      return;
    }
    is_exhausted_ = !*more;
    if (is_exhausted_) break;
    if (record.append_wall_ns != 0) last_append_wall_ns_ = record.append_wall_ns;
    if (const Status status = apply(record); !status.ok()) {
      obs::log_error("replay", "the mirror left out a record: " + status.error().message);
    }
    const bool may_look = i % kReadsPerLook == kReadsPerLook - 1;
    if (may_look && clock_.mono_ns() - began_ns > kReadNsMax) break;
  }
  std::uint64_t sum = 0;
  for (const auto& place : source_->position().places) sum += place.next.value;
  position_sum_.store(sum, std::memory_order_relaxed);
  if (is_exhausted_ || is_read_posted_ || !has_room()) return;
  is_read_posted_ = true;
  loop_.post([this] {
    is_read_posted_ = false;
    act();
  });
}

Status MirrorCore::apply(const model::SourcedRecord& record) {
  if (record.kind == model::SourcedRecord::Kind::kHole) {
    on_hole(record);
    return {};
  }
  switch (record.type) {
    case model::RecordType::kRequest: return on_request(record);
    case model::RecordType::kChunk:
    case model::RecordType::kResponse:
    case model::RecordType::kOutcome: {
      Copy* const copy = pending_.find(record.exchange);
      if (copy == nullptr) return {};
      if (record.type == model::RecordType::kChunk) {
        on_chunk(*copy, record);
      } else {
        on_primary_end(*copy, record);
      }
      return {};
    }
    case model::RecordType::kGap: {
      auto decoded = model::decode(record.encoded);
      if (!decoded.ok()) return decoded.error();
      const auto& gap = std::get<model::GapRecord>(*decoded);
      // A hole that was repaired: nobody knows whose records were in it.
      if (gap.cause == "damaged") on_hole(record);
      on_gap(gap);
      return {};
    }
    default: return {};
  }
}

Status MirrorCore::on_request(const model::SourcedRecord& sourced) {
  std::unique_ptr<Copy> copy = new_copy();
  const auto is_selected = fill(*copy, sourced);
  if (!is_selected.ok() || !*is_selected) {
    spare(std::move(copy));
    return is_selected.ok() ? Status() : Status(is_selected.error());
  }
  enter(*copy.release());
  return {};
}

std::unique_ptr<MirrorCore::Copy> MirrorCore::new_copy() {
  if (spare_.empty()) return std::make_unique<Copy>(*this);
  std::unique_ptr<Copy> copy = std::move(spare_.back());
  spare_.pop_back();
  copy->stage = Stage::kGathering;
  return copy;
}

void MirrorCore::spare(std::unique_ptr<Copy> copy) {
  if (spare_.size() >= kSpareMax) return;
  copy->clear();
  copy->stage = Stage::kEnded;
  spare_.push_back(std::move(copy));
}

void MirrorCore::Copy::clear() {
  static_cast<OrderedCopy&>(*this) = OrderedCopy();
  static_cast<CopyState&>(*this) = CopyState();
  for (std::string* const buffer : {&request, &unrecorded}) {
    buffer->clear();
    if (buffer->capacity() > kSpareBytesMax) *buffer = std::string();
  }
}

// What the REQUEST says; false where no copy of it is due.
Result<bool> MirrorCore::fill(Copy& copy, const model::SourcedRecord& sourced) {
  // Where the one before was of no interest, this one hardly is: its head says so at less cost.
  if (!was_selected_) {
    BANYAN_RETURN_IF_ERROR(model::decode_head(sourced.encoded, copy.decoded));
    if (copy.decoded.mirror != MirrorDecision::kSelected) return false;
  }
  const std::size_t size = sourced.encoded.size();
  const bool is_kept = size <= kKeptRequestBytesMax && kept_bytes_ + size <= kKeptBytesMax;
  if (is_kept) copy.request = sourced.encoded;
  // Where it is not kept, the record is decoded again when it is sent.
  const model::RequestRecord& request = copy.decoded;
  BANYAN_RETURN_IF_ERROR(
      model::decode_as(is_kept ? std::string_view(copy.request) : sourced.encoded, copy.decoded));
  was_selected_ = request.mirror == MirrorDecision::kSelected;
  auto is_due = resume_.is_due(sourced.stream, sourced.offset, request.exchange);
  if (!is_due.ok()) return is_due.error();
  if (request.mirror != MirrorDecision::kSelected || !*is_due ||
      pending_.find(request.exchange) != nullptr) {
    return false;
  }
  copy.stream = &stream_of(sourced.stream);
  copy.exchange = request.exchange;
  copy.offset = copy.closing_offset = sourced.offset;
  copy.append_wall_ns = sourced.append_wall_ns;
  copy.started = request.started;
  copy.route = route_of(request.route);
  copy.to = other(request.primary);
  copy.is_write = request.is_write;
  copy.is_past = resume_.is_of_the_past(sourced.stream, sourced.offset);
  copy.session = session_of(request.session);
  copy.epoch = request.exchange.epoch().value;
  copy.started_mono_ns = request.started.mono_ns;
  copy.sequence = ++sequence_;
  copy.has_chunks = request.body.kind == model::Body::Kind::kChunks;
  return true;
}

// From here on the copy belongs to its stream, until finish().
void MirrorCore::enter(Copy& copy) {
  pacer_.on_arrival(copy.started.mono_ns);
  copy.stream->copies.push_back(copy);
  pending_.insert(copy);
  if (copy.is_write) pending_writes_.fetch_add(1, std::memory_order_relaxed);
  if (!copy.request.empty()) count_kept(copy);

  if (copy.offset < copy.stream->retention_end) return skip(copy, SkipReason::kRetention);
  if (copy.decoded.of.is_erased) return skip(copy, SkipReason::kErased);
  const model::Body& body = copy.decoded.body;
  if (body.kind == model::Body::Kind::kNotRecorded ||
      (body.kind == model::Body::Kind::kInline && body.length > options_.body_bytes_max)) {
    return skip(copy, SkipReason::kBodyTooLarge);
  }
  if (!copy.is_write && !copy.has_chunks) move_to(copy, Stage::kArrived);
}

void MirrorCore::on_chunk(Copy& copy, const model::SourcedRecord& sourced) {
  if (!copy.has_chunks || copy.chunks_ended || copy.stage != Stage::kGathering) return;
  auto decoded = model::decode(sourced.encoded);
  if (!decoded.ok()) return;
  const auto& chunk = std::get<model::ChunkRecord>(*decoded);
  if (chunk.side != model::Side::kRequest || !chunk.is_last) return;
  copy.chunks_ended = true;
  copy.chunks_complete = chunk.is_complete;
  copy.body.is_streamed = true;
  copy.body.length = chunk.length;
  copy.body.has_trailers = !chunk.trailers.empty();
  copy.closing_offset = sourced.offset;
  if (chunk.is_complete && chunk.length > options_.body_bytes_max) {
    skip(copy, SkipReason::kBodyTooLarge);
  } else if (chunk.is_complete && !copy.is_write) {
    move_to(copy, Stage::kArrived);
  }
}

// A copy that answers the same needs no second body in the log.
void MirrorCore::note_primary_body(Copy& copy, const model::SourcedRecord& sourced) {
  std::string_view rest;
  if (!model::decode_head(sourced.encoded, response_head_, rest).ok()) return;
  const auto body = model::body_of_answer(rest);
  if (!body.ok()) return;
  copy.primary_body = *body;
  copy.primary_body.bytes = {};
}

void MirrorCore::on_primary_end(Copy& copy, const model::SourcedRecord& sourced) {
  if (copy.stage != Stage::kGathering) {  // a safe one that is on its way
    if (sourced.type == model::RecordType::kResponse) note_primary_body(copy, sourced);
    return;
  }
  auto decoded = model::decode(sourced.encoded);
  if (!decoded.ok()) return;
  if (const auto* response = std::get_if<model::ResponseRecord>(&*decoded)) {
    copy.end = primary_end_of(*response);
    copy.primary_body = response->answer.body;
    copy.primary_body.bytes = {};
  } else {
    copy.end = primary_end_of(std::get<model::OutcomeRecord>(*decoded));
  }
  copy.closing_offset = sourced.offset;
  settle(copy);
}

// The exchange is closed: what a write, or a body that did not arrive whole, becomes.
void MirrorCore::settle(Copy& copy) {
  const bool has_body = !copy.has_chunks || (copy.chunks_ended && copy.chunks_complete);
  SkipReason reason = copy.is_write || !has_body ? copy.end.skip : SkipReason::kNone;
  if (!has_body) {
    // The primary had all of it, so only our bound for recorded bodies can have cut it.
    const bool is_cut_by_us = reason == SkipReason::kNone ||
                              reason == SkipReason::kPrimaryRefused ||
                              reason == SkipReason::kPrimaryFailed;
    if (is_cut_by_us && (!copy.is_write || reason == SkipReason::kNone)) {
      reason = SkipReason::kBodyTooLarge;
    }
  }
  if (reason != SkipReason::kNone) return skip(copy, reason);
  if (!copy.is_write) return move_to(copy, Stage::kArrived);
  copy.ended_mono_ns = copy.end.ended_mono_ns;
  order_.hold(copy);
  move_to(copy, Stage::kAwaitingDurable, static_cast<std::int64_t>(copy.closing_offset.value));
}

void MirrorCore::on_gap(const model::GapRecord& gap) {
  for (const auto& part : gap.parts) {
    Copy* const copy = pending_.find(part.exchange);
    if (copy == nullptr || copy->stage != Stage::kGathering) continue;
    const bool lost_request = (part.sides & (1U << static_cast<int>(model::Side::kRequest))) != 0;
    const bool lost_primary = (part.sides & (1U << static_cast<int>(model::Side::kPrimary))) != 0;
    if (lost_request || (lost_primary && copy->is_write)) {
      skip(*copy, SkipReason::kGap);
    }
  }
}

// Whatever a copy of this stream still waits for may have been in there; it would wait for ever.
void MirrorCore::on_hole(const model::SourcedRecord& hole) {
  const SkipReason reason =
      hole.hole_cause == "retention" ? SkipReason::kRetention : SkipReason::kGap;
  std::vector<Copy*> waiting;
  const auto& copies = stream_of(hole.stream).copies;
  for (Copy* copy = copies.front(); copy != nullptr; copy = copies.after(*copy)) {
    if (copy->stage == Stage::kGathering) waiting.push_back(copy);
  }
  for (Copy* const copy : waiting) skip(*copy, reason);
}

void MirrorCore::on_retention(const std::string& stream_name, Offset end) {
  now_ = clock_.now();
  Stream& stream = stream_of(stream_name);
  if (end <= stream.retention_end) return;
  stream.retention_end = end;
  std::vector<Copy*> leaving;
  for (Copy* copy = stream.copies.front(); copy != nullptr && copy->offset < end;
       copy = stream.copies.after(*copy)) {
    if (copy->stage != Stage::kInFlight && copy->stage != Stage::kUnrecorded) {
      leaving.push_back(copy);
    }
  }
  for (Copy* const copy : leaving) {
    if (copy->stage != Stage::kEnded) skip(*copy, SkipReason::kRetention);
  }
  act();
}

// Copies of writes act only on what a crash cannot undo.
void MirrorCore::release_durable() {
  Line& awaiting = line(Stage::kAwaitingDurable);
  const auto is_durable = [this](const Copy& copy) {
    return source_->is_durable(copy.stream->name, copy.closing_offset);
  };
  if (streams_.size() == 1) {  // the line is in the order of closing
    while (!awaiting.empty() && is_durable(*awaiting.front())) {
      move_to(*awaiting.front(), Stage::kArrived);
    }
    return;
  }
  std::vector<Copy*> released;
  awaiting.for_each([&](Copy& copy) {
    if (is_durable(copy)) released.push_back(&copy);
  });
  for (Copy* const copy : released) move_to(*copy, Stage::kArrived);
}

void MirrorCore::release_arrived() {
  Line& arrived = line(Stage::kArrived);
  while (!arrived.empty()) {
    Copy& copy = *arrived.front();
    // Records of one cut of the log stand in no order among themselves: the end of an earlier write
    // may follow. With nothing else to do there is no point in waiting: reading stands still.
    const bool is_settled = is_exhausted_ ||
                            copy.append_wall_ns + kSettleNs < last_append_wall_ns_ ||
                            (!has_room() && is_idle());
    if (!is_settled) break;
    admit(copy);
  }
}

void MirrorCore::admit(Copy& copy) {
  if (!order_.must_wait(copy)) return make_ready(copy);
  move_to(copy, Stage::kWaiting);
  order_.wait(copy);
}

MirrorCore::Stream& MirrorCore::stream_of(std::string_view name) {
  const auto found = streams_.find(name);
  if (found != streams_.end()) return found->second;
  Stream& stream = streams_[std::string(name)];
  stream.name = name;
  return stream;
}

MirrorCore::Route* MirrorCore::route_of(std::string_view name) {
  const auto found = routes_.find(name);
  if (found != routes_.end()) return &found->second;
  Route& route = routes_[std::string(name)];
  route.name = name;
  return &route;
}

}  // namespace banyan::replay
