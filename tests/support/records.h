// SPDX-License-Identifier: Apache-2.0
//
// Short ways to write records in tests. Texts must outlive the record (string literals do).
#pragma once

#include <cstdint>
#include <string_view>

#include "core/base/hash.h"
#include "core/base/ids.h"
#include "core/model/record.h"

namespace banyan::support {

inline ExchangeId exchange_id(std::uint64_t counter, std::uint64_t epoch = 1) {
  return ExchangeId::make(1, Epoch{epoch}, 1, counter);
}

inline model::RequestRecord request(ExchangeId exchange, std::string_view route = "orders",
                                    MirrorDecision mirror = MirrorDecision::kSelected,
                                    SkipReason skip = SkipReason::kNone) {
  model::RequestRecord record;
  record.exchange = exchange;
  record.route = route;
  record.mirror = mirror;
  record.skip = skip;
  record.method = "GET";
  record.target = "/orders/17";
  record.started = Instant{1'700'000'000'000'000'000, 1'000'000'000};
  return record;
}

inline model::Body inline_body(std::string_view bytes) {
  model::Body body;
  body.kind = model::Body::Kind::kInline;
  body.bytes = bytes;
  body.length = bytes.size();
  body.digest = xxh3_128(bytes, 7);
  return body;
}

inline model::Answer answer(System system, std::uint16_t status, std::string_view body) {
  model::Answer answer;
  answer.system = system;
  answer.status = status;
  answer.fields = {{"Content-Type", "application/json"}};
  answer.body = inline_body(body);
  answer.first_byte = Instant{1'700'000'000'010'000'000, 1'010'000'000};
  answer.ended = Instant{1'700'000'000'020'000'000, 1'020'000'000};
  return answer;
}

inline model::ResponseRecord response(ExchangeId exchange, std::string_view route = "orders",
                                      Delivery delivery = Delivery::kWhole,
                                      System system = System::kLegacy,
                                      std::string_view body = "{\"a\":1}",
                                      std::uint16_t status = 200) {
  model::ResponseRecord record;
  record.exchange = exchange;
  record.route = route;
  record.started = Instant{1'700'000'000'000'000'000, 1'000'000'000};
  record.delivery = delivery;
  record.answer = answer(system, status, body);
  return record;
}

inline model::OutcomeRecord outcome(ExchangeId exchange, OutcomeKind kind,
                                    std::string_view route = "orders") {
  model::OutcomeRecord record;
  record.exchange = exchange;
  record.route = route;
  record.kind = kind;
  record.ended = Instant{1'700'000'000'020'000'000, 1'020'000'000};
  record.cause = "connect_failed";
  return record;
}

inline model::ShadowRecord shadow(ExchangeId exchange, std::string_view route = "orders",
                                  std::string_view body = "{\"a\":1}", std::uint16_t status = 200,
                                  System system = System::kCandidate) {
  model::ShadowRecord record;
  record.exchange = exchange;
  record.route = route;
  record.sent = Instant{1'700'000'000'005'000'000, 1'005'000'000};
  record.answer = answer(system, status, body);
  if (status == 0) {
    record.answer.body = model::Body{};
    record.cause = "first_byte_timeout";
  }
  return record;
}

inline model::SkipRecord skip(ExchangeId exchange, SkipReason reason,
                              std::string_view route = "orders") {
  model::SkipRecord record;
  record.exchange = exchange;
  record.route = route;
  record.reason = reason;
  return record;
}

inline model::VerdictRecord verdict(ExchangeId exchange, Verdict value,
                                    std::string_view route = "orders") {
  model::VerdictRecord record;
  record.exchange = exchange;
  record.route = route;
  record.endpoint = "GET /orders/{}";
  record.verdict = value;
  record.at = Instant{1'700'000'000'030'000'000, 1'030'000'000};
  return record;
}

}  // namespace banyan::support
