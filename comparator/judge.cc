// SPDX-License-Identifier: Apache-2.0
#include "comparator/judge.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "comparator/request_shape.h"
#include "core/model/answer_bytes.h"
#include "core/model/record_codec.h"

namespace banyan::comparator {
namespace {

// What the sender says of a copy that went without a secret which a rule drops.
constexpr std::string_view kDroppedSecret = "dropped_secret";
// What an erased subject leaves: the reason, and the endpoint.
constexpr std::string_view kErased = "erased";

// Takes the fields over, and leaves its own for the next answer to be decoded into.
void lift_answer(model::Answer& answer, bool is_truncated, LiftedAnswer& lifted) {
  lifted.status = answer.status;
  lifted.fields.swap(answer.fields);
  lifted.trailers.swap(answer.trailers);
  lifted.body_length = answer.body.length;
  lifted.body_digest = answer.body.digest;
  lifted.is_truncated = is_truncated || !answer.body.is_complete;
  lifted.has_body = answer.body.kind == model::Body::Kind::kNone;
  lifted.body = {};
  if (answer.body.kind == model::Body::Kind::kInline) {
    lifted.body = answer.body.bytes;
    lifted.has_body = answer.body.is_complete;
  }
}

std::int64_t duration(const Instant& from, const Instant& to) {
  return to.mono_ns >= from.mono_ns && from.mono_ns > 0 ? to.mono_ns - from.mono_ns : -1;
}

}  // namespace

void ExchangeCase::clear() {
  has_request = false;
  method.clear();
  target.clear();
  route.clear();
  operation.clear();
  session = 0;
  subject.clear();
  is_erased = false;
  response.clear();
  request_place.stream.clear();
  request_place.offset = Offset{};
  exchange = ExchangeId{};
  started = Instant{};
  closing = Closing::kOpen;
}

void ChunkStarts::note(const model::SourcedRecord& sourced) {
  const auto record = model::decode(sourced.encoded);
  if (!record.ok()) return;
  const auto* chunk = std::get_if<model::ChunkRecord>(&*record);
  if (chunk == nullptr || chunk->sequence != 0 || chunk->side == model::Side::kRequest) return;
  if (starts_.size() >= kMax) starts_.erase(starts_.begin());
  starts_[Key{chunk->exchange, (chunk->run.value << 2) | static_cast<std::uint64_t>(chunk->side)}] =
      Place{std::string(sourced.stream), sourced.offset};
}

std::optional<Place> ChunkStarts::take(ExchangeId exchange, model::Side side, RunId run) {
  if (starts_.empty()) return std::nullopt;
  const auto found =
      starts_.find(Key{exchange, (run.value << 2) | static_cast<std::uint64_t>(side)});
  if (found == starts_.end()) return std::nullopt;
  Place place = std::move(found->second);
  starts_.erase(found);
  return place;
}

model::VerdictRecord Draft::to_record(const ExchangeCase& exchange, RunId run,
                                      std::uint64_t rules_version, Instant at) {
  model::VerdictRecord record;
  record.exchange = exchange.exchange;
  if (exchange.has_request) {
    record.request_stream = exchange.request_place.stream;
    record.request_offset = exchange.request_place.offset;
  }
  record.run = run;
  record.route = route;
  record.at = at;
  record.endpoint = endpoint;
  record.request_shape = request_shape;
  record.race = race;
  record.rules_version = rules_version;
  record.verdict = comparison.verdict;
  record.legacy_status = legacy_status;
  record.candidate_status = candidate_status;
  record.legacy_duration_ns = legacy_duration_ns;
  record.candidate_duration_ns = candidate_duration_ns;
  record.reason = comparison.reason;
  record.differences = std::move(comparison.differences);
  // What is erased already has nothing to seal.
  if (!exchange.is_erased) record.of.key = exchange.subject;
  return record;
}

Draft& Judge::incomparable(std::string_view reason) {
  draft_.comparison.verdict = Verdict::kIncomparable;
  draft_.comparison.reason = std::string(reason);
  return draft_;
}

Draft& Judge::judge(const ExchangeCase& exchange, std::string_view response,
                    std::string_view shadow_bytes, std::string_view shadow_stream) {
  Draft& draft = draft_;
  draft.comparison = Comparison{};
  draft.legacy_status = draft.candidate_status = 0;
  draft.legacy_duration_ns = draft.candidate_duration_ns = -1;
  draft.route = exchange.route;
  draft.request_shape = 0;
  draft.began_ns = draft.ended_ns = draft.answered_ns = 0;
  draft.race = {};
  answers_ = Answers{};
  if (exchange.is_erased) {
    draft.endpoint = kErased;
  } else if (exchange.has_request) {
    write_endpoint(exchange.method, exchange.target, exchange.operation, draft.endpoint);
    draft.request_shape = request_shape(exchange.target);
  } else {
    draft.endpoint = "unknown";
  }
  std::string_view shadow_rest;
  if (!model::decode_head(shadow_bytes, shadow_, shadow_rest).ok()) return incomparable("gap");
  draft.route = shadow_.route;
  // In whose place it is compared. A witness of the system that answered the client takes the other
  // one's: "missing" then means that the witness lacks what the recorded answer has.
  bool shadow_is_legacy = shadow_.answer.system == System::kLegacy;
  if (shadow_.run.is_witness() && exchange.closing == ExchangeCase::Closing::kResponse &&
      model::decode_head(response, response_).ok()) {
    shadow_is_legacy = response_.answer.system == System::kCandidate;
  }
  (shadow_is_legacy ? draft.legacy_status : draft.candidate_status) = shadow_.answer.status;
  (shadow_is_legacy ? draft.legacy_duration_ns : draft.candidate_duration_ns) =
      shadow_.answer.status == 0 ? -1 : duration(shadow_.sent, shadow_.answer.ended);

  if (exchange.closing == ExchangeCase::Closing::kOutcome) return incomparable("no_usable_answer");
  if (exchange.closing != ExchangeCase::Closing::kResponse || !exchange.has_request) {
    return incomparable("gap");
  }
  std::string_view response_rest;
  if (!model::decode_head(response, response_, response_rest).ok()) return incomparable("gap");
  // A run may send a copy to the system that answered the client: then the two answers are still
  // compared, the recorded one in the place of the other system.
  (shadow_is_legacy ? draft.candidate_status : draft.legacy_status) = response_.answer.status;
  (shadow_is_legacy ? draft.candidate_duration_ns : draft.legacy_duration_ns) =
      duration(response_.started, response_.answer.ended);

  if (shadow_.answer.status != 0) {
    draft.began_ns = std::min(response_.started.wall_ns, shadow_.sent.wall_ns);
    draft.ended_ns = std::max(response_.answer.ended.wall_ns, shadow_.answer.ended.wall_ns);
    draft.answered_ns = response_.answer.ended.wall_ns;
  }

  if (exchange.is_erased || shadow_.of.is_erased || response_.of.is_erased) {
    return incomparable(kErased);
  }
  // Equal to the byte, as most are: nothing needs to be decoded to say so.
  const bool is_whole = shadow_.answer.status != 0 && response_.delivery != Delivery::kTruncated;
  if (!lifts_always_ && is_whole && shadow_.answer.status == response_.answer.status &&
      model::hold_same_answer(response_rest, shadow_rest)) {
    return draft;
  }
  if (!model::decode_as(shadow_bytes, shadow_).ok()) return incomparable("gap");
  if (!model::decode_as(response, response_).ok()) return incomparable("gap");
  model::take_body_of(response_, shadow_);
  lift_answer(response_.answer, response_.delivery == Delivery::kTruncated, lifted_primary_);
  lift_answer(shadow_.answer, false, lifted_shadow_);
  fill_bodies(exchange, shadow_stream);
  const LiftedAnswer& legacy = shadow_is_legacy ? lifted_shadow_ : lifted_primary_;
  const LiftedAnswer& candidate = shadow_is_legacy ? lifted_primary_ : lifted_shadow_;
  answers_ = Answers{&legacy, &candidate};
  draft.comparison = compare_answers(*rules_, draft.route, exchange.method, legacy, candidate,
                                     wall_ns_, exchange.target);
  const bool is_copy_less = shadow_.answer.status != 0 && shadow_.cause == kDroppedSecret;
  if (is_copy_less && draft.comparison.verdict == Verdict::kDifferent) {
    draft.comparison = Comparison{};
    answers_ = Answers{};
    return incomparable(kDroppedSecret);
  }
  return draft;
}

void Judge::fill_bodies(const ExchangeCase& exchange, std::string_view shadow_stream) {
  const model::Body& primary = response_.answer.body;
  const model::Body& shadow = shadow_.answer.body;
  const auto primary_start = chunk_starts_.take(exchange.exchange, model::Side::kPrimary, RunId{});
  const auto shadow_start =
      chunk_starts_.take(exchange.exchange, model::Side::kShadow, shadow_.run);
  // Equal originals are equal without their bytes.
  if (primary.length == shadow.length && primary.digest == shadow.digest) return;
  if (primary.kind == model::Body::Kind::kChunks) {
    lifted_primary_.has_body =
        fetch(primary_start.value_or(exchange.request_place), exchange.exchange,
              model::Side::kPrimary, RunId{}, primary, primary_body_);
    lifted_primary_.body = lifted_primary_.has_body ? primary_body_ : std::string_view();
  }
  if (shadow.kind == model::Body::Kind::kChunks) {
    Place from = exchange.request_place;
    from.stream = std::string(shadow_stream);
    if (from.stream != exchange.request_place.stream) from.offset = Offset{};
    lifted_shadow_.has_body = fetch(shadow_start.value_or(from), exchange.exchange,
                                    model::Side::kShadow, shadow_.run, shadow, shadow_body_);
    lifted_shadow_.body = lifted_shadow_.has_body ? shadow_body_ : std::string_view();
  }
}

bool Judge::fetch(const Place& from, ExchangeId exchange, model::Side side, RunId run,
                  const model::Body& body, std::string& out) {
  out.clear();
  if (!body.is_complete || body.length > body_bytes_max_) return false;
  std::uint32_t expected = 0;
  bool is_whole = true;
  const Status read = model::read_chunks(
      log_, from.stream, from.offset, exchange, side, run, [&](const model::ChunkRecord& chunk) {
        // A copy that was sent again begins anew; what the first attempt left is not its body.
        if (chunk.sequence == 0) {
          out.clear();
          expected = 0;
          is_whole = true;
        }
        if (chunk.sequence != expected || out.size() + chunk.bytes.size() > body_bytes_max_) {
          is_whole = false;
        }
        ++expected;
        if (is_whole) out.append(chunk.bytes);
        return true;
      });
  return read.ok() && is_whole && out.size() == body.length;
}

}  // namespace banyan::comparator
