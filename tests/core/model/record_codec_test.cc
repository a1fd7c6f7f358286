// SPDX-License-Identifier: Apache-2.0
#include "core/model/record_codec.h"

#include <gtest/gtest.h>

#include <random>
#include <type_traits>

#include "core/base/text.h"
#include "core/model/answer_bytes.h"

namespace banyan::model {
namespace {

const ExchangeId kEncoded = ExchangeId::make(3, Epoch{2}, 1, 9);

Body inline_body(std::string_view bytes) {
  Body body;
  body.kind = Body::Kind::kInline;
  body.bytes = bytes;
  body.length = bytes.size();
  body.digest = {1, 2};
  return body;
}

Answer answer() {
  Answer result;
  result.system = System::kCandidate;
  result.status = 404;
  result.http_version = 0;
  result.fields = {{"A", "b"}, {"", ""}};
  result.trailers = {{"T", "u"}};
  result.body = inline_body("hello");
  result.first_byte = {-1, 2};
  result.ended = {3, 4};
  return result;
}

std::vector<AnyRecord> samples() {
  std::vector<AnyRecord> records;
  RequestRecord request;
  request.exchange = kEncoded;
  request.started = {1'700'000'000'000'000'000, 5};
  request.route = "orders";
  request.routing_epoch = 300;
  request.primary = System::kCandidate;
  request.decision = "share 25.00 of session";
  request.session = "00112233";
  request.mirror = MirrorDecision::kSkipped;
  request.skip = SkipReason::kUpgrade;
  request.is_write = true;
  request.durability = Durability::kRequest;
  request.method = "POST";
  request.target = "/orders?x=1";
  request.fields = {{"Host", "shop"}, {"Accept", "*/*"}};
  request.body = inline_body(std::string_view("a\0b", 3));
  request.body.is_redacted = true;
  request.sealed = "sealed";
  records.emplace_back(request);
  ResponseRecord response;
  response.exchange = kEncoded;
  response.route = "orders";
  response.started = {1, 2};
  response.is_write = true;
  response.answer = answer();
  response.delivery = Delivery::kClientLeft;
  records.emplace_back(response);
  records.emplace_back(OutcomeRecord{
      kEncoded, "r", {1, 2}, OutcomeKind::kUnknown, 503, Forwarded::kPart, "connect_failed"});
  ShadowRecord shadow;
  shadow.exchange = kEncoded;
  shadow.run = RunId{12};
  shadow.route = "orders";
  shadow.answer = answer();
  shadow.answer.body.kind = Body::Kind::kChunks;
  shadow.answer.body.bytes = {};
  shadow.answer.body.is_complete = false;
  shadow.cause = "first_byte_timeout";
  shadow.idempotency_key = "key";
  records.emplace_back(shadow);
  records.emplace_back(SkipRecord{kEncoded, RunId{0}, "r", {5, 6}, SkipReason::kRetention});
  VerdictRecord verdict;
  verdict.exchange = kEncoded;
  verdict.endpoint = "GET /stock/{}";
  verdict.generation = 2;
  verdict.rules_version = 1ULL << 63;
  verdict.verdict = Verdict::kDifferent;
  verdict.has_previous = true;
  verdict.previous = Verdict::kIncomparable;
  verdict.request_stream = "main";
  verdict.request_offset = Offset{77};
  verdict.legacy_status = 65535;
  verdict.request_shape = 0xffffffff;
  verdict.candidate_status = 65535;
  verdict.race = {ExchangeId{1, 2}, -5};
  verdict.reason = "gap";
  verdict.differences = {
      {"body:$.a[]", "body:$.a[3]", DifferenceKind::kStatus, "1", "2", "rule", "t"}, {}};
  records.emplace_back(verdict);
  ChunkRecord chunk;
  chunk.exchange = kEncoded;
  chunk.run = RunId{7};
  chunk.side = Side::kShadow;
  chunk.sequence = 4'000'000'000U;
  chunk.bytes = "bytes";
  records.emplace_back(chunk);
  chunk.is_last = true;
  chunk.is_complete = true;
  chunk.length = 10;
  chunk.digest = {3, 4};
  chunk.trailers = {{"a", "b"}};
  records.emplace_back(chunk);
  records.emplace_back(
      RouteRecord{{1, 2}, "r", 9, "rollback", "ada", "why", {1, 2, true}, {0, 10000, false}});
  GapRecord gap;
  gap.records_lost = 3;
  gap.cause = "queue_full";
  gap.parts = {{kEncoded, 5}, {kEncoded, 255}};
  records.emplace_back(gap);
  records.emplace_back(CheckpointRecord{{1, 2}, Epoch{3}, 4, 5, "0.1.0"});
  return records;
}

std::string bytes_of(const AnyRecord& record) {
  std::string bytes;
  encode(record, bytes);
  return bytes;
}

TEST(RecordCodecTest, DecodeIsTheInverseOfEncode) {
  for (const AnyRecord& record : samples()) {
    const std::string bytes = bytes_of(record);
    const auto decoded = decode(bytes);
    ASSERT_TRUE(decoded.ok()) << record.index() << decoded.error().message;
    EXPECT_EQ(decoded->index(), record.index());
    EXPECT_EQ(bytes_of(*decoded), bytes) << record.index();
  }
}

// The golden log of version 1 has VERDICTs from before there was one.
TEST(RecordCodecTest, AShapeTakesRoomOnlyWhereThereIsOneAndNeverHoldsZero) {
  VerdictRecord verdict;
  verdict.exchange = kEncoded;
  verdict.legacy_status = 200;
  const std::string plain = bytes_of(verdict);
  verdict.request_shape = 7;
  const std::string shaped = bytes_of(verdict);
  // One byte more for the status, one for the shape.
  EXPECT_EQ(shaped.size(), plain.size() + 2);
  const auto decoded = decode(shaped);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(std::get<VerdictRecord>(*decoded).request_shape, 7U);
  EXPECT_EQ(std::get<VerdictRecord>(*decoded).legacy_status, 200U);
  const std::string mark = "\xC8\x81\x04\x07";
  const std::size_t at = shaped.find(mark);
  ASSERT_NE(at, std::string::npos);
  std::string zero = shaped;
  zero[at + 3] = 0;
  EXPECT_FALSE(decode(zero).ok());
  std::string unknown = shaped;
  unknown[at + 2] = 0x08;
  EXPECT_FALSE(decode(unknown).ok());
}

// Calls `use(record)` for each sample that decode_as() and decode_head() know.
template <typename Use>
void for_each_with_a_head(const Use& use) {
  for (const AnyRecord& record : samples()) {
    if (const auto* request = std::get_if<RequestRecord>(&record)) use(*request);
    if (const auto* response = std::get_if<ResponseRecord>(&record)) use(*response);
    if (const auto* shadow = std::get_if<ShadowRecord>(&record)) use(*shadow);
    if (const auto* verdict = std::get_if<VerdictRecord>(&record)) use(*verdict);
  }
}

template <typename Record>
std::string encoded(const Record& record) {
  std::string bytes;
  encode(record, bytes);
  return bytes;
}

// A record that held another one before decodes as a new one does.
TEST(RecordCodecTest, DecodesIntoARecordThatWasUsedBefore) {
  for_each_with_a_head([](const auto& sample) {
    using Record = std::remove_cvref_t<decltype(sample)>;
    const std::string full = encoded(sample);
    const std::string empty = encoded(Record{});
    Record record;
    for (const std::string* bytes : {&full, &empty, &full, &empty}) {
      ASSERT_TRUE(decode_as(*bytes, record).ok());
      EXPECT_EQ(encoded(record), *bytes);
    }
    for (std::size_t size = 0; size < full.size(); ++size) {
      EXPECT_FALSE(decode_as(std::string_view(full).substr(0, size), record).ok()) << size;
    }
    EXPECT_FALSE(decode_as(full + "x", record).ok());
    EXPECT_FALSE(decode_as(bytes_of(AnyRecord(GapRecord{})), record).ok());
    EXPECT_FALSE(decode_head(bytes_of(AnyRecord(GapRecord{})), record).ok());
  });
}

void drop_rest(RequestRecord& record) {
  record.fields.clear();
  record.body = Body{};
  record.sealed = {};
}
void drop_rest(Answer& answer) {
  answer.fields.clear();
  answer.trailers.clear();
  answer.body = Body{};
}
void drop_rest(ResponseRecord& record) { drop_rest(record.answer); }
void drop_rest(ShadowRecord& record) {
  drop_rest(record.answer);
  record.cause = record.idempotency_key = {};
}
void drop_rest(VerdictRecord& record) { record.differences.clear(); }

TEST(RecordCodecTest, AHeadIsAllBeforeTheFirstList) {
  for_each_with_a_head([](const auto& sample) {
    auto wanted = sample;
    drop_rest(wanted);
    const std::string full = encoded(sample);
    auto record = sample;  // its lists are full, as after another record
    ASSERT_TRUE(decode_head(full, record).ok());
    EXPECT_EQ(encoded(record), encoded(wanted));
    // The head alone is enough, and not a byte less of it.
    std::size_t first = 0;
    while (!decode_head(std::string_view(full).substr(0, first), record).ok()) ++first;
    ASSERT_LT(first, full.size());
    EXPECT_EQ(encoded(record), encoded(wanted));
    EXPECT_TRUE(encoded(wanted).starts_with(std::string_view(full).substr(0, first)));
  });
}

struct TwoAnswers {
  ResponseRecord response;
  ShadowRecord shadow;
  TwoAnswers() {
    response.exchange = shadow.exchange = ExchangeId{1, 2};
    response.route = shadow.route = "shop";
    shadow.cause = "";
    shadow.idempotency_key = "key";
    for (Answer* answer : {&response.answer, &shadow.answer}) {
      answer->status = 200;
      answer->fields = {{"Content-Type", "text/plain"}, {"ETag", "\"1\""}};
      answer->trailers = {{"X-Sum", "7"}};
      answer->body.kind = Body::Kind::kInline;
      answer->body.bytes = "hello";
      answer->body.length = 5;
      answer->body.digest = Digest128{3, 4};
    }
  }
  bool are_same() const {
    const std::string first = encoded(response);
    const std::string second = encoded(shadow);
    ResponseRecord response_head;
    ShadowRecord shadow_head;
    std::string_view response_rest;
    std::string_view shadow_rest;
    EXPECT_TRUE(decode_head(first, response_head, response_rest).ok());
    EXPECT_TRUE(decode_head(second, shadow_head, shadow_rest).ok());
    EXPECT_EQ(shadow_head.answer.status, shadow.answer.status);
    return hold_same_answer(response_rest, shadow_rest);
  }
};

TEST(AnswerBytesTest, SameFieldsTrailersAndBodyAreTheSameAnswer) {
  TwoAnswers two;
  two.shadow.answer.first_byte.wall_ns = 77;  // of the head, which does not count
  EXPECT_TRUE(two.are_same());
  for (Answer* answer : {&two.response.answer, &two.shadow.answer}) answer->body = Body{};
  EXPECT_TRUE(two.are_same());
}

TEST(AnswerBytesTest, AnyDifferenceIsSeen) {
  const auto differs = [](auto change) {
    TwoAnswers two;
    change(two.shadow.answer);
    EXPECT_FALSE(two.are_same());
    TwoAnswers other;
    change(other.response.answer);
    EXPECT_FALSE(other.are_same());
  };
  differs([](Answer& answer) { answer.fields[0].value = "text/html"; });
  differs([](Answer& answer) { answer.fields[1].name = "etag"; });
  differs([](Answer& answer) { answer.fields.pop_back(); });
  differs([](Answer& answer) { answer.trailers.clear(); });
  differs([](Answer& answer) { answer.body.bytes = "hallo"; });
  differs([](Answer& answer) { answer.body.digest.low = 5; });
  differs([](Answer& answer) { answer.body.is_redacted = true; });
}

// These need a look at what is behind the bytes.
TEST(AnswerBytesTest, BodiesThatAreNotHereAreNotTheSame) {
  const auto are_same_with = [](auto change) {
    TwoAnswers two;
    change(two.response.answer.body);
    change(two.shadow.answer.body);
    return two.are_same();
  };
  EXPECT_FALSE(are_same_with([](Body& body) { body.is_complete = false; }));
  EXPECT_FALSE(are_same_with([](Body& body) { body.kind = Body::Kind::kChunks; }));
  EXPECT_FALSE(are_same_with([](Body& body) { body.kind = Body::Kind::kNotRecorded; }));
}

// The SHADOW's body stands in the RESPONSE.
void leave_body_to_response(TwoAnswers& two) {
  two.shadow.answer.body.kind = Body::Kind::kAsPrimary;
  two.shadow.answer.body.bytes = {};
}

TEST(AnswerBytesTest, ABodyThatIsThePrimarysIsTheSame) {
  TwoAnswers two;
  leave_body_to_response(two);
  EXPECT_TRUE(two.are_same());
  two.response.answer.body.kind = Body::Kind::kChunks;
  EXPECT_TRUE(two.are_same());
  two.response.answer.body.digest.low = 5;
  EXPECT_FALSE(two.are_same());
  TwoAnswers longer;
  leave_body_to_response(longer);
  longer.shadow.answer.body.length = 6;
  EXPECT_FALSE(longer.are_same());
  TwoAnswers cut;
  leave_body_to_response(cut);
  cut.response.answer.body.is_complete = false;
  EXPECT_FALSE(cut.are_same());
}

TEST(AnswerBytesTest, TheBodyIsTakenFromTheResponseItBelongsTo) {
  TwoAnswers two;
  leave_body_to_response(two);
  ShadowRecord shadow = two.shadow;
  take_body_of(two.response, shadow);
  EXPECT_EQ(shadow.answer.body.kind, Body::Kind::kInline);
  EXPECT_EQ(shadow.answer.body.bytes, "hello");
  // A log that was tampered with names a body that is not there.
  two.response.answer.body.digest.high = 9;
  shadow = two.shadow;
  take_body_of(two.response, shadow);
  EXPECT_EQ(shadow.answer.body.kind, Body::Kind::kAsPrimary);
  EXPECT_EQ(shadow.answer.body.bytes, "");
}

TEST(AnswerBytesTest, DamagedRestsAreNeverTheSame) {
  const TwoAnswers two;
  const std::string first = encoded(two.response);
  const std::string second = encoded(two.shadow);
  ResponseRecord response;
  ShadowRecord shadow;
  std::string_view response_rest;
  std::string_view shadow_rest;
  ASSERT_TRUE(decode_head(first, response, response_rest).ok());
  ASSERT_TRUE(decode_head(second, shadow, shadow_rest).ok());
  for (std::size_t size = 0; size < response_rest.size(); ++size) {
    EXPECT_FALSE(hold_same_answer(response_rest.substr(0, size), shadow_rest)) << size;
  }
  for (std::size_t size = 0; size < shadow_rest.size(); ++size) {
    EXPECT_FALSE(hold_same_answer(response_rest, shadow_rest.substr(0, size))) << size;
  }
  EXPECT_FALSE(hold_same_answer(response_rest, std::string(shadow_rest) + "x"));
}

// Also larger than what is gathered before it is appended, and every size around that.
TEST(RecordCodecTest, TextsOfEverySizeSurvive) {
  for (std::size_t size = 0; size < 4200; ++size) {
    if (size == 600) size = 4000;
    const std::string text(size, 'x');
    RequestRecord request;
    request.route = text;
    request.fields = {{"a", text}, {text, "b"}};
    request.routing_epoch = 1ULL << 63;
    const std::string bytes = encoded(request);
    RequestRecord record;
    ASSERT_TRUE(decode_as(bytes, record).ok()) << size;
    EXPECT_EQ(record.route, text);
    EXPECT_EQ(record.routing_epoch, 1ULL << 63);
    ASSERT_EQ(record.fields.size(), 2U);
    EXPECT_EQ(record.fields[1], (http::Header{text, "b"}));
  }
}

TEST(RecordCodecTest, KeepsTheFieldsOfARequest) {
  const std::string bytes = bytes_of(samples().front());
  const auto decoded = decode(bytes);
  ASSERT_TRUE(decoded.ok());
  const auto& request = std::get<RequestRecord>(*decoded);
  EXPECT_EQ(request.exchange, kEncoded);
  EXPECT_EQ(request.started.wall_ns, 1'700'000'000'000'000'000);
  EXPECT_EQ(request.skip, SkipReason::kUpgrade);
  EXPECT_EQ(request.fields[1].value, "*/*");
  EXPECT_EQ(request.body.bytes, std::string_view("a\0b", 3));
  EXPECT_TRUE(request.body.is_redacted);
  EXPECT_EQ(request.body.digest, (Digest128{1, 2}));
  EXPECT_EQ(request.sealed, "sealed");
}

TEST(RecordCodecTest, PeekFindsTypeExchangeAndSides) {
  const auto records = samples();
  const std::vector<RecordType> types = {
      RecordType::kRequest, RecordType::kResponse, RecordType::kOutcome,   RecordType::kShadow,
      RecordType::kSkip,    RecordType::kVerdict,  RecordType::kChunk,     RecordType::kChunk,
      RecordType::kRoute,   RecordType::kGap,      RecordType::kCheckpoint};
  const std::vector<int> sides = {1, 2, 2, 4, 4, 0, 4, 4, 0, 0, 0};
  for (std::size_t i = 0; i < records.size(); ++i) {
    const std::string bytes = bytes_of(records[i]);
    const auto found = peek(bytes);
    ASSERT_TRUE(found.ok());
    EXPECT_EQ(found->type, types[i]);
    EXPECT_EQ(found->sides, sides[i]) << i;
    EXPECT_EQ(found->exchange, types[i] <= RecordType::kChunk ? kEncoded : ExchangeId{}) << i;
  }
}

TEST(RecordCodecTest, WhatWasMeasuredIsWrittenAsEncodeDoes) {
  for (const AnyRecord& record : samples()) {
    std::visit(
        [](const auto& held) {
          std::string encoded, written = "before";
          encode(held, encoded);
          const Unwritten unwritten(held);
          EXPECT_GE(unwritten.bytes_max(), encoded.size());
          unwritten.append_to(written);
          EXPECT_EQ(written, "before" + encoded);
        },
        record);
  }
}

TEST(RecordCodecTest, ARaceTakesRoomOnlyWhereThereIsOneAndNamesAWrite) {
  VerdictRecord verdict;
  verdict.exchange = kEncoded;
  verdict.candidate_status = 200;
  const std::string plain = bytes_of(verdict);
  verdict.race = {ExchangeId{7, 8}, -5};
  const std::string raced = bytes_of(verdict);
  // One byte more for the status, 16 for the exchange and 8 for the time.
  EXPECT_EQ(raced.size(), plain.size() + 25);
  const auto decoded = decode(raced);
  ASSERT_TRUE(decoded.ok());
  const auto& read = std::get<VerdictRecord>(*decoded);
  EXPECT_EQ(read.candidate_status, 200U);
  EXPECT_EQ(read.race.write, (ExchangeId{7, 8}));
  EXPECT_EQ(read.race.after_ns, -5);
  const std::size_t at = raced.find("\xC8\x81\x04");
  ASSERT_NE(at, std::string::npos);
  std::string nobody = raced;
  std::fill_n(nobody.begin() + static_cast<std::ptrdiff_t>(at) + 3, 16, '\0');
  EXPECT_FALSE(decode(nobody).ok());
  std::string unknown = raced;
  unknown[at + 2] = 0x08;
  EXPECT_FALSE(decode(unknown).ok());
}

TEST(RecordCodecTest, AKindIsATypeOrASortOfRequest) {
  for (const AnyRecord& record : samples()) {
    const std::string bytes = bytes_of(record);
    const RecordType type = peek(bytes)->type;
    const RecordKinds kind = kind_of(type, bytes);
    for (int other = 1; other <= static_cast<int>(RecordType::kCheckpoint); ++other) {
      const auto one = static_cast<RecordType>(other);
      EXPECT_EQ(kind.meets(RecordKinds::of({one})), one == type) << other;
    }
    EXPECT_FALSE(kind.meets(RecordKinds::selected_requests()));  // None of the samples is.
    EXPECT_EQ(kind.meets(RecordKinds::uncopied_writes()), type == RecordType::kRequest);
    EXPECT_TRUE(kind.meets(RecordKinds::all()));
    EXPECT_FALSE(kind.meets({}));
  }
  auto request = std::get<RequestRecord>(samples().front());
  request.mirror = MirrorDecision::kSelected;
  const std::string bytes = bytes_of(request);
  const RecordKinds kind = kind_of(RecordType::kRequest, bytes);
  EXPECT_TRUE(kind.meets(RecordKinds::selected_requests()));
  EXPECT_TRUE(kind.meets(RecordKinds::of({RecordType::kRequest})));
  EXPECT_FALSE(kind.meets(RecordKinds::of({RecordType::kResponse, RecordType::kGap})));
  EXPECT_FALSE(kind.meets(RecordKinds::uncopied_writes()));
  request.mirror = MirrorDecision::kOff;
  request.is_write = false;
  const std::string read = bytes_of(request);
  EXPECT_TRUE(kind_of(RecordType::kRequest, read).meets(RecordKinds::of({RecordType::kRequest})));
  EXPECT_FALSE(kind_of(RecordType::kRequest, read).meets(RecordKinds::uncopied_writes()));
  // Where it cannot be told, nobody passes over it.
  const std::size_t decision = bytes.find(request.session) + request.session.size();
  for (std::size_t size = 2; size < bytes.size(); ++size) {
    const RecordKinds cut = kind_of(RecordType::kRequest, std::string_view(bytes).substr(0, size));
    EXPECT_EQ(cut, size > decision ? kind : RecordKinds::all()) << size;
  }
}

TEST(RecordCodecTest, RefusesEveryTruncationAndWhatFollows) {
  for (const AnyRecord& record : samples()) {
    const std::string bytes = bytes_of(record);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      const auto decoded = decode(std::string_view(bytes).substr(0, size));
      ASSERT_FALSE(decoded.ok()) << record.index() << " at " << size;
      EXPECT_EQ(decoded.error().code, ErrorCode::kDamaged);
    }
    EXPECT_FALSE(decode(bytes + "x").ok());
  }
}

TEST(RecordCodecTest, RefusesUnknownTypesVersionsAndValues) {
  std::string bytes = bytes_of(samples().front());
  std::string changed = bytes;
  changed[0] = 11;
  EXPECT_FALSE(decode(changed).ok());
  EXPECT_FALSE(peek(changed).ok());
  changed[0] = 0;
  EXPECT_FALSE(decode(changed).ok());
  changed = bytes;
  changed[1] = 2;
  EXPECT_FALSE(decode(changed).ok());
  std::string skip = bytes_of(AnyRecord(SkipRecord{kEncoded, RunId{}, "", {}, SkipReason::kStale}));
  skip.back() = 20;  // Between the skipped and the dropped reasons.
  EXPECT_FALSE(decode(skip).ok());
}

// A count that promises more than the bytes can hold must not make the decoder reserve memory.
TEST(RecordCodecTest, RefusesHostileCounts) {
  GapRecord gap;
  std::string bytes = bytes_of(AnyRecord(gap));
  bytes.pop_back();
  bytes += "\xff\xff\xff\xff\xff\xff\xff\xff\x7f";
  EXPECT_FALSE(decode(bytes).ok());
}

TEST(RecordCodecTest, SurvivesFlippedBytes) {
  const unsigned seed = 4711;
  std::mt19937 random(seed);
  for (const AnyRecord& record : samples()) {
    const std::string bytes = bytes_of(record);
    for (int round = 0; round < 500; ++round) {
      std::string changed = bytes;
      changed[random() % changed.size()] = static_cast<char>(random());
      const auto decoded = decode(changed);
      if (!decoded.ok()) continue;
      const std::string again = bytes_of(*decoded);
      const auto twice = decode(again);
      ASSERT_TRUE(twice.ok()) << "seed " << seed;
      EXPECT_EQ(bytes_of(*twice), again) << "seed " << seed;
    }
  }
}

TEST(RecordCodecTest, ANoteSaysWhatTheWholeRecordSays) {
  int noted = 0;
  for (const AnyRecord& record : samples()) {
    const std::string bytes = bytes_of(record);
    const RecordType type = peek(bytes)->type;
    RecordNote note;
    const auto* request = std::get_if<RequestRecord>(&record);
    const auto* response = std::get_if<ResponseRecord>(&record);
    EXPECT_EQ(note_of(type, bytes, note), request != nullptr || response != nullptr);
    if (request != nullptr) {
      EXPECT_EQ(note.started_wall_ns, request->started.wall_ns);
      EXPECT_EQ(note.session, request->session);
      EXPECT_FALSE(note.session.empty());
    } else if (response != nullptr) {
      EXPECT_EQ(note.started_wall_ns, response->started.wall_ns);
      EXPECT_EQ(note.lasted_ns, response->answer.ended.mono_ns - response->started.mono_ns);
      EXPECT_NE(note.lasted_ns, 0);
    } else {
      continue;
    }
    ++noted;
    std::size_t enough = 0;
    while (!note_of(type, std::string_view(bytes).substr(0, enough), note)) ++enough;
    for (std::size_t size = enough; size < bytes.size(); ++size) {
      EXPECT_TRUE(note_of(type, std::string_view(bytes).substr(0, size), note)) << size;
    }
  }
  EXPECT_GE(noted, 2);
}

// Times that no clock gave do not overflow.
TEST(RecordCodecTest, ANoteOfForgedTimesIsJustWrong) {
  ResponseRecord response;
  response.exchange = ExchangeId{1, 2};
  response.started.mono_ns = std::numeric_limits<std::int64_t>::min();
  response.answer.ended.mono_ns = std::numeric_limits<std::int64_t>::max();
  RecordNote note;
  EXPECT_TRUE(note_of(RecordType::kResponse, encoded(response), note));
}

}  // namespace
}  // namespace banyan::model
