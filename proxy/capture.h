// SPDX-License-Identifier: Apache-2.0
//
// What the log keeps of a body that streams past.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/hash.h"
#include "core/base/ids.h"
#include "core/model/record.h"
#include "core/model/record_io.h"
#include "core/model/redaction.h"

namespace banyan::proxy {

// Bytes that one worker may hold for bodies read or recorded whole, and the room of some that went,
// as fresh memory costs more than what is written to it. Loop-confined.
class ByteBudget {
 public:
  explicit ByteBudget(std::uint64_t bytes_max) : bytes_max_(bytes_max) {}
  bool take(std::uint64_t bytes) {
    if (bytes > bytes_max_ - used_) {
      ++refusals_;
      return false;
    }
    used_ += bytes;
    return true;
  }
  void give(std::uint64_t bytes) { used_ -= bytes; }
  std::uint64_t used() const { return used_; }
  std::uint64_t bytes_max() const { return bytes_max_; }
  std::uint64_t refusals() const { return refusals_; }

  // Of rooms that wait; of a worker, beside bytes_max().
  static constexpr std::size_t kRoomBytesMax = 2U << 20;
  // Empty, with room for a large body where there is some.
  std::string take_room();
  void give_room(std::string room);

 private:
  std::vector<std::string> rooms_;
  std::size_t room_bytes_ = 0;
  const std::uint64_t bytes_max_;
  std::uint64_t used_ = 0;
  std::uint64_t refusals_ = 0;
};

struct CaptureLimits {
  std::uint64_t inline_max = 0;
  std::uint64_t captured_max = 0;
  std::uint64_t digest_seed = 0;
};

// One body of one exchange: kept in memory up to the inline limit, then as CHUNK records; past the
// capture limit, or when the log takes no more, only measured. Loop-confined.
class Capture {
 public:
  enum class Mode {
    kInlineFirst,   // inline while it fits, else chunks
    kChunks,        // chunks from the start
    kInlineOrNone,  // inline while it fits, else not recorded (redaction of a stream is impossible)
    kMeasureOnly,   // length and digest
    kNothing,       // not even these
  };
  Capture(const CaptureLimits& limits, ByteBudget& budget, model::RecordSink& sink)
      : limits_(limits), budget_(budget), sink_(sink) {}
  ~Capture() { clear(); }

  // `subject` is the key id of whose data this is ("" for nobody), and lives until clear().
  void start(Mode mode, ExchangeId exchange, model::Side side, std::string_view subject = {});
  void add(std::string_view piece);
  // As add(), of the last piece; it stays valid until clear() or keep_lent().
  void lend(std::string_view piece);
  // What was lent is copied.
  void keep_lent();
  bool has_chunks() const { return state_ == State::kChunks; }

  // Closes the body of a request in chunks by its last CHUNK; refused ticket where it writes none.
  model::Ticket finish_request(bool is_complete, const http::HeaderList& trailers);
  // What a RESPONSE says of the body; writes what is left as CHUNKs first. Valid until clear().
  model::Body finish_answer(bool is_complete);
  // Ready for the next exchange; gives its memory back.
  void clear();

  std::uint64_t length() const { return length_; }

 private:
  enum class State { kIdle, kInline, kChunks, kMeasure, kNothing };
  void add_inline(std::string_view piece);
  void add_chunk(std::string_view piece);
  void leave_inline();
  void emit(std::string_view bytes);
  void flush_pending();
  Digest128 digest() const;
  std::string_view inline_bytes() const { return lent_.empty() ? bytes_ : lent_; }
  bool hold(std::size_t bytes);
  // A reload may have lowered the limit below what is captured already.
  bool has_room_for(std::size_t bytes) const {
    return captured_ <= limits_.captured_max && bytes <= limits_.captured_max - captured_;
  }
  void release_held();

  const CaptureLimits& limits_;
  ByteBudget& budget_;
  model::RecordSink& sink_;
  Mode mode_ = Mode::kNothing;
  State state_ = State::kIdle;
  ExchangeId exchange_;
  model::Side side_ = model::Side::kRequest;
  std::string_view subject_;
  std::string bytes_;       // inline: the body; chunks: what the next CHUNK will hold
  std::string_view lent_;   // inline: the whole body, which is not ours; then bytes_ is empty
  std::uint64_t held_ = 0;  // of the budget
  std::optional<StreamingDigest> digest_;
  std::uint64_t length_ = 0;
  std::uint64_t captured_ = 0;
  std::uint32_t sequence_ = 0;
  bool has_lost_ = false;  // of the body some bytes are not in the log
};

// Makes `body` say what was recorded in place of the original.
void apply_redaction(const model::RedactedMessage& redacted, model::Body& body);

}  // namespace banyan::proxy
