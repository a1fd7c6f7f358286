// SPDX-License-Identifier: Apache-2.0
#include "interchange/exchange_appender.h"

#include <algorithm>
#include <utility>

#include "core/base/hash.h"
#include "core/base/text.h"

namespace banyan::interchange {
namespace {

constexpr std::size_t kSourceIdShown = 200;

Error refused() {
  return make_error(
      ErrorCode::kExhausted, ErrorOrigin::kDisk,
      "the log takes no more records (disk full or failing); what is told as imported "
      "is in it");
}

}  // namespace

ExchangeAppender::ExchangeAppender(model::RecordSink& sink, const model::Redactor& redactor,
                                   const AppendOptions& options,
                                   std::function<ExchangeId()> next_id,
                                   std::function<RouteFacts(const Exchange&)> route_of)
    : sink_(sink),
      redactor_(redactor),
      options_(options),
      next_id_(std::move(next_id)),
      route_of_(std::move(route_of)) {}

Status ExchangeAppender::append(const Exchange& exchange) {
  Common common;
  common.id = next_id_();
  if (exchange.is_ours) {
    common.route = exchange.route;
    common.is_write = exchange.is_write;
    common.primary = exchange.answer ? exchange.answer->system : exchange.primary;
  } else {
    RouteFacts facts = route_of_(exchange);
    common.route = std::move(facts.route);
    common.is_write = facts.is_write;
    common.primary = options_.answered_by;
  }
  common.session = session_of(exchange);
  if (options_.key_of) common.key = options_.key_of(exchange, common.session);
  if (exchange.shadow) losses_.count("copies' answers are not imported; replay makes new ones");
  BANYAN_RETURN_IF_ERROR(append_request(exchange, common));
  BANYAN_RETURN_IF_ERROR(append_end(exchange, common));
  ++exchanges_;
  return {};
}

template <typename Record>
Status ExchangeAppender::put(const Record& record) {
  scratch_.clear();
  model::encode(record, scratch_);
  bytes_ += scratch_.size();
  return sink_.append(scratch_).is_refused() ? Status(refused()) : Status();
}

// A body that is streamed into CHUNKs is not redacted, so where a rule may apply it is left out.
bool ExchangeAppender::goes_in_chunks(const StoredBody& stored, bool has_trailers) {
  if (stored.held == Held::kNone) return false;
  if (stored.bytes.size() <= options_.inline_bytes_max && !has_trailers) return false;
  if (stored.bytes.empty() || !redactor_.has_body_rules()) return true;
  losses_.count("bodies are too large to be redacted by the rules for bodies; left out");
  return false;
}

model::Body ExchangeAppender::body_of(const StoredBody& stored, bool in_chunks,
                                      bool is_answer) const {
  model::Body body;
  body.is_complete = stored.held == Held::kAll;
  body.is_redacted = stored.is_redacted;
  body.length = stored.length;
  if (in_chunks) {
    body.kind = model::Body::Kind::kChunks;
    body.is_complete |= !is_answer;  // of a request its last CHUNK says it
    body.digest = xxh3_128(stored.bytes, options_.digest_seed);
  } else if (stored.held == Held::kNone || stored.bytes.size() > options_.inline_bytes_max) {
    body.kind = model::Body::Kind::kNotRecorded;
    body.is_complete = false;
  } else if (!stored.bytes.empty()) {
    body.kind = model::Body::Kind::kInline;
    body.bytes = stored.bytes;
    body.digest = xxh3_128(stored.bytes, options_.digest_seed);
  }
  return body;
}

// Tells people where it comes from: its own id is a new one.
std::string ExchangeAppender::decision_of(const Exchange& exchange) const {
  std::string decision = "imported from " + options_.format;
  if (exchange.source_id.empty()) return decision;
  return decision + ", " + escape_for_terminal(exchange.source_id, kSourceIdShown);
}

// What came on one captured connection keeps its order in a replay, as one session.
std::string ExchangeAppender::session_of(const Exchange& exchange) const {
  if (!exchange.session.empty() || exchange.connection.empty()) return exchange.session;
  return redactor_.token_of("connection " + exchange.connection);
}

// What a rule applies to and cannot read is left out whole.
void ExchangeAppender::take_redacted(const StoredBody& stored,
                                     const model::RedactedMessage& redacted,
                                     model::Body& body) const {
  if (body.kind != model::Body::Kind::kInline || !redacted.body_is_redacted) return;
  body.bytes = redacted.body;
  body.is_redacted = true;
  if (redacted.body.empty() && !stored.bytes.empty()) body.kind = model::Body::Kind::kNotRecorded;
}

Status ExchangeAppender::append_request(const Exchange& exchange, const Common& common) {
  const bool in_chunks = goes_in_chunks(exchange.body, !exchange.trailers.empty());
  const http::HeaderList fields = views_of(exchange.fields);
  const std::string decision = decision_of(exchange);
  model::RequestRecord record;
  record.exchange = common.id;
  record.started = exchange.started;
  record.route = common.route;
  record.primary = common.primary;
  record.decision = decision;
  record.session = common.session;
  record.mirror = MirrorDecision::kOff;
  record.is_write = common.is_write;
  record.method = exchange.method;
  record.http_version = exchange.http_version;
  record.of.key = common.key;
  record.body = body_of(exchange.body, in_chunks, false);
  const model::RedactedMessage redacted =
      redactor_.redact(common.id, exchange.target, fields, record.body.bytes,
                       value_of(exchange.fields, "Content-Type"));
  record.target = redacted.target;
  record.fields = redacted.fields;
  record.sealed = redacted.sealed;
  take_redacted(exchange.body, redacted, record.body);
  BANYAN_RETURN_IF_ERROR(put(record));
  if (!in_chunks) {
    if (!exchange.trailers.empty()) losses_.count("requests lose their trailers with their body");
    return {};
  }
  return append_request_chunks(exchange, common, record.body.digest);
}

// Its last piece is the CHUNK that closes the body, also where that piece is empty.
Status ExchangeAppender::append_request_chunks(const Exchange& exchange, const Common& common,
                                               const Digest128& digest) {
  std::uint32_t sequence = 0;
  std::string_view bytes = exchange.body.bytes;
  const std::size_t last = bytes.size() % kChunkBytesMax;
  BANYAN_RETURN_IF_ERROR(
      append_chunks(common, model::Side::kRequest, bytes.substr(0, bytes.size() - last), sequence));
  model::ChunkRecord chunk;
  chunk.exchange = common.id;
  chunk.of.key = common.key;
  chunk.side = model::Side::kRequest;
  chunk.sequence = sequence;
  chunk.bytes = bytes.substr(bytes.size() - last);
  chunk.is_last = true;
  chunk.is_complete = exchange.body.held == Held::kAll;
  chunk.length = exchange.body.length;
  chunk.digest = digest;
  const http::HeaderList trailers = views_of(exchange.trailers);
  const model::RedactedMessage redacted_trailers =
      redactor_.redact(common.id, {}, trailers, {}, {});
  chunk.trailers = redacted_trailers.fields;
  return put(chunk);
}

Status ExchangeAppender::append_chunks(const Common& common, model::Side side,
                                       std::string_view bytes, std::uint32_t& sequence) {
  while (!bytes.empty()) {
    model::ChunkRecord chunk;
    chunk.exchange = common.id;
    chunk.of.key = common.key;
    chunk.side = side;
    chunk.sequence = sequence++;
    chunk.bytes = bytes.substr(0, kChunkBytesMax);
    bytes.remove_prefix(chunk.bytes.size());
    BANYAN_RETURN_IF_ERROR(put(chunk));
  }
  return {};
}

Status ExchangeAppender::append_end(const Exchange& exchange, const Common& common) {
  if (exchange.answer) return append_answer(exchange, common);
  model::OutcomeRecord record;
  record.exchange = common.id;
  record.route = common.route;
  if (exchange.outcome) {
    record.ended = exchange.outcome->ended;
    record.kind = exchange.outcome->kind;
    record.status = exchange.outcome->status;
    record.forwarded = exchange.outcome->forwarded;
    record.cause = exchange.outcome->cause;
  } else {
    record.ended = exchange.started;
    record.kind = OutcomeKind::kUnknown;
    record.forwarded = Forwarded::kWhole;
    record.cause = "imported_without_answer";
  }
  return put(record);
}

Status ExchangeAppender::append_answer(const Exchange& exchange, const Common& common) {
  const StoredAnswer& answer = *exchange.answer;
  const bool in_chunks = goes_in_chunks(answer.body, false);
  const http::HeaderList fields = views_of(answer.fields);
  const http::HeaderList trailers = views_of(answer.trailers);
  model::ResponseRecord record;
  record.exchange = common.id;
  record.route = common.route;
  record.started = exchange.started;
  record.is_write = common.is_write;
  record.delivery = exchange.delivery;
  record.of.key = common.key;
  record.answer.system = common.primary;
  record.answer.status = answer.status;
  record.answer.http_version = answer.http_version;
  record.answer.first_byte = answer.first_byte;
  record.answer.ended = answer.ended;
  record.answer.body = body_of(answer.body, in_chunks, true);
  const model::RedactedMessage redacted = redactor_.redact(
      common.id, {}, fields, record.answer.body.bytes, value_of(answer.fields, "Content-Type"));
  const model::RedactedMessage redacted_trailers =
      redactor_.redact(common.id, {}, trailers, {}, {});
  record.answer.fields = redacted.fields;
  record.answer.trailers = redacted_trailers.fields;
  take_redacted(answer.body, redacted, record.answer.body);
  if (answer.body.held == Held::kPart && !exchange.is_ours) record.delivery = Delivery::kTruncated;
  if (in_chunks) {
    std::uint32_t sequence = 0;
    BANYAN_RETURN_IF_ERROR(
        append_chunks(common, model::Side::kPrimary, answer.body.bytes, sequence));
  }
  return put(record);
}

}  // namespace banyan::interchange
