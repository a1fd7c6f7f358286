// SPDX-License-Identifier: Apache-2.0
#include "comparator/judge.h"

#include <utility>
#include <variant>

#include "core/model/record_codec.h"

namespace banyan::comparator {
namespace {

LiftedAnswer lift(const model::Answer& answer, bool is_truncated) {
  LiftedAnswer lifted;
  lifted.status = answer.status;
  lifted.fields = answer.fields;
  lifted.body_length = answer.body.length;
  lifted.body_digest = answer.body.digest;
  lifted.is_truncated = is_truncated || !answer.body.is_complete;
  if (answer.body.kind == model::Body::Kind::kNone) lifted.has_body = true;
  if (answer.body.kind == model::Body::Kind::kInline) {
    lifted.body = answer.body.bytes;
    lifted.has_body = answer.body.is_complete;
  }
  return lifted;
}

std::int64_t duration(const Instant& from, const Instant& to) {
  return to.mono_ns >= from.mono_ns && from.mono_ns > 0 ? to.mono_ns - from.mono_ns : -1;
}

Draft incomparable(Draft draft, std::string_view reason) {
  draft.comparison.verdict = Verdict::kIncomparable;
  draft.comparison.reason = std::string(reason);
  return draft;
}

}  // namespace

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
                                      std::uint64_t rules_version, Instant at) const {
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
  record.rules_version = rules_version;
  record.verdict = comparison.verdict;
  record.legacy_status = legacy_status;
  record.candidate_status = candidate_status;
  record.legacy_duration_ns = legacy_duration_ns;
  record.candidate_duration_ns = candidate_duration_ns;
  record.reason = comparison.reason;
  record.differences = comparison.differences;
  return record;
}

Draft Judge::judge(const ExchangeCase& exchange, std::string_view response,
                   std::string_view shadow_bytes, std::string_view shadow_stream) {
  Draft draft;
  draft.route = exchange.route;
  draft.endpoint =
      exchange.has_request ? endpoint_of(exchange.method, exchange.target) : "unknown";
  const auto shadow_record = model::decode(shadow_bytes);
  const auto* shadow =
      shadow_record.ok() ? std::get_if<model::ShadowRecord>(&*shadow_record) : nullptr;
  if (shadow == nullptr) return incomparable(std::move(draft), "gap");
  draft.route = std::string(shadow->route);
  const bool shadow_is_legacy = shadow->answer.system == System::kLegacy;
  (shadow_is_legacy ? draft.legacy_status : draft.candidate_status) = shadow->answer.status;
  (shadow_is_legacy ? draft.legacy_duration_ns : draft.candidate_duration_ns) =
      shadow->answer.status == 0 ? -1 : duration(shadow->sent, shadow->answer.ended);

  if (exchange.closing == ExchangeCase::Closing::kOutcome) {
    return incomparable(std::move(draft), "no_usable_answer");
  }
  if (exchange.closing != ExchangeCase::Closing::kResponse || !exchange.has_request) {
    return incomparable(std::move(draft), "gap");
  }
  const auto response_record = model::decode(response);
  const auto* primary =
      response_record.ok() ? std::get_if<model::ResponseRecord>(&*response_record) : nullptr;
  if (primary == nullptr) return incomparable(std::move(draft), "gap");
  // A run may send a copy to the system that answered the client: then the two answers are still
  // compared, the recorded one in the place of the other system.
  (shadow_is_legacy ? draft.candidate_status : draft.legacy_status) = primary->answer.status;
  (shadow_is_legacy ? draft.candidate_duration_ns : draft.legacy_duration_ns) =
      duration(primary->started, primary->answer.ended);

  LiftedAnswer lifted_primary =
      lift(primary->answer, primary->delivery == Delivery::kTruncated);
  LiftedAnswer lifted_shadow = lift(shadow->answer, false);
  fill_bodies(exchange, primary->answer, *shadow, shadow_stream, lifted_primary, lifted_shadow);
  draft.comparison =
      shadow_is_legacy
          ? compare_answers(rules_, draft.route, exchange.method, lifted_shadow, lifted_primary)
          : compare_answers(rules_, draft.route, exchange.method, lifted_primary, lifted_shadow);
  return draft;
}

void Judge::fill_bodies(const ExchangeCase& exchange, const model::Answer& primary,
                        const model::ShadowRecord& shadow, std::string_view shadow_stream,
                        LiftedAnswer& lifted_primary, LiftedAnswer& lifted_shadow) {
  const auto primary_start =
      chunk_starts_.take(exchange.exchange, model::Side::kPrimary, RunId{});
  const auto shadow_start =
      chunk_starts_.take(exchange.exchange, model::Side::kShadow, shadow.run);
  // Equal originals are equal without their bytes.
  if (primary.body.length == shadow.answer.body.length &&
      primary.body.digest == shadow.answer.body.digest) {
    return;
  }
  if (primary.body.kind == model::Body::Kind::kChunks) {
    lifted_primary.has_body =
        fetch(primary_start.value_or(exchange.request_place), exchange.exchange,
              model::Side::kPrimary, RunId{}, primary.body, primary_body_);
    lifted_primary.body = lifted_primary.has_body ? primary_body_ : std::string_view();
  }
  if (shadow.answer.body.kind == model::Body::Kind::kChunks) {
    Place from = exchange.request_place;
    from.stream = std::string(shadow_stream);
    if (from.stream != exchange.request_place.stream) from.offset = Offset{};
    lifted_shadow.has_body =
        fetch(shadow_start.value_or(from), exchange.exchange, model::Side::kShadow, shadow.run,
              shadow.answer.body, shadow_body_);
    lifted_shadow.body = lifted_shadow.has_body ? shadow_body_ : std::string_view();
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
