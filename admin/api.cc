// SPDX-License-Identifier: Apache-2.0
#include "admin/api.h"

#include "admin/page.h"
#include "core/base/text.h"
#include "core/obs/metrics.h"

namespace banyan::admin {
namespace {

bool is_public_path(std::string_view path) {
  return path == "/livez" || path == "/readyz" || path == "/metrics";
}

HttpResponse text_response(int status, std::string body) {
  HttpResponse response;
  response.status = status;
  response.content_type = "text/plain; charset=utf-8";
  response.body = std::move(body);
  return response;
}

HttpResponse page_response(int status) {
  HttpResponse response;
  response.status = status;
  response.content_type = "text/html; charset=utf-8";
  response.body = start_page();
  return response;
}

}  // namespace

const std::vector<Api::Endpoint>& Api::endpoints() {
  static const std::vector<Endpoint> kEndpoints = {
      {"GET", "status", Where::kLoop, &Api::get_status},
      {"GET", "refusals", Where::kLoop, &Api::get_refusals},
      {"GET", "routes", Where::kLoop, &Api::get_routes},
      {"GET", "routes/history", Where::kStore, &Api::get_history},
      {"GET", "routes/explain", Where::kLoop, &Api::explain},
      {"POST", "routes/explain", Where::kLoop, &Api::explain},
      {"POST", "rollback", Where::kLoop, &Api::rollback},
      {"GET", "routes/{}", Where::kLoop, &Api::get_route},
      {"PATCH", "routes/{}", Where::kDials, &Api::patch_route},
      {"POST", "routes/{}/rollback", Where::kLoop, &Api::rollback},
      {"POST", "routes/{}/reset", Where::kDials, &Api::reset_route},
      {"GET", "findings", Where::kStore, &Api::get_findings},
      {"GET", "findings/{}", Where::kStore, &Api::get_finding},
      {"PATCH", "findings/{}", Where::kStore, &Api::patch_finding},
      {"GET", "exchanges/{}", Where::kStore, &Api::get_exchange},
      {"GET", "ledger", Where::kLoop, &Api::get_ledger},
      {"GET", "log", Where::kStore, &Api::get_log},
      {"GET", "replays", Where::kStore, &Api::get_replays},
      {"POST", "replays", Where::kStore, &Api::post_replay},
      {"GET", "replays/{}", Where::kStore, &Api::get_replay},
      {"DELETE", "replays/{}", Where::kStore, &Api::cancel_replay},
      {"POST", "replays/{}/resume", Where::kStore, &Api::resume_replay},
      {"POST", "mirror/pause", Where::kLoop, &Api::pause_mirror},
      {"POST", "mirror/resume", Where::kLoop, &Api::resume_mirror},
      {"POST", "reload", Where::kStore, &Api::post_reload},
      {"GET", "report", Where::kStore, &Api::get_report},
      {"GET", "rules", Where::kStore, &Api::get_rules},
      {"POST", "rules", Where::kStore, &Api::post_rule},
      {"POST", "rules/try", Where::kStore, &Api::try_rule},
      {"DELETE", "rules/{}", Where::kStore, &Api::delete_rule},
      {"POST", "erasures", Where::kStore, &Api::post_erasure},
      {"GET", "events", Where::kEvents, nullptr},
  };
  return kEndpoints;
}

Api::Api(const AdminOptions& options, const AdminFacts& facts, const AdminServices& services,
         StoreFacts& store_facts, net::EventLoop& loop, StoreWorker& worker, Events& events,
         Gate& gate, RollbackGuard& rollbacks)
    : options_(options),
      facts_(facts),
      services_(services),
      store_facts_(store_facts),
      loop_(loop),
      worker_(worker),
      events_(events),
      gate_(gate),
      rollbacks_(rollbacks) {}

void Api::handle(RequestId id, HttpRequest request) {
  const std::string path = request.target.substr(0, request.target.find('?'));
  const bool is_public = is_public_path(path);
  if (auto refusal = gate_.refuse(request, is_public, loop_.now().mono_ns)) {
    // Somebody with a browser sees how to go on rather than a line of JSON.
    if (refusal->status == 401 && path == "/" && request.method == "GET") {
      HttpResponse page = page_response(401);
      page.fields = refusal->fields;
      refusal = std::move(page);
    }
    server_->respond(id, *refusal);
    return;
  }
  if (request.method == "HEAD") request.method = "GET";
  if (is_public || path == "/") {
    HttpResponse response = request.method == "GET"
                                ? public_answer(path)
                                : error_response(405, "method_not_allowed", "only GET here");
    if (response.status == 405) response.fields.emplace_back("Allow", "GET");
    server_->respond(id, response);
    return;
  }
  auto target = parse_target(request.target);
  if (!target.ok()) {
    server_->respond(id, error_response(target.error()));
    return;
  }
  Call call;
  call.target = *std::move(target);
  call.request = std::move(request);
  dispatch(id, std::move(call));
}

HttpResponse Api::public_answer(std::string_view path) const {
  if (path == "/livez") return text_response(200, "ok\n");
  if (path == "/metrics") {
    HttpResponse response = text_response(200, services_.metrics.scrape());
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    return response;
  }
  if (path == "/readyz") {
    const Health now = health();
    std::string text = now.is_ready ? "ready\n" : "not ready\n";
    for (const std::string& alarm : now.alarms) text += escape_for_terminal(alarm, 512) + "\n";
    return text_response(now.is_ready ? 200 : 503, std::move(text));
  }
  return page_response(200);
}

bool Api::match(std::string_view pattern, const std::vector<std::string>& segments,
                std::vector<std::string>& captures) {
  captures.clear();
  const auto parts = split(pattern, '/');
  if (parts.size() + 2 != segments.size()) return false;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i] == "{}")
      captures.push_back(segments[i + 2]);
    else if (parts[i] != segments[i + 2])
      return false;
  }
  return true;
}

void Api::dispatch(RequestId id, Call call) {
  const auto& segments = call.target.segments;
  std::string allowed;
  if (segments.size() > 2 && segments[0] == "api" && segments[1] == "v1") {
    for (const Endpoint& endpoint : endpoints()) {
      if (!match(endpoint.pattern, segments, call.captures)) continue;
      if (endpoint.method == call.request.method) return run(id, endpoint, std::move(call));
      allowed += (allowed.empty() ? "" : ", ") + std::string(endpoint.method);
    }
  }
  if (!allowed.empty()) {
    HttpResponse response =
        error_response(405, "method_not_allowed", "this resource takes " + allowed);
    response.fields.emplace_back("Allow", allowed);
    server_->respond(id, response);
    return;
  }
  server_->respond(
      id, error_response(404, "not_found", "there is no such resource", "GET / lists the API"));
}

void Api::run(RequestId id, const Endpoint& endpoint, Call call) {
  call.body.type = json::Value::Type::kObject;
  if (call.request.method != "GET" && !trim(call.request.body).empty()) {
    json::ParseLimits limits;
    limits.depth_max = 16;
    limits.nodes_max = 4096;
    auto body = json::parse(call.request.body, limits);
    const bool is_object = body.ok() && body->is_object();
    // The way back is never refused for a malformed reason.
    if (!is_object && endpoint.handler != &Api::rollback) {
      server_->respond(
          id, error_response(400, "bad_json",
                             body.ok() ? "the body must be a JSON object" : body.error().message));
      return;
    }
    if (is_object) call.body = *std::move(body);
  }
  switch (endpoint.where) {
    case Where::kEvents: events_.subscribe(id); return;
    case Where::kLoop: server_->respond(id, (this->*endpoint.handler)(call)); return;
    case Where::kStore:
      defer(id,
            [this, &endpoint, call = std::move(call)] { return (this->*endpoint.handler)(call); });
      return;
    case Where::kDials:
      // What cannot raise a share acts in memory and needs no disk: it takes the short way.
      if (!may_raise(call)) {
        server_->respond(id, (this->*endpoint.handler)(call));
        return;
      }
      const auto mark = rollbacks_.mark(call.captures.at(0));
      defer(id, [this, &endpoint, mark, call = std::move(call)] {
        return guarded_dials(endpoint, call, mark);
      });
      return;
  }
}

void Api::defer(RequestId id, std::function<HttpResponse()> work) {
  const std::uint64_t number = next_pending_++;
  auto task = std::make_shared<StoreTask>([this, number, id, work = std::move(work)] {
    auto response = std::make_shared<HttpResponse>(work());
    (void)loop_.post([this, number, id, response] {
      if (pending_.erase(number) > 0) server_->respond(id, *response);
    });
  });
  if (!worker_.submit(task)) {
    server_->respond(id, error_response(503, "store_busy",
                                        "too many requests wait for the disk; nothing was done",
                                        "rollback never waits for it"));
    return;
  }
  pending_[number] = Pending{id, std::move(task), loop_.now().mono_ns + options_.store_patience_ns};
}

void Api::check_patience(std::int64_t now_mono_ns) {
  for (auto it = pending_.begin(); it != pending_.end();) {
    if (it->second.deadline_mono_ns > now_mono_ns) {
      ++it;
      continue;
    }
    const Pending late = std::move(it->second);
    it = pending_.erase(it);
    if (late.task->abandon()) {
      server_->respond(late.id, error_response(503, "store_busy",
                                               "the disk did not get to this in time; nothing was "
                                               "done",
                                               "rollback never waits for it"));
    } else {
      server_->respond(late.id,
                       error_response(504, "store_slow",
                                      "the disk did not answer in time; what was asked for may "
                                      "still happen",
                                      "look at status before asking again"));
    }
  }
}

void Api::abandon_all() {
  for (auto& [number, pending] : pending_) (void)pending.task->abandon();
  pending_.clear();
}

}  // namespace banyan::admin
