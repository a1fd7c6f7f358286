// SPDX-License-Identifier: Apache-2.0
//
// Keeps one answer to a copy. A body that is the primary's stands in the RESPONSE already and is
// not written again; another one is kept inline up to a bound, in CHUNK records above it, and
// beyond a second bound only its length and digest. Loop-confined.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/hash.h"
#include "core/http/message.h"
#include "core/model/record_io.h"
#include "core/model/redaction.h"

namespace banyan::replay {

inline constexpr std::size_t kInlineAnswerBytesMax = 256 * 1024;
// An answer up to this is held until its end, while there is room for it: nearly always it turns
// out to be the primary's, and nothing of it is written.
inline constexpr std::size_t kHeldAnswerBytesMax = 4U << 20;
inline constexpr std::size_t kHeldAnswersBytesMax = 64U << 20;  // of all answers under way
inline constexpr std::size_t kAnswerChunkBytes = 256 * 1024;

struct CaptureContext {
  ExchangeId exchange;
  RunId run;
  System system = System::kCandidate;
  model::RecordSink* sink = nullptr;
  const model::Redactor* redactor = nullptr;
  // Of the primary's answer; of kind kNone until it was read from the log. Null: never asked for.
  const model::Body* primary_body = nullptr;
  std::size_t* held_bytes = nullptr;  // of all captures of a sender, beyond the inline bound
  std::string_view subject;           // key id of whose data it is; "" for nobody
  std::uint64_t digest_seed = 0;
  std::uint64_t body_bytes_max = 0;
};

// Used for one answer after the other.
class AnswerCapture {
 public:
  // Forgets the answer before.
  void begin(const CaptureContext& context);
  // Gives back what an answer held, whatever became of it.
  void let_go();
  void on_head(const http::ResponseHead& head, Instant now);
  void on_body(std::string_view piece);
  // As on_body(); the piece stays valid until finish() was used.
  void on_last_body(std::string_view piece);
  // The answer is not to be recorded (yet): nothing of its body goes to the log.
  void discard_body() { is_discarding_ = true; }
  bool has_head() const { return status_ != 0; }
  std::uint16_t status() const { return status_; }

  // The whole answer as it belongs into a SHADOW; its views are valid until the next begin() and
  // while `redacted` lives.
  void finish(const http::HeaderList& trailers, Instant now, model::RedactedMessage& redacted,
              model::Answer& answer);

  // Gives the list back for its room, once the answer is not needed any more.
  void take_room(http::HeaderList&& fields) { fields_ = std::move(fields); }

 private:
  // What of the answer may be recorded.
  struct Kept {
    http::HeaderList fields;
    std::string_view body;
    bool body_is_redacted = false;
  };
  Kept redact(std::string_view body, model::RedactedMessage& redacted);
  void keep(const http::HeaderList& fields);
  // The whole body while nothing of it is streamed.
  std::string_view whole_body() const { return lent_.empty() ? body_ : lent_; }
  // Room for so many more bytes in body_.
  bool hold(std::size_t bytes);
  bool stands_in_response() const;
  Digest128 digest() const;
  void start_streaming();
  void stream(std::string_view piece);
  void append_chunk(std::string_view bytes);

  CaptureContext context_;
  std::uint16_t status_ = 0;
  std::uint8_t http_version_ = 1;
  Instant first_byte_;
  std::string field_bytes_;
  http::HeaderList fields_;
  std::string body_;       // all of it, or while streaming what waits for the next CHUNK
  std::string_view lent_;  // the whole body, which is not ours; then body_ is empty
  std::size_t expected_bytes_ = 0;
  std::size_t held_ = 0;  // of *context_.held_bytes
  std::uint64_t length_ = 0;
  std::uint64_t recorded_ = 0;
  std::uint32_t sequence_ = 0;
  std::optional<StreamingDigest> digest_;  // while streaming
  bool is_streaming_ = false;
  bool is_discarding_ = false;
  bool has_lost_bytes_ = false;  // past the bound, or refused by the log
};

}  // namespace banyan::replay
