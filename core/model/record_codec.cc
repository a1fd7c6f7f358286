// SPDX-License-Identifier: Apache-2.0
//
// One layout function per record type serves both directions, so that what is written and what is
// read cannot drift apart. docs/formats/log.md describes the same bytes for people.
#include "core/model/record_codec.h"

#include <concepts>
#include <cstring>
#include <type_traits>

#include "core/base/bytes.h"
#include "core/base/check.h"
#include "core/model/answer_bytes.h"
#include "core/model/record_archive.h"
#include "core/model/record_frame.h"

namespace banyan::model {
namespace {

template <typename Archive, typename T>
void layout_exchange(Archive& a, T& id) {
  a.fixed64(id.high);
  a.fixed64(id.low);
}

template <typename Archive, typename T>
void layout_instant(Archive& a, T& instant) {
  a.time(instant.wall_ns);
  a.time(instant.mono_ns);
}

template <typename Archive, typename T>
void layout_fields(Archive& a, T& fields) {
  a.list(fields, [](Archive& inner, auto& field) {
    inner.text(field.name);
    inner.text(field.value);
  });
}

template <typename Archive, typename T>
void layout_digest(Archive& a, T& digest) {
  a.fixed64(digest.high);
  a.fixed64(digest.low);
}

template <typename Archive, typename T>
void layout_body(Archive& a, T& body) {
  a.choice(body.kind, Body::Kind::kAsPrimary);
  a.flag(body.is_redacted);
  a.flag(body.is_complete);
  if (body.kind == Body::Kind::kNone) return;
  a.number(body.length);
  layout_digest(a, body.digest);
  if (body.kind == Body::Kind::kInline) a.text(body.bytes);
}

template <typename Archive, typename T>
void layout_answer_head(Archive& a, T& answer) {
  a.choice(answer.system, System::kCandidate);
  a.number(answer.status);
  a.number(answer.http_version);
  layout_instant(a, answer.first_byte);
  layout_instant(a, answer.ended);
}

template <typename Archive, typename T>
void layout_answer_rest(Archive& a, T& answer) {
  layout_fields(a, answer.fields);
  layout_fields(a, answer.trailers);
  layout_body(a, answer.body);
}

template <typename Archive, typename T>
void layout_dials(Archive& a, T& dials) {
  a.number(dials.candidate_share);
  a.number(dials.mirror_share);
  a.flag(dials.mirror_writes);
}

template <typename T, typename Record>
concept Is = std::same_as<std::remove_const_t<T>, Record>;

// The records that are read most have a head: all before their first list (see decode_head()).
template <typename Archive, Is<RequestRecord> T>
void layout_head(Archive& a, T& r) {
  layout_exchange(a, r.exchange);
  layout_instant(a, r.started);
  a.text(r.route);
  a.number(r.routing_epoch);
  a.choice(r.primary, System::kCandidate);
  a.text(r.decision);
  a.text(r.session);
  a.choice(r.mirror, MirrorDecision::kSkipped);
  a.reason(r.skip);
  a.flag(r.is_write);
  a.choice(r.durability, Durability::kRequest);
  a.text(r.method);
  a.text(r.target);
  a.number(r.http_version);
}

template <typename Archive, Is<RequestRecord> T>
void layout(Archive& a, T& r) {
  layout_head(a, r);
  layout_fields(a, r.fields);
  layout_body(a, r.body);
  a.text(r.sealed);
}

template <typename Archive, Is<ResponseRecord> T>
void layout_head(Archive& a, T& r) {
  layout_exchange(a, r.exchange);
  layout_instant(a, r.started);
  a.text(r.route);
  a.flag(r.is_write);
  a.choice(r.delivery, Delivery::kClientLeft);
  layout_answer_head(a, r.answer);
}

template <typename Archive, Is<ResponseRecord> T>
void layout(Archive& a, T& r) {
  layout_head(a, r);
  layout_answer_rest(a, r.answer);
}

template <typename Archive, Is<OutcomeRecord> T>
void layout(Archive& a, T& r) {
  layout_exchange(a, r.exchange);
  layout_instant(a, r.ended);
  a.text(r.route);
  a.choice(r.kind, OutcomeKind::kUnknown);
  a.number(r.status);
  a.choice(r.forwarded, Forwarded::kWhole);
  a.text(r.cause);
}

template <typename Archive, Is<ShadowRecord> T>
void layout_head(Archive& a, T& r) {
  layout_exchange(a, r.exchange);
  a.number(r.run.value);
  layout_instant(a, r.sent);
  a.text(r.route);
  a.flag(r.is_write);
  layout_answer_head(a, r.answer);
}

template <typename Archive, Is<ShadowRecord> T>
void layout(Archive& a, T& r) {
  layout_head(a, r);
  layout_answer_rest(a, r.answer);
  a.text(r.cause);
  a.text(r.idempotency_key);
}

template <typename Archive, Is<SkipRecord> T>
void layout(Archive& a, T& r) {
  layout_exchange(a, r.exchange);
  a.number(r.run.value);
  layout_instant(a, r.at);
  a.text(r.route);
  a.reason(r.reason);
}

// The candidate's status; bit 16 of it says that the race follows.
template <typename Archive, Is<VerdictRecord> T>
void layout_race(Archive& a, T& r) {
  constexpr std::uint64_t kFollows = 1ULL << 16;
  if constexpr (std::same_as<Archive, Unpacker>) {
    std::uint64_t read = 0;
    a.number(read);
    r.candidate_status = static_cast<std::uint16_t>(read);
    r.race = Race{};
    if (read < kFollows) return;
    layout_exchange(a, r.race.write);
    a.time(r.race.after_ns);
    if (read >= 2 * kFollows || !r.race.is_there()) a.reject();
  } else {
    const bool follows = r.race.is_there();
    a.number(r.candidate_status | (follows ? kFollows : 0));
    if (!follows) return;
    layout_exchange(a, r.race.write);
    a.time(r.race.after_ns);
  }
}

template <typename Archive, Is<VerdictRecord> T>
void layout_head(Archive& a, T& r) {
  layout_exchange(a, r.exchange);
  a.number(r.run.value);
  layout_instant(a, r.at);
  a.text(r.route);
  a.text(r.request_stream);
  a.number(r.request_offset.value);
  a.text(r.endpoint);
  a.number(r.generation);
  a.number(r.rules_version);
  a.choice(r.verdict, Verdict::kIncomparable);
  a.flag(r.has_previous);
  a.choice(r.previous, Verdict::kIncomparable);
  layout_with_later(a, r.legacy_status, r.request_shape);
  layout_race(a, r);
  a.time(r.legacy_duration_ns);
  a.time(r.candidate_duration_ns);
  a.text(r.reason);
}

template <typename Archive, Is<VerdictRecord> T>
void layout(Archive& a, T& r) {
  layout_head(a, r);
  a.list(r.differences, [](Archive& inner, auto& difference) {
    inner.text(difference.path);
    inner.text(difference.at);
    inner.choice(difference.kind, DifferenceKind::kStatus);
    inner.text(difference.legacy);
    inner.text(difference.candidate);
    inner.text(difference.rule);
    inner.text(difference.transition);
  });
}

// `side` stands right behind the exchange, so that peek() finds it.
template <typename Archive, Is<ChunkRecord> T>
void layout(Archive& a, T& r) {
  layout_exchange(a, r.exchange);
  a.choice(r.side, Side::kShadow);
  a.number(r.run.value);
  a.number(r.sequence);
  a.text(r.bytes);
  a.flag(r.is_last);
  if (!r.is_last) return;
  a.flag(r.is_complete);
  a.number(r.length);
  layout_digest(a, r.digest);
  layout_fields(a, r.trailers);
}

template <typename Archive, Is<RouteRecord> T>
void layout(Archive& a, T& r) {
  layout_instant(a, r.at);
  a.text(r.route);
  a.number(r.routing_epoch);
  a.text(r.action);
  a.text(r.by);
  a.text(r.reason);
  layout_dials(a, r.before);
  layout_dials(a, r.after);
}

template <typename Archive, Is<GapRecord> T>
void layout(Archive& a, T& r) {
  layout_instant(a, r.first);
  layout_instant(a, r.last);
  a.number(r.records_lost);
  a.text(r.cause);
  a.list(r.parts, [](Archive& inner, auto& part) {
    layout_exchange(inner, part.exchange);
    inner.number(part.sides);
  });
}

template <typename Archive, Is<CheckpointRecord> T>
void layout(Archive& a, T& r) {
  layout_instant(a, r.at);
  a.number(r.epoch.value);
  a.number(r.routing_epoch);
  a.number(r.rules_version);
  a.text(r.version);
}

template <typename Record>
constexpr RecordType kTypeOf{};
template <>
constexpr RecordType kTypeOf<RequestRecord> = RecordType::kRequest;
template <>
constexpr RecordType kTypeOf<ResponseRecord> = RecordType::kResponse;
template <>
constexpr RecordType kTypeOf<OutcomeRecord> = RecordType::kOutcome;
template <>
constexpr RecordType kTypeOf<ShadowRecord> = RecordType::kShadow;
template <>
constexpr RecordType kTypeOf<SkipRecord> = RecordType::kSkip;
template <>
constexpr RecordType kTypeOf<VerdictRecord> = RecordType::kVerdict;
template <>
constexpr RecordType kTypeOf<ChunkRecord> = RecordType::kChunk;
template <>
constexpr RecordType kTypeOf<RouteRecord> = RecordType::kRoute;
template <>
constexpr RecordType kTypeOf<GapRecord> = RecordType::kGap;
template <>
constexpr RecordType kTypeOf<CheckpointRecord> = RecordType::kCheckpoint;

template <typename Record>
concept MayHaveSubject = requires(Record record) {
  record.of;
};

template <typename Record>
void measure(Measurer& room, const Record& record) {
  room.flag(true);  // type
  room.flag(true);  // version
  layout(room, record);
  if constexpr (MayHaveSubject<Record>) {
    if (!record.of.key.empty()) room.text(record.of.key);
  }
}

template <typename Record>
void pack(const Measurer& room, const Record& record, std::string& out) {
  Packer packer(out, room);
  packer.byte(static_cast<std::uint8_t>(kTypeOf<Record>));
  if constexpr (MayHaveSubject<Record>) {
    if (!record.of.key.empty()) {
      CHECK(record.of.key.size() == kSubjectBytes);
      packer.byte(kOpenVersion);
      layout(packer, record);
      for (const char byte : record.of.key) packer.byte(static_cast<std::uint8_t>(byte));
      return;
    }
  }
  packer.byte(kPlainVersion);
  layout(packer, record);
}

template <typename Record>
void pack(const Record& record, std::string& out) {
  Measurer room;
  measure(room, record);
  pack(room, record, out);
}

Error damaged(std::string message) {
  return make_error(ErrorCode::kDamaged, ErrorOrigin::kDisk, std::move(message));
}

Error malformed() { return damaged("a record of the log does not have its type's form"); }

// What of the frame the record says itself.
template <typename Record>
void note_subject(const RecordFrame& frame, Record& record) {
  if constexpr (MayHaveSubject<Record>) record.of = OfSubject{frame.subject, frame.is_sealed};
}

template <typename Record>
Result<AnyRecord> unpack(const RecordFrame& frame) {
  Record record;
  Unpacker unpacker(frame.payload);
  layout(unpacker, record);
  if (!unpacker.is_done()) return malformed();
  note_subject(frame, record);
  return AnyRecord(std::move(record));
}

bool has_exchange(RecordType type) { return type <= RecordType::kChunk; }

std::uint8_t sides_of(RecordType type, std::uint8_t chunk_side) {
  const auto bit = [](Side side) {
    return static_cast<std::uint8_t>(1U << static_cast<unsigned>(side));
  };
  switch (type) {
    case RecordType::kRequest: return bit(Side::kRequest);
    case RecordType::kResponse:
    case RecordType::kOutcome: return bit(Side::kPrimary);
    case RecordType::kShadow:
    case RecordType::kSkip: return bit(Side::kShadow);
    case RecordType::kChunk:
      return chunk_side <= static_cast<std::uint8_t>(Side::kShadow) ? bit(Side{chunk_side}) : 0;
    default: return 0;
  }
}

// The type of a record whose first two bytes are right.
Result<RecordType> type_of(std::string_view bytes) {
  if (bytes.size() < 2) return damaged("a record of the log is shorter than its type");
  const auto number = static_cast<std::uint8_t>(bytes[0]);
  const auto version = static_cast<std::uint8_t>(bytes[1]);
  if (number < static_cast<std::uint8_t>(RecordType::kRequest) ||
      number > static_cast<std::uint8_t>(RecordType::kCheckpoint)) {
    return damaged("the log holds a record of unknown type " + std::to_string(number) +
                   "; a newer Banyan may have written it");
  }
  const auto type = static_cast<RecordType>(number);
  const bool is_known =
      version == kPlainVersion ||
      ((version == kSealedVersion || version == kOpenVersion) && may_have_subject(type));
  if (!is_known) {
    return damaged("the log holds a " + std::string(to_string(type)) + " of version " +
                   std::to_string(version) + "; a newer Banyan may have written it");
  }
  return type;
}

template <typename Record>
Status expect(std::string_view bytes, RecordFrame& frame) {
  constexpr char kExpected[] = {static_cast<char>(kTypeOf<Record>), kPlainVersion};
  if (bytes.size() >= 2 && std::memcmp(bytes.data(), kExpected, sizeof kExpected) == 0) {
    frame.payload = bytes.substr(2);
    return {};
  }
  const auto type = type_of(bytes);
  if (!type.ok()) return type.error();
  if (*type == kTypeOf<Record>) return unframe(bytes, frame) ? Status() : malformed();
  return damaged("a record of the log is a " + std::string(to_string(*type)) + " and not a " +
                 std::string(to_string(kTypeOf<Record>)));
}

void reset(Answer& answer) {
  answer.fields.clear();
  answer.trailers.clear();
  answer.body = Body{};
}

// What reading a head leaves as it is; the lists keep their room.
template <typename Record>
void reset_rest(Record& record) {
  if constexpr (std::same_as<Record, RequestRecord>) {
    record.fields.clear();
    record.body = Body{};
    record.sealed = {};
  } else if constexpr (std::same_as<Record, VerdictRecord>) {
    record.differences.clear();
  } else {
    reset(record.answer);
  }
  if constexpr (std::same_as<Record, ShadowRecord>) {
    record.cause = {};
    record.idempotency_key = {};
  }
}

}  // namespace

void encode(const RequestRecord& record, std::string& out) { pack(record, out); }
void encode(const ResponseRecord& record, std::string& out) { pack(record, out); }
void encode(const OutcomeRecord& record, std::string& out) { pack(record, out); }
void encode(const ShadowRecord& record, std::string& out) { pack(record, out); }
void encode(const SkipRecord& record, std::string& out) { pack(record, out); }
void encode(const VerdictRecord& record, std::string& out) { pack(record, out); }
void encode(const ChunkRecord& record, std::string& out) { pack(record, out); }
void encode(const RouteRecord& record, std::string& out) { pack(record, out); }
void encode(const GapRecord& record, std::string& out) { pack(record, out); }
void encode(const CheckpointRecord& record, std::string& out) { pack(record, out); }
void encode(const AnyRecord& record, std::string& out) {
  std::visit([&out](const auto& held) { encode(held, out); }, record);
}

template <typename Record>
Unwritten::Unwritten(const Record& record) : record_(&record), append_(&append<Record>) {
  if constexpr (MayHaveSubject<Record>) has_subject_ = !record.of.key.empty();
  Measurer room;
  measure(room, record);
  gathered_ = room.gathered();
  appended_ = room.appended();
}
template <typename Record>
void Unwritten::append(const Unwritten& self, std::string& out) {
  pack(Measurer(self.gathered_, self.appended_), *static_cast<const Record*>(self.record_), out);
}
std::size_t Unwritten::bytes_max() const { return gathered_ + appended_; }
template Unwritten::Unwritten(const RequestRecord&);
template Unwritten::Unwritten(const ResponseRecord&);
template Unwritten::Unwritten(const OutcomeRecord&);
template Unwritten::Unwritten(const ShadowRecord&);
template Unwritten::Unwritten(const SkipRecord&);
template Unwritten::Unwritten(const VerdictRecord&);
template Unwritten::Unwritten(const ChunkRecord&);
template Unwritten::Unwritten(const RouteRecord&);
template Unwritten::Unwritten(const GapRecord&);
template Unwritten::Unwritten(const CheckpointRecord&);

Result<AnyRecord> decode(std::string_view bytes) {
  const auto type = type_of(bytes);
  if (!type.ok()) return type.error();
  RecordFrame payload;
  if (!unframe(bytes, payload)) return malformed();
  switch (*type) {
    case RecordType::kRequest: return unpack<RequestRecord>(payload);
    case RecordType::kResponse: return unpack<ResponseRecord>(payload);
    case RecordType::kOutcome: return unpack<OutcomeRecord>(payload);
    case RecordType::kShadow: return unpack<ShadowRecord>(payload);
    case RecordType::kSkip: return unpack<SkipRecord>(payload);
    case RecordType::kVerdict: return unpack<VerdictRecord>(payload);
    case RecordType::kChunk: return unpack<ChunkRecord>(payload);
    case RecordType::kRoute: return unpack<RouteRecord>(payload);
    case RecordType::kGap: return unpack<GapRecord>(payload);
    case RecordType::kCheckpoint: return unpack<CheckpointRecord>(payload);
  }
  return damaged("a record of the log has no type");
}

template <typename Record>
Status decode_as(std::string_view bytes, Record& record) {
  RecordFrame frame;
  BANYAN_RETURN_IF_ERROR(expect<Record>(bytes, frame));
  reset_rest(record);
  Unpacker unpacker(frame.payload);
  layout(unpacker, record);
  note_subject(frame, record);
  return unpacker.is_done() ? Status() : malformed();
}
template Status decode_as(std::string_view, RequestRecord&);
template Status decode_as(std::string_view, ResponseRecord&);
template Status decode_as(std::string_view, ShadowRecord&);
template Status decode_as(std::string_view, VerdictRecord&);

namespace {

template <typename Record>
Status read_head(std::string_view bytes, Record& record, std::string_view& rest) {
  RecordFrame frame;
  BANYAN_RETURN_IF_ERROR(expect<Record>(bytes, frame));
  reset_rest(record);
  Unpacker unpacker(frame.payload);
  layout_head(unpacker, record);
  note_subject(frame, record);
  rest = unpacker.rest();
  return unpacker.is_ok() ? Status() : malformed();
}

void skip_fields(Unpacker& unpacker) {
  std::uint64_t count = 0;
  unpacker.number(count);
  for (std::uint64_t i = 0; i < count && unpacker.is_ok(); ++i) {
    unpacker.skip_text();
    unpacker.skip_text();
  }
}

}  // namespace

template <typename Record>
Status decode_head(std::string_view bytes, Record& record) {
  std::string_view rest;
  return read_head(bytes, record, rest);
}
template Status decode_head(std::string_view, RequestRecord&);
template Status decode_head(std::string_view, ResponseRecord&);
template Status decode_head(std::string_view, ShadowRecord&);
template Status decode_head(std::string_view, VerdictRecord&);

Status decode_head(std::string_view bytes, ResponseRecord& record, std::string_view& rest) {
  return read_head(bytes, record, rest);
}
Status decode_head(std::string_view bytes, ShadowRecord& record, std::string_view& rest) {
  return read_head(bytes, record, rest);
}

Result<Body> body_of_answer(std::string_view response_rest) {
  Unpacker answer(response_rest);  // A RESPONSE ends with it.
  skip_fields(answer);
  skip_fields(answer);
  Body body;
  layout_body(answer, body);
  if (!answer.is_done()) return malformed();
  return body;
}

bool hold_same_answer(std::string_view response_rest, std::string_view shadow_rest) {
  Unpacker answer(response_rest);
  skip_fields(answer);
  skip_fields(answer);
  const std::size_t fields_end = response_rest.size() - answer.rest().size();
  if (!shadow_rest.starts_with(response_rest.substr(0, fields_end))) return false;
  Body primary;
  layout_body(answer, primary);
  if (!answer.is_done()) return false;
  Unpacker behind(shadow_rest.substr(fields_end));
  Body copy;
  layout_body(behind, copy);
  behind.skip_text();  // cause
  behind.skip_text();  // idempotency key
  if (!behind.is_done() || !is_same_original(primary, copy)) return false;
  if (copy.kind == Body::Kind::kAsPrimary) return true;
  const bool is_here = copy.kind == Body::Kind::kNone || copy.kind == Body::Kind::kInline;
  return is_here && copy.kind == primary.kind && copy.is_redacted == primary.is_redacted &&
         copy.bytes == primary.bytes;
}

Result<RecordPeek> peek(std::string_view bytes) {
  constexpr std::size_t kTypeBytes = 2;
  constexpr std::size_t kExchangeEnd = kTypeBytes + 2 * sizeof(std::uint64_t);
  const auto type = type_of(bytes);
  if (!type.ok()) return type.error();
  RecordPeek found;
  found.type = *type;
  if (!has_exchange(*type)) return found;
  if (bytes.size() < kExchangeEnd)
    return damaged("a record of the log ends inside its exchange id");
  Unpacker unpacker(bytes.substr(kTypeBytes));
  layout_exchange(unpacker, found.exchange);
  const bool has_side = *type == RecordType::kChunk && bytes.size() > kExchangeEnd;
  found.sides = sides_of(*type, has_side ? static_cast<std::uint8_t>(bytes[kExchangeEnd]) : 0);
  return found;
}

}  // namespace banyan::model
