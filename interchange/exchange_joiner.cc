// SPDX-License-Identifier: Apache-2.0
#include "interchange/exchange_joiner.h"

#include <utility>
#include <variant>

#include "core/model/record_codec.h"

namespace banyan::interchange {
namespace {

std::size_t index_of(model::Side side) { return static_cast<std::size_t>(side) % 3; }

}  // namespace

ExchangeJoiner::ExchangeJoiner(const JoinOptions& options, Takes takes, OnExchange on_exchange)
    : options_(options), takes_(std::move(takes)), on_exchange_(std::move(on_exchange)) {}

Status ExchangeJoiner::add(const model::SourcedRecord& sourced) {
  if (sourced.kind == model::SourcedRecord::Kind::kHole) {
    ++counts_.holes;
    return {};
  }
  if (sourced.type == model::RecordType::kRequest) {
    BANYAN_RETURN_IF_ERROR(on_request(sourced));
    return keep_bounds();
  }
  const auto found = places_.find(sourced.exchange);
  if (sourced.exchange.is_null() || found == places_.end()) return {};
  auto record = model::decode(sourced.encoded);
  if (!record.ok()) return record.error();
  BANYAN_RETURN_IF_ERROR(on_part(found->second, *record));
  return keep_bounds();
}

Status ExchangeJoiner::finish() {
  while (!waiting_.empty()) {
    if (!has_ended(waiting_.front())) ++counts_.unended;
    BANYAN_RETURN_IF_ERROR(hand_out(waiting_.begin()));
  }
  return {};
}

Status ExchangeJoiner::on_request(const model::SourcedRecord& sourced) {
  if (places_.count(sourced.exchange) > 0) return {};
  auto decoded = model::decode(sourced.encoded);
  if (!decoded.ok()) return decoded.error();
  const auto& record = std::get<model::RequestRecord>(*decoded);
  if (record.of.is_erased) {
    ++counts_.erased;
    return {};
  }
  if (!takes_(sourced, record)) return {};
  const Place place = waiting_.emplace(waiting_.end());
  places_.emplace(record.exchange, place);
  Waiting& waiting = *place;
  Exchange& exchange = waiting.exchange;
  exchange.id = record.exchange;
  exchange.started = record.started;
  exchange.route = record.route;
  exchange.decision = record.decision;
  exchange.session = record.session;
  exchange.primary = record.primary;
  exchange.mirror = record.mirror;
  exchange.skip = record.skip;
  exchange.is_write = record.is_write;
  exchange.method = record.method;
  exchange.target = record.target;
  exchange.http_version = record.http_version;
  exchange.fields = owned(record.fields);
  waiting.awaits_request_body = record.body.kind == model::Body::Kind::kChunks;
  if (!waiting.awaits_request_body) {
    exchange.body = body_of(waiting, record.body, model::Side::kRequest);
  }
  waiting.awaits_shadow = options_.takes_shadows && record.mirror == MirrorDecision::kSelected;
  return {};
}

Status ExchangeJoiner::on_part(Place place, const model::AnyRecord& record) {
  Waiting& waiting = *place;
  // Erased while it was read.
  std::visit(
      [&waiting](const auto& held) {
        if constexpr (requires { held.of; }) waiting.is_erased |= held.of.is_erased;
      },
      record);
  if (const auto* chunk = std::get_if<model::ChunkRecord>(&record)) {
    on_chunk(waiting, *chunk);
  } else if (const auto* response = std::get_if<model::ResponseRecord>(&record)) {
    on_response(waiting, *response);
  } else if (const auto* outcome = std::get_if<model::OutcomeRecord>(&record)) {
    on_outcome(waiting, *outcome);
  } else if (const auto* shadow = std::get_if<model::ShadowRecord>(&record)) {
    if (shadow->run.is_live() && options_.takes_shadows) on_shadow(waiting, *shadow);
  } else if (const auto* skip = std::get_if<model::SkipRecord>(&record)) {
    if (skip->run.is_live()) {
      waiting.awaits_shadow = false;
      waiting.exchange.skip = skip->reason;
    }
  } else if (const auto* verdict = std::get_if<model::VerdictRecord>(&record)) {
    if (verdict->run.is_live()) {
      waiting.exchange.verdict = verdict->verdict;
      waiting.awaits_verdict = false;
    }
  }
  return is_whole(waiting) ? hand_out(place) : Status();
}

void ExchangeJoiner::on_chunk(Waiting& waiting, const model::ChunkRecord& chunk) {
  if (chunk.side == model::Side::kShadow && (!options_.takes_shadows || !chunk.run.is_live())) {
    return;
  }
  Pieces& pieces = waiting.pieces[index_of(chunk.side)];
  if (chunk.sequence != pieces.next) pieces.is_broken = true;
  ++pieces.next;
  if (!pieces.is_broken && !pieces.is_left_out) {
    if (pieces.bytes.size() + chunk.bytes.size() > options_.body_bytes_max) {
      pieces.is_left_out = true;
      ++counts_.bodies_left_out;
      bytes_ -= pieces.bytes.size();
      waiting.bytes -= pieces.bytes.size();
      pieces.bytes = std::string();
    } else {
      pieces.bytes.append(chunk.bytes);
      hold(waiting, chunk.bytes.size());
    }
  }
  if (chunk.side != model::Side::kRequest || !chunk.is_last) return;
  model::Body whole;
  whole.kind = model::Body::Kind::kChunks;
  whole.length = chunk.length;
  whole.is_complete = chunk.is_complete;
  waiting.exchange.body = body_of(waiting, whole, model::Side::kRequest);
  waiting.exchange.trailers = owned(chunk.trailers);
  waiting.awaits_request_body = false;
}

void ExchangeJoiner::on_response(Waiting& waiting, const model::ResponseRecord& response) {
  waiting.exchange.answer = answer_of(waiting, response.answer, model::Side::kPrimary);
  waiting.exchange.delivery = response.delivery;
}

void ExchangeJoiner::on_outcome(Waiting& waiting, const model::OutcomeRecord& outcome) {
  StoredOutcome stored;
  stored.kind = outcome.kind;
  stored.status = outcome.status;
  stored.forwarded = outcome.forwarded;
  stored.cause = outcome.cause;
  stored.ended = outcome.ended;
  waiting.exchange.outcome = std::move(stored);
}

void ExchangeJoiner::on_shadow(Waiting& waiting, const model::ShadowRecord& shadow) {
  waiting.exchange.shadow = answer_of(waiting, shadow.answer, model::Side::kShadow);
  waiting.awaits_shadow = false;
  waiting.awaits_verdict = !waiting.exchange.verdict.has_value();
}

StoredBody ExchangeJoiner::body_of(Waiting& waiting, const model::Body& body, model::Side side) {
  StoredBody stored;
  stored.length = body.length;
  stored.is_redacted = body.is_redacted;
  const Held as_told = body.is_complete ? Held::kAll : Held::kPart;
  switch (body.kind) {
    case model::Body::Kind::kNone: stored.held = as_told; break;
    case model::Body::Kind::kNotRecorded: stored.held = Held::kNone; break;
    case model::Body::Kind::kAsPrimary: {
      const auto& primary = waiting.exchange.answer;
      stored.held = Held::kNone;
      if (side != model::Side::kShadow || !primary || primary->body.length != body.length) break;
      stored = primary->body;
      hold(waiting, stored.bytes.size());
      break;
    }
    case model::Body::Kind::kInline:
      if (body.bytes.size() > options_.body_bytes_max) {
        stored.held = Held::kNone;
        ++counts_.bodies_left_out;
        break;
      }
      stored.held = as_told;
      stored.bytes = body.bytes;
      hold(waiting, body.bytes.size());
      break;
    case model::Body::Kind::kChunks: {
      Pieces& pieces = waiting.pieces[index_of(side)];
      stored.bytes = std::move(pieces.bytes);
      pieces.bytes = std::string();
      const bool is_all =
          body.is_complete && !pieces.is_broken && stored.bytes.size() == body.length;
      stored.held = is_all ? Held::kAll : Held::kPart;
      if (pieces.is_left_out) stored.held = Held::kNone;
      break;
    }
  }
  return stored;
}

StoredAnswer ExchangeJoiner::answer_of(Waiting& waiting, const model::Answer& answer,
                                       model::Side side) {
  StoredAnswer stored;
  stored.system = answer.system;
  stored.status = answer.status;
  stored.http_version = answer.http_version;
  stored.fields = owned(answer.fields);
  stored.trailers = owned(answer.trailers);
  stored.body = body_of(waiting, answer.body, side);
  stored.first_byte = answer.first_byte;
  stored.ended = answer.ended;
  return stored;
}

void ExchangeJoiner::hold(Waiting& waiting, std::uint64_t bytes) {
  waiting.bytes += bytes;
  bytes_ += bytes;
}

bool ExchangeJoiner::has_ended(const Waiting& waiting) {
  return waiting.exchange.answer.has_value() || waiting.exchange.outcome.has_value();
}

// An exchange that no system answered is never copied, so nothing further of it comes.
bool ExchangeJoiner::is_whole(const Waiting& waiting) {
  if (!has_ended(waiting) || waiting.awaits_request_body) return false;
  return !waiting.awaits_verdict &&
         (!waiting.awaits_shadow || waiting.exchange.outcome.has_value());
}

Status ExchangeJoiner::hand_out(Place place) {
  bytes_ -= place->bytes;
  places_.erase(place->exchange.id);
  Waiting waiting = std::move(*place);
  waiting_.erase(place);
  if (waiting.is_erased) {
    ++counts_.erased;
    return {};
  }
  if (waiting.awaits_request_body) waiting.exchange.body.held = Held::kPart;
  return on_exchange_(waiting.exchange);
}

Status ExchangeJoiner::keep_bounds() {
  while (waiting_.size() > options_.exchanges_max || bytes_ > options_.bytes_max) {
    BANYAN_RETURN_IF_ERROR(let_go_of_oldest());
  }
  return {};
}

Status ExchangeJoiner::let_go_of_oldest() {
  const Place oldest = waiting_.begin();
  if (has_ended(*oldest)) {
    if (oldest->awaits_shadow) ++counts_.without_shadow;
    return hand_out(oldest);
  }
  ++counts_.given_up;
  bytes_ -= oldest->bytes;
  places_.erase(oldest->exchange.id);
  waiting_.erase(oldest);
  return {};
}

}  // namespace banyan::interchange
