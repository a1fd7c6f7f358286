// SPDX-License-Identifier: Apache-2.0
#include "core/model/subject_seal.h"

#include <gtest/gtest.h>

#include <variant>
#include <vector>

#include "core/crypto/aes_gcm.h"
#include "core/model/record_codec.h"
#include "core/model/record_frame.h"

namespace banyan::model {
namespace {

const std::string kSubject(kSubjectBytes, 's');
const std::string kKey(crypto::kKeyBytes, 'k');
const ExchangeId kErasable = ExchangeId::make(3, Epoch{2}, 1, 9);
constexpr std::string_view kSecret = "planted";

Body planted_body() {
  Body body;
  body.kind = Body::Kind::kInline;
  body.bytes = kSecret;
  body.length = kSecret.size();
  body.digest = {1, 2};
  return body;
}

// One of each type, with what is personal planted everywhere.
std::vector<AnyRecord> planted_samples() {
  RequestRecord request;
  request.exchange = kErasable;
  request.route = "orders";
  request.decision = request.session = request.target = request.sealed = kSecret;
  request.mirror = MirrorDecision::kSelected;
  request.method = "POST";
  request.is_write = true;
  request.fields = {{"X-Planted", kSecret}, {kSecret, ""}};
  request.body = planted_body();
  request.of.key = kSubject;
  ResponseRecord response;
  response.exchange = kErasable;
  response.route = "orders";
  response.answer.status = 201;
  response.answer.fields = response.answer.trailers = {{"A", kSecret}};
  response.answer.body = planted_body();
  response.of.key = kSubject;
  ShadowRecord shadow;
  shadow.exchange = kErasable;
  shadow.route = "orders";
  shadow.answer = response.answer;
  shadow.answer.body.kind = Body::Kind::kAsPrimary;
  shadow.answer.body.bytes = {};
  shadow.cause = "deadline";
  shadow.idempotency_key = kSecret;
  shadow.of.key = kSubject;
  ChunkRecord chunk;
  chunk.exchange = kErasable;
  chunk.bytes = kSecret;
  chunk.is_last = true;
  chunk.length = 7;
  chunk.trailers = {{"T", kSecret}};
  chunk.of.key = kSubject;
  VerdictRecord verdict;
  verdict.exchange = kErasable;
  verdict.route = "orders";
  verdict.endpoint = kSecret;
  verdict.verdict = Verdict::kDifferent;
  Difference difference;
  difference.path = "body:$.total";
  difference.at = difference.legacy = difference.candidate = std::string(kSecret);
  difference.kind = DifferenceKind::kValue;
  verdict.differences = {difference, Difference()};
  verdict.of.key = kSubject;
  return {request, response, shadow, chunk, verdict};
}

std::string encoded(const AnyRecord& record) {
  std::string bytes;
  encode(record, bytes);
  return bytes;
}

OfSubject of(const AnyRecord& record) {
  return std::visit(
      [](const auto& held) {
        if constexpr (requires { held.of; }) return held.of;
        return OfSubject();
      },
      record);
}

TEST(SubjectSealTest, WhatIsSealedHoldsNothingPersonalAndOpensToTheSame) {
  for (const AnyRecord& record : planted_samples()) {
    const std::string open = encoded(record);
    EXPECT_EQ(open[1], kOpenVersion);
    EXPECT_EQ(subject_of_open(open), kSubject);
    std::string sealed, opened;
    ASSERT_TRUE(seal_record(open, kKey, sealed).ok());
    EXPECT_EQ(sealed[1], kSealedVersion);
    EXPECT_EQ(subject_of_sealed(sealed), kSubject);
    EXPECT_EQ(sealed.find(kSecret), std::string::npos) << record.index();
    EXPECT_EQ(peek(sealed)->exchange, kErasable);
    EXPECT_EQ(peek(sealed)->sides, peek(open)->sides);
    EXPECT_EQ(kind_of(peek(sealed)->type, sealed), kind_of(peek(open)->type, open));
    ASSERT_TRUE(open_record(sealed, kKey, opened).ok());
    EXPECT_EQ(opened, open);
    EXPECT_FALSE(of(*decode(opened)).is_erased);
  }
}

TEST(SubjectSealTest, WithoutTheKeyTheAccountablePartIsLeft) {
  for (const AnyRecord& record : planted_samples()) {
    std::string sealed;
    ASSERT_TRUE(seal_record(encoded(record), kKey, sealed).ok());
    const auto left = decode(sealed);
    ASSERT_TRUE(left.ok()) << left.error().message;
    EXPECT_TRUE(of(*left).is_erased);
    EXPECT_EQ(of(*left).key, kSubject);
    if (const auto* request = std::get_if<RequestRecord>(&*left)) {
      EXPECT_EQ(request->route, "orders");
      EXPECT_EQ(request->method, "POST");
      EXPECT_EQ(request->mirror, MirrorDecision::kSelected);
      EXPECT_EQ(request->body.length, 7U);
      EXPECT_EQ(request->body.kind, Body::Kind::kNotRecorded);
      EXPECT_TRUE(request->fields.empty());
    } else if (const auto* verdict = std::get_if<VerdictRecord>(&*left)) {
      EXPECT_EQ(verdict->verdict, Verdict::kDifferent);
      EXPECT_EQ(verdict->differences[0].path, "body:$.total");
      EXPECT_EQ(verdict->differences[0].legacy, "");
    } else if (const auto* shadow = std::get_if<ShadowRecord>(&*left)) {
      EXPECT_EQ(shadow->cause, "deadline");
      EXPECT_EQ(shadow->answer.status, 201);
    }
    RequestRecord typed, head;
    if (std::holds_alternative<RequestRecord>(*left)) {
      EXPECT_TRUE(decode_as(sealed, typed).ok() && typed.of.is_erased);
      EXPECT_TRUE(decode_head(sealed, head).ok() && head.of.is_erased && head.target.empty());
    }
  }
}

TEST(SubjectSealTest, WithoutAnyKeyThePersonalPartIsLeftOut) {
  for (const AnyRecord& record : planted_samples()) {
    std::string sealed, opened;
    ASSERT_TRUE(seal_record(encoded(record), "", sealed).ok());
    EXPECT_EQ(sealed.find(kSecret), std::string::npos);
    EXPECT_TRUE(of(*decode(sealed)).is_erased);
    EXPECT_FALSE(open_record(sealed, kKey, opened).ok());
  }
}

TEST(SubjectSealTest, EveryChangedBitIsNoticed) {
  std::string sealed, opened;
  ASSERT_TRUE(seal_record(encoded(planted_samples()[0]), kKey, sealed).ok());
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    std::string changed = sealed;
    changed[i] = static_cast<char>(changed[i] ^ 4);
    EXPECT_FALSE(open_record(changed, kKey, opened).ok()) << i;
  }
  for (std::size_t size = 0; size < sealed.size(); ++size) {
    EXPECT_FALSE(open_record(sealed.substr(0, size), kKey, opened).ok()) << size;
  }
  EXPECT_FALSE(open_record(sealed, std::string(32, 'x'), opened).ok());
}

TEST(SubjectSealTest, TypesWithoutASubjectHaveNoOtherVersion) {
  std::string bytes, out;
  encode(OutcomeRecord(), bytes);
  bytes[1] = kSealedVersion;
  EXPECT_FALSE(decode(bytes).ok());
  EXPECT_FALSE(open_record(bytes, kKey, out).ok());
  bytes[1] = kOpenVersion;
  EXPECT_FALSE(seal_record(bytes, kKey, out).ok());
  std::string plain;
  RequestRecord nobody;
  encode(nobody, plain);
  EXPECT_EQ(plain[1], kPlainVersion);
  EXPECT_FALSE(seal_record(plain, kKey, out).ok());
}

}  // namespace
}  // namespace banyan::model
