// SPDX-License-Identifier: Apache-2.0
#include "admin/api.h"
#include "admin/body.h"
#include "admin/erasure_service.h"
#include "core/json/json_writer.h"
#include "core/model/record_io.h"
#include "recorder/recorder.h"

namespace banyan::admin {

model::LogAccess& AdminServices::log() const {
  return opened_log != nullptr ? *opened_log : recorder.access();
}

std::string ErasureReport::to_json() const {
  std::string out;
  json::JsonWriter json(out);
  json.begin_object().member("schema", "banyan/erasure/1").member("dry_run", is_dry_run);
  json.member("keys", keys).member("exchanges", exchanges).member("findings", findings);
  json.end_object();
  return out;
}

// Says nothing of whom, neither here nor in an error.
HttpResponse Api::post_erasure(const Call& call) const {
  if (services_.erasure == nullptr) {
    return error_response(501, "no_subjects", "this server records no subjects",
                          "set [record] subject; it holds for what is recorded from then on");
  }
  const Status members = check_members(call.body, {"subject", "session", "dry_run", "by"});
  if (!members.ok()) return error_response(members.error());
  const auto subject = string_member(call.body, "subject", 4096);
  if (!subject.ok()) return error_response(subject.error());
  const auto session = string_member(call.body, "session", 4096);
  if (!session.ok()) return error_response(session.error());
  const auto by = string_member(call.body, "by", 200);
  if (!by.ok()) return error_response(by.error());
  const auto dry_run = bool_member(call.body, "dry_run");
  if (!dry_run.ok()) return error_response(dry_run.error());
  ErasureRequest request;
  request.subject = subject->value_or("");
  request.session = session->value_or("");
  request.by = by->value_or("api");
  request.is_dry_run = dry_run->value_or(false);
  if (request.subject.empty() == request.session.empty()) {
    return invalid_argument("name either subject or session");
  }
  const auto report = services_.erasure->erase(request);
  if (!report.ok()) return error_response(report.error());
  HttpResponse response;
  response.body = report->to_json();
  return response;
}

}  // namespace banyan::admin
