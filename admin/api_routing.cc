// SPDX-License-Identifier: Apache-2.0
//
// Endpoints about routes. All but changes that may raise a share run on the admin loop.
#include <algorithm>
#include <memory>

#include "admin/api.h"
#include "admin/body.h"
#include "admin/json_shapes.h"
#include "core/base/text.h"
#include "core/json/json_writer.h"
#include "ledger/ledger.h"
#include "proxy/proxy.h"
#include "routing/routing_control.h"

namespace banyan::admin {
namespace {

const routing::RouteStatus* find_route(const std::vector<routing::RouteStatus>& routes,
                                       std::string_view name) {
  for (const routing::RouteStatus& route : routes) {
    if (route.name == name) return &route;
  }
  return nullptr;
}

HttpResponse no_such_route(std::string_view name, const std::vector<routing::RouteStatus>& routes) {
  std::vector<std::string> names;
  for (const routing::RouteStatus& route : routes) names.push_back(route.name);
  const auto near = nearest_name(name, names);
  return error_response(404, "not_found",
                        "there is no route \"" + escape_for_terminal(name, 128) + "\"",
                        near ? "did you mean \"" + *near + "\"?" : "GET routes lists them");
}

// What `route explain` is asked about.
struct Question {
  std::string method = "GET";
  std::string url;
  std::string client = "127.0.0.1";
  std::vector<std::pair<std::string, std::string>> fields;
};

Status add_field(Question& question, std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) {
    return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kClient,
                      "a header must read name:value");
  }
  question.fields.emplace_back(trim(line.substr(0, colon)), trim(line.substr(colon + 1)));
  return {};
}

Result<Question> question_of_query(const Target& target) {
  Question question;
  for (const auto& [name, value] : target.query) {
    if (name == "method")
      question.method = value;
    else if (name == "url")
      question.url = value;
    else if (name == "client")
      question.client = value;
    else if (name == "h")
      BANYAN_RETURN_IF_ERROR(add_field(question, value));
  }
  return question;
}

Result<Question> question_of_body(const json::Value& body) {
  BANYAN_RETURN_IF_ERROR(check_members(body, {"method", "url", "client", "headers"}));
  Question question;
  for (const auto& [name, out] : {std::pair<const char*, std::string*>("method", &question.method),
                                  {"url", &question.url},
                                  {"client", &question.client}}) {
    auto value = string_member(body, name, 8192);
    if (!value.ok()) return value.error();
    if (*value) *out = **value;
  }
  if (const json::Value* headers = body.find("headers")) {
    for (const json::Value& line : headers->items) {
      BANYAN_RETURN_IF_ERROR(add_field(question, line.text));
    }
  }
  return question;
}

std::string mirror_text(const routing::RouteDecision& decision) {
  std::string text(to_string(decision.mirror));
  if (decision.mirror == MirrorDecision::kSkipped) {
    text += ": " + std::string(to_string(decision.skip));
  }
  return text;
}

std::string explanation_to_json(const routing::RoutingTable::Explanation& told) {
  std::string out;
  json::JsonWriter json(out);
  json.begin_object().member("schema", "banyan/explain/1");
  json.member("route", told.decision.route_name)
      .member("primary", to_string(told.decision.primary));
  json.member("decision", told.decision.decision).member("mirror", mirror_text(told.decision));
  json.member("write", told.decision.is_write).member("session", told.decision.session);
  json.member("sticky_source", told.sticky_source).member("answer_bucket", told.answer_bucket);
  json.member("mirror_bucket", told.mirror_bucket);
  json.member("durability", to_string(told.decision.durability));
  json.member("on_failure", to_string(told.decision.on_failure));
  json.member("record", to_string(told.decision.record));
  json.member("routing_epoch", told.decision.routing_epoch).key("losers").begin_array();
  for (const auto& loser : told.losers) {
    json.begin_object().member("route", loser.route).member("why", loser.why).end_object();
  }
  json.end_array().end_object();
  return out;
}

}  // namespace

HttpResponse Api::route_response(const routing::RouteStatus& route) const {
  const ledger::LedgerSnapshot ledger = services_.ledger.snapshot();
  const auto found = ledger.routes.find(route.name);
  HttpResponse response;
  json::JsonWriter json(response.body);
  const StoreFacts::Words readiness = store_facts_.readiness();
  write_route(json, route, found == ledger.routes.end() ? ledger::Account() : found->second,
              readiness_of(readiness.get(), route.name));
  return response;
}

HttpResponse Api::get_routes(const Call&) const {
  HttpResponse response;
  response.body = routes_to_json(services_.routing.list(), services_.ledger.snapshot(),
                                 store_facts_.readiness().get());
  return response;
}

HttpResponse Api::get_route(const Call& call) const {
  const auto routes = services_.routing.list();
  const auto* route = find_route(routes, call.captures.at(0));
  return route != nullptr ? route_response(*route) : no_such_route(call.captures.at(0), routes);
}

HttpResponse Api::get_ledger(const Call&) const {
  HttpResponse response;
  response.body = services_.ledger.snapshot().to_json();
  return response;
}

// Where in doubt: yes, the store thread may wait for the disk.
bool Api::may_raise(const Call& call) const {
  const auto routes = services_.routing.list();
  const auto* route = find_route(routes, call.captures.at(0));
  if (route == nullptr) return false;
  if (call.request.method == "POST") {
    return route->configured.candidate_share > route->dials.candidate_share;
  }
  const auto share = share_member(call.body, "candidate_percent");
  return share.ok() && share->value_or(0) > route->dials.candidate_share;
}

HttpResponse Api::guarded_dials(const Endpoint& endpoint, const Call& call,
                                const RollbackGuard::Mark& mark) const {
  const std::string& route = call.captures.at(0);
  const auto overtaken = [] {
    return error_response(
        409, "rolled_back",
        "the route was rolled back while this change waited; it stays rolled back",
        "ask again if you mean it");
  };
  if (rollbacks_.mark(route) != mark) return overtaken();
  HttpResponse response = (this->*endpoint.handler)(call);
  if (response.status == 200 && rollbacks_.mark(route) != mark) {
    (void)services_.routing.rollback(route, "api", "rolled back while a change waited");
    return overtaken();
  }
  return response;
}

HttpResponse Api::patch_route(const Call& call) const {
  const Status members = check_members(
      call.body, {"candidate_percent", "mirror_percent", "mirror_writes", "reason", "by", "force"});
  if (!members.ok()) return error_response(members.error());
  const auto candidate = share_member(call.body, "candidate_percent");
  if (!candidate.ok()) return error_response(candidate.error());
  const auto mirror = share_member(call.body, "mirror_percent");
  if (!mirror.ok()) return error_response(mirror.error());
  const auto writes = bool_member(call.body, "mirror_writes");
  if (!writes.ok()) return error_response(writes.error());
  const auto force = bool_member(call.body, "force");
  if (!force.ok()) return error_response(force.error());
  const auto cause = cause_of(call.body);
  if (!cause.ok()) return error_response(cause.error());
  const auto routes = services_.routing.list();
  if (find_route(routes, call.captures.at(0)) == nullptr) {
    return no_such_route(call.captures.at(0), routes);
  }
  const routing::DialsPatch patch{*candidate, *mirror, *writes};
  const auto changed = services_.routing.set(call.captures.at(0), patch, cause->by, cause->reason);
  return changed.ok() ? route_response(*changed) : error_response(changed.error());
}

HttpResponse Api::reset_route(const Call& call) const {
  const Status members = check_members(call.body, {"reason", "by"});
  if (!members.ok()) return error_response(members.error());
  const auto cause = cause_of(call.body);
  if (!cause.ok()) return error_response(cause.error());
  const auto routes = services_.routing.list();
  if (find_route(routes, call.captures.at(0)) == nullptr) {
    return no_such_route(call.captures.at(0), routes);
  }
  const auto changed = services_.routing.reset(call.captures.at(0), cause->by, cause->reason);
  return changed.ok() ? route_response(*changed) : error_response(changed.error());
}

// The way back never asks and never waits: a malformed body costs the reason, not the rollback, as
// long as the route is known.
HttpResponse Api::rollback(const Call& call) const {
  const std::string route = call.captures.empty() ? std::string() : call.captures[0];
  const auto routes = services_.routing.list();
  if (!route.empty() && find_route(routes, route) == nullptr) return no_such_route(route, routes);
  const auto told = cause_of(call.body);
  const Cause cause = told.ok() ? *told : Cause();
  // Noted first: what waits on the store thread must see it, whichever of the two comes first.
  rollbacks_.note(route);
  const auto rolled = services_.routing.rollback(route, cause.by, cause.reason);
  if (!rolled.ok()) return error_response(rolled.error());
  if (call.body.bool_or("cut", false) && services_.proxy != nullptr) services_.proxy->cut(route);
  if (!route.empty() && rolled->size() == 1) return route_response(rolled->front());
  HttpResponse response;
  response.body =
      routes_to_json(*rolled, services_.ledger.snapshot(), store_facts_.readiness().get());
  return response;
}

HttpResponse Api::explain(const Call& call) const {
  const auto question =
      call.request.method == "POST" ? question_of_body(call.body) : question_of_query(call.target);
  if (!question.ok()) return error_response(question.error());
  std::string_view url = question->url;
  routing::RequestFacts facts;
  facts.method = question->method;
  facts.client_address = question->client;
  http::HeaderList fields;
  for (const auto& [name, value] : question->fields) fields.push_back({name, value});
  facts.host = http::find_header(fields, "Host").value_or(std::string_view());
  if (const std::size_t scheme = url.find("://"); scheme != std::string_view::npos) {
    url.remove_prefix(scheme + 3);
    const std::size_t slash = std::min(url.find('/'), url.size());
    if (facts.host.empty()) facts.host = url.substr(0, slash);
    url.remove_prefix(slash);
    if (url.empty()) url = "/";
  }
  if (url.empty() || url[0] != '/') {
    return invalid_argument("url must be http://host/path or /path");
  }
  const std::string host = to_lower(facts.host);
  facts.host = host;
  facts.target = url;
  facts.fields = &fields;
  std::shared_ptr<const routing::RoutingTable> table;
  HttpResponse response;
  response.body = explanation_to_json(services_.routing.cell().load(table).explain(facts));
  return response;
}

}  // namespace banyan::admin
