// SPDX-License-Identifier: Apache-2.0
//
// The config: its state, and reloads.
#include "admin/api.h"
#include "admin/body.h"
#include "admin/config_service.h"
#include "admin/json_shapes.h"
#include "core/base/text.h"
#include "core/json/json_writer.h"

namespace banyan::admin {
namespace {

void write_problem(json::JsonWriter& json, const ConfigProblem& problem) {
  json.begin_object().member("file", problem.file).member("line", problem.line);
  json.member("column", problem.column);
  json.member("severity", problem.is_warning ? "warning" : "error");
  json.member("needs_restart", problem.needs_restart).member("message", problem.message);
  json.member("offending", problem.offending).member("hint", problem.hint).end_object();
}

void write_report(json::JsonWriter& json, const ReloadReport& report) {
  json.member("result", to_string(report.result)).member("generation", report.generation);
  json.member("at", format_time(report.at_wall_ns)).member("by", report.by);
  json.member("message", report.message);
  write_strings(json, "changed", report.changed);
  write_strings(json, "warnings", report.warnings);
  json.key("diagnostics").begin_array();
  for (const ConfigProblem& problem : report.problems) write_problem(json, problem);
  json.end_array();
}

struct Refusal {
  int status;
  std::string_view code;
  std::string_view hint;
};

Refusal refusal_of(ReloadReport::Result result) {
  switch (result) {
    case ReloadReport::Result::kNeedsRestart:
      return {409, "restart_needed", "restart Banyan, or put the old values back"};
    case ReloadReport::Result::kFailed:
      return {503, "reload_failed", "the old config is in force; try again"};
    case ReloadReport::Result::kInvalid:
    case ReloadReport::Result::kOk: break;
  }
  return {422, "config_invalid", "the old config is in force; correct the file and reload again"};
}

}  // namespace

std::string_view to_string(ReloadReport::Result result) {
  switch (result) {
    case ReloadReport::Result::kOk: return "ok";
    case ReloadReport::Result::kInvalid: return "invalid";
    case ReloadReport::Result::kNeedsRestart: return "needs_restart";
    case ReloadReport::Result::kFailed: return "failed";
  }
  return "failed";
}

void Api::write_config(json::JsonWriter& json) const {
  json.key("config");
  if (services_.config == nullptr) {
    json.null();
    return;
  }
  const auto config = services_.config->status();
  json.begin_object().member("path", config->path).member("generation", config->generation);
  json.member("loaded", format_time(config->loaded_wall_ns)).key("last_reload");
  if (config->last_reload) {
    json.begin_object();
    write_report(json, *config->last_reload);
    json.end_object();
  } else {
    json.null();
  }
  json.end_object();
}

HttpResponse Api::post_reload(const Call& call) const {
  const Status members = check_members(call.body, {"by", "reason"});
  if (!members.ok()) return error_response(members.error());
  const auto cause = cause_of(call.body);
  if (!cause.ok()) return error_response(cause.error());
  if (services_.config == nullptr) {
    return error_response(501, "no_config", "this process has no config file to read again");
  }
  const ReloadReport report = services_.config->reload(cause->by);
  HttpResponse response;
  json::JsonWriter json(response.body);
  json.begin_object();
  if (report.result == ReloadReport::Result::kOk) {
    json.member("schema", "banyan/reload/1");
  } else {
    const Refusal refusal = refusal_of(report.result);
    response.status = refusal.status;
    json.key("error").begin_object().member("code", refusal.code);
    json.member("message", report.message).member("hint", refusal.hint).end_object();
  }
  write_report(json, report);
  json.end_object();
  return response;
}

}  // namespace banyan::admin
