// SPDX-License-Identifier: Apache-2.0
//
// The "record" shape: one visit per type. What is sealed is never written.
#include <string>
#include <variant>

#include "admin/json_shapes.h"
#include "core/base/text.h"
#include "core/model/witness.h"

namespace banyan::admin {
namespace {

using json::JsonWriter;

void write_text(JsonWriter& json, std::string_view name, std::string_view bytes) {
  if (is_utf8(bytes)) {
    json.member(name, bytes);
  } else {
    json.member(std::string(name) + "_base64", base64_of_bytes(bytes));
  }
}

void write_headers(JsonWriter& json, std::string_view name, const http::HeaderList& fields) {
  json.key(name).begin_array();
  for (const http::Header& field : fields) {
    json.begin_object().member("name", field.name);
    write_text(json, "value", field.value);
    json.end_object();
  }
  json.end_array();
}

void write_body(JsonWriter& json, const model::Body& body) {
  json.member("body_bytes", body.length).member("body_complete", body.is_complete);
  switch (body.kind) {
    case model::Body::Kind::kNone: json.key("body").null(); return;
    case model::Body::Kind::kInline:
      write_text(json, "body", body.bytes);
      json.member("body_redacted", body.is_redacted);
      return;
    case model::Body::Kind::kChunks: json.key("body").null().member("body_in", "chunks"); return;
    case model::Body::Kind::kAsPrimary:
      json.key("body").null().member("body_in", "response");
      json.member("body_redacted", body.is_redacted);
      return;
    case model::Body::Kind::kNotRecorded:
      json.key("body").null().member("body_in", "not_recorded");
      return;
  }
}

void write_answer(JsonWriter& json, const model::Answer& answer) {
  json.member("system", to_string(answer.system)).member("status", int{answer.status});
  if (answer.status != 0) {
    json.member("protocol", model::http_version_name(answer.http_version));
  }
  write_headers(json, "headers", answer.fields);
  if (!answer.trailers.empty()) write_headers(json, "trailers", answer.trailers);
  write_body(json, answer.body);
}

std::string_view side_name(model::Side side) {
  switch (side) {
    case model::Side::kRequest: return "request";
    case model::Side::kPrimary: return "primary";
    case model::Side::kShadow: return "shadow";
  }
  return "request";
}

// Wall time of what a record tells of; 0 where it says none.
// What the run's number says of a witness.
void write_witness(JsonWriter& json, RunId run) {
  if (!run.is_witness()) return;
  json.key("witness").begin_object().member("reason", model::to_string(run.reason()));
  json.member("whom", model::to_string(run.whom())).member("number", run.number() + 1);
  json.member("of", run.of()).end_object();
}

struct TimeOf {
  std::int64_t operator()(const model::RequestRecord& r) const { return r.started.wall_ns; }
  std::int64_t operator()(const model::ResponseRecord& r) const { return r.answer.ended.wall_ns; }
  std::int64_t operator()(const model::OutcomeRecord& r) const { return r.ended.wall_ns; }
  std::int64_t operator()(const model::ShadowRecord& r) const { return r.answer.ended.wall_ns; }
  std::int64_t operator()(const model::SkipRecord& r) const { return r.at.wall_ns; }
  std::int64_t operator()(const model::VerdictRecord& r) const { return r.at.wall_ns; }
  std::int64_t operator()(const model::ChunkRecord&) const { return 0; }
  std::int64_t operator()(const model::RouteRecord& r) const { return r.at.wall_ns; }
  std::int64_t operator()(const model::GapRecord& r) const { return r.last.wall_ns; }
  std::int64_t operator()(const model::CheckpointRecord& r) const { return r.at.wall_ns; }
};

struct RouteOf {
  std::string_view operator()(const model::ChunkRecord&) const { return {}; }
  std::string_view operator()(const model::GapRecord&) const { return {}; }
  std::string_view operator()(const model::CheckpointRecord&) const { return {}; }
  template <typename R>
  std::string_view operator()(const R& r) const {
    return r.route;
  }
};

// What each type adds.
struct WriteDetails {
  JsonWriter& json;

  void operator()(const model::RequestRecord& r) const {
    json.member("method", r.method).member("protocol", model::http_version_name(r.http_version));
    write_text(json, "target", r.target);
    json.member("session", r.session).member("primary", to_string(r.primary));
    json.member("decision", r.decision).member("routing_epoch", r.routing_epoch);
    json.member("mirror", to_string(r.mirror));
    if (r.mirror == MirrorDecision::kSkipped) json.member("skip", to_string(r.skip));
    json.member("write", r.is_write).member("durability", to_string(r.durability));
    write_headers(json, "headers", r.fields);
    write_body(json, r.body);
    json.member("sealed", !r.sealed.empty());
  }
  void operator()(const model::ResponseRecord& r) const {
    write_answer(json, r.answer);
    json.member("delivery", to_string(r.delivery)).member("write", r.is_write);
  }
  void operator()(const model::OutcomeRecord& r) const {
    json.member("outcome", to_string(r.kind)).member("status", int{r.status});
    json.member("forwarded", to_string(r.forwarded)).member("cause", r.cause);
  }
  void operator()(const model::ShadowRecord& r) const {
    json.member("run", r.run.value);
    write_witness(json, r.run);
    write_answer(json, r.answer);
    json.member("cause", r.cause).member("write", r.is_write);
    json.member("idempotency_key", r.idempotency_key);
  }
  void operator()(const model::SkipRecord& r) const {
    json.member("run", r.run.value).member("reason", to_string(r.reason));
    json.member("dropped", is_drop(r.reason));
  }
  void operator()(const model::VerdictRecord& r) const {
    json.member("run", r.run.value);
    write_witness(json, r.run);
    json.member("endpoint", r.endpoint);
    json.member("generation", r.generation).member("rules_version", hex_of_u64(r.rules_version));
    json.member("verdict", to_string(r.verdict)).member("reason", r.reason);
    if (r.request_shape != 0) json.member("request_shape", hex_of_u64(r.request_shape).substr(8));
    if (r.race.is_there()) {
      json.key("race").begin_object().member("write", r.race.write.to_string());
      json.member("after_ms", static_cast<double>(r.race.after_ns) / 1e6).end_object();
    }
    json.member("legacy_status", int{r.legacy_status});
    json.member("candidate_status", int{r.candidate_status});
    json.key("differences").begin_array();
    for (const model::Difference& difference : r.differences) write_difference(json, difference);
    json.end_array();
  }
  void operator()(const model::ChunkRecord& r) const {
    json.member("run", r.run.value).member("side", side_name(r.side));
    json.member("sequence", r.sequence).member("last", r.is_last);
    write_text(json, "body", r.bytes);
  }
  void operator()(const model::RouteRecord& r) const {
    json.member("action", r.action).member("by", r.by).member("reason", r.reason);
    json.member("routing_epoch", r.routing_epoch);
    write_dials(json, "before", r.before);
    write_dials(json, "after", r.after);
  }
  void operator()(const model::GapRecord& r) const {
    json.member("cause", r.cause).member("records_lost", r.records_lost);
    json.member("first", format_time(r.first.wall_ns)).key("exchanges").begin_array();
    for (const model::GapRecord::Part& part : r.parts) json.string(part.exchange.to_string());
    json.end_array();
  }
  void operator()(const model::CheckpointRecord& r) const {
    json.member("epoch", r.epoch.value).member("routing_epoch", r.routing_epoch);
    json.member("rules_version", hex_of_u64(r.rules_version)).member("version", r.version);
  }
};

}  // namespace

void write_record(JsonWriter& json, const model::SourcedRecord& sourced,
                  const model::AnyRecord* record) {
  json.begin_object().member("stream", sourced.stream).member("offset", sourced.offset.value);
  if (sourced.kind == model::SourcedRecord::Kind::kHole || record == nullptr) {
    json.member("type", "HOLE").member("until", sourced.hole_end.value);
    json.member("cause", sourced.hole_cause.empty() ? "damaged" : sourced.hole_cause);
    json.end_object();
    return;
  }
  json.member("type", to_string(sourced.type)).key("exchange");
  if (sourced.exchange.is_null())
    json.null();
  else
    json.string(sourced.exchange.to_string());
  const std::int64_t told = std::visit(TimeOf(), *record);
  json.member("time", format_time(told != 0 ? told : sourced.append_wall_ns));
  json.member("route", std::visit(RouteOf(), *record));
  if (model::subject_of(*record).is_erased) json.member("erased", true);
  std::visit(WriteDetails{json}, *record);
  json.end_object();
}

}  // namespace banyan::admin
