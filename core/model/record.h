// SPDX-License-Identifier: Apache-2.0
//
// The records of the log (design: docs/formats/log.md). In memory they are plain structs of views:
// a writer points them at what it has, a decoder at the batch it read; neither copies a body.
// Unless said otherwise views live as long as the buffer the record was decoded from.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/base/ids.h"
#include "core/http/message.h"
#include "core/model/types.h"

namespace banyan::model {

enum class RecordType : std::uint8_t {
  kRequest = 1,
  kResponse = 2,
  kOutcome = 3,
  kShadow = 4,
  kSkip = 5,
  kVerdict = 6,
  kChunk = 7,
  kRoute = 8,
  kGap = 9,
  kCheckpoint = 10,
};
std::string_view to_string(RecordType type);  // "REQUEST" …

// What the log holds of a body.
struct Body {
  enum class Kind : std::uint8_t {
    kNone = 0,    // there is no body
    kInline = 1,  // whole, in `bytes`
    kChunks = 2,  // in CHUNK records of the same stream
    kNotRecorded =
        3,  // by the route's record mode, a body limit or a redaction that could not be done
    kAsPrimary = 4,  // of a SHADOW: to the byte the body of the exchange's RESPONSE, stored there
  };
  Kind kind = Kind::kNone;
  std::string_view bytes;    // kInline: what is recorded (redacted where a rule says so)
  std::uint64_t length = 0;  // of the original; of a request in chunks: in its last CHUNK
  Digest128 digest;          // keyed, of the original bytes; likewise
  bool is_redacted = false;  // `bytes` differ from the original
  // All of it was seen (and, for kChunks, recorded). False: truncated, aborted or past a limit.
  bool is_complete = true;
};

// HTTP versions as records say them: 0 is HTTP/1.0, 1 is HTTP/1.1, 20 is HTTP/2.
constexpr std::uint8_t http_version_number(int major, int minor) {
  return static_cast<std::uint8_t>(major == 1 ? minor : major * 10 + minor);
}
std::string_view http_version_name(std::uint8_t number);  // "HTTP/1.1", "HTTP/2.0"

// Whose personal data a record holds, where there is a subject ([record] subject): the id of the
// key that its personal part lies encrypted under in the log. docs/decisions/0025-erasure.md.
struct OfSubject {
  std::string_view key;    // "" for nobody, else 16 bytes
  bool is_erased = false;  // that key is gone, or not at hand: the personal members are empty
};

// Opens an exchange. Appended when the head (and the body, where it is inline) was read, before
// anything is forwarded. `fields` are those sent to the primary, forwarding fields included,
// secrets replaced by tokens; a copy is made of them and of what `sealed` holds.
struct RequestRecord {
  ExchangeId exchange;
  Instant started;  // the head's last byte arrived
  std::string_view route;
  std::uint64_t routing_epoch = 0;
  System primary = System::kLegacy;
  std::string_view decision;  // why this system, for people: "share 25.00 of session"
  std::string_view session;   // keyed token; "" for none
  MirrorDecision mirror = MirrorDecision::kOff;
  SkipReason skip = SkipReason::kNone;  // where mirror is kSkipped
  bool is_write = false;                // by method or treat_as
  Durability durability = Durability::kInterval;
  std::string_view method;
  std::string_view target;
  std::uint8_t http_version = 1;  // see http_version_number()
  http::HeaderList fields;
  Body body;
  std::string_view sealed;  // see Redactor; for the sender alone
  OfSubject of;
};

enum class Side : std::uint8_t { kRequest = 0, kPrimary = 1, kShadow = 2 };

// A piece of a body over the inline limit, in order, `sequence` from 0. The one with is_last closes
// the body of a request: length, digest and is_complete are then valid. Bodies of answers are
// closed by their RESPONSE or SHADOW instead, which follows its chunks.
struct ChunkRecord {
  ExchangeId exchange;
  RunId run;  // of a SHADOW's chunks
  Side side = Side::kRequest;
  std::uint32_t sequence = 0;
  std::string_view bytes;
  bool is_last = false;
  bool is_complete = false;
  std::uint64_t length = 0;
  Digest128 digest;
  http::HeaderList trailers;
  OfSubject of;
};

// The part RESPONSE and SHADOW share. status 0: no answer.
struct Answer {
  System system = System::kLegacy;
  std::uint16_t status = 0;
  std::uint8_t http_version = 1;  // see http_version_number()
  http::HeaderList fields;        // end-to-end ones, secrets replaced by tokens
  http::HeaderList trailers;
  Body body;
  Instant first_byte;
  Instant ended;
};

// Closes an exchange that a system answered.
struct ResponseRecord {
  ExchangeId exchange;
  std::string_view route;
  Instant started;  // of the exchange, as in REQUEST
  bool is_write = false;
  Answer answer;
  Delivery delivery = Delivery::kWhole;
  OfSubject of;
};

// Closes an exchange that no system answered.
struct OutcomeRecord {
  ExchangeId exchange;
  std::string_view route;
  Instant ended;
  OutcomeKind kind = OutcomeKind::kBanyan;
  std::uint16_t status = 0;  // what the client got from us, 0 for none
  Forwarded forwarded = Forwarded::kNothing;
  std::string_view cause;  // stable: "connect_failed", "first_byte_timeout", "client_closed" …
};

// The copy's end.
struct ShadowRecord {
  ExchangeId exchange;
  RunId run;
  std::string_view route;
  bool is_write = false;
  Instant sent;
  Answer answer;  // status 0: no_answer, bytes were sent and no whole answer came
  // Of no_answer; or "dropped_secret": the copy went without what a rule keeps from being sent.
  std::string_view cause;
  std::string_view idempotency_key;  // what a write carried
  OfSubject of;
};

// An exchange that was selected and will not be copied (of run 0), or not replayed (of another
// run).
struct SkipRecord {
  ExchangeId exchange;
  RunId run;
  std::string_view route;
  Instant at;
  SkipReason reason = SkipReason::kNone;
};

struct Difference {
  std::string path;  // template path: body:$.items[].price
  std::string at;    // concrete: body:$.items[3].price
  DifferenceKind kind = DifferenceKind::kValue;
  std::string legacy;      // shown value, bounded, "" where absent
  std::string candidate;   // likewise
  std::string rule;        // the rule that tolerates it, "" where none does
  std::string transition;  // class of change: "number→string", "200→404", "" where none applies
};

// A write on the same thing, or of the same session, that was under way, or done on one side only,
// while the two answers of an exchange were given (docs/noise.md).
struct Race {
  ExchangeId write;           // null: there was none
  std::int64_t after_ns = 0;  // from the client's answer to its beginning; below 0: it began before
  bool is_there() const { return !write.is_null(); }
};

struct VerdictRecord {
  ExchangeId exchange;
  RunId run;
  std::string_view route;
  Instant at;
  // Where the REQUEST lies, so that who reads VERDICTs alone finds the exchange; "" where it is
  // lost.
  std::string_view request_stream;
  Offset request_offset;
  std::string_view endpoint;  // "GET /stock/{}"
  std::uint32_t generation = 1;
  std::uint64_t rules_version = 0;
  Verdict verdict = Verdict::kEqual;
  // The verdict of the generation before, which this one replaces; has_previous false for the
  // first.
  bool has_previous = false;
  Verdict previous = Verdict::kEqual;
  std::uint16_t legacy_status = 0;
  std::uint16_t candidate_status = 0;
  // Which parameters the query of the request names, as a hash; 0: none, or unknown.
  std::uint32_t request_shape = 0;
  Race race;                             // of a live comparison of a safe request
  std::int64_t legacy_duration_ns = -1;  // head sent to last byte; -1 unknown
  std::int64_t candidate_duration_ns = -1;
  std::string_view
      reason;  // of incomparable: "truncated", "gap", "key_rotated", "no_usable_answer"
  std::vector<Difference> differences;
  OfSubject of;
};

struct Dials {
  // Hundredths of a percent: 0 to 10000.
  std::uint32_t candidate_share = 0;
  std::uint32_t mirror_share = 10000;
  bool mirror_writes = false;
  bool operator==(const Dials&) const = default;
};

// A change of routing: who, when, why, before, after.
struct RouteRecord {
  Instant at;
  std::string_view route;
  std::uint64_t routing_epoch = 0;  // after the change
  std::string_view action;          // "start" "set" "rollback" "reset"
  std::string_view by;
  std::string_view reason;
  Dials before;
  Dials after;
};

// What is missing from the log, and why.
struct GapRecord {
  Instant first;
  Instant last;
  std::uint64_t records_lost = 0;
  std::string_view cause;  // "queue_full" "write_failed" "unclean_stop" "damaged"
  // The exchanges it names (bounded), each with a bit per lost Side (1 << side).
  struct Part {
    ExchangeId exchange;
    std::uint8_t sides = 0;
  };
  std::vector<Part> parts;
};

// First record of every segment.
struct CheckpointRecord {
  Instant at;
  Epoch epoch;
  std::uint64_t routing_epoch = 0;
  std::uint64_t rules_version = 0;
  std::string_view version;  // of Banyan
};

using AnyRecord =
    std::variant<RequestRecord, ResponseRecord, OutcomeRecord, ShadowRecord, SkipRecord,
                 VerdictRecord, ChunkRecord, RouteRecord, GapRecord, CheckpointRecord>;

// Of a type that can be nobody's: nobody's.
inline OfSubject subject_of(const AnyRecord& record) {
  return std::visit(
      [](const auto& held) {
        if constexpr (requires { held.of; }) {
          return held.of;
        } else {
          return OfSubject();
        }
      },
      record);
}

}  // namespace banyan::model
