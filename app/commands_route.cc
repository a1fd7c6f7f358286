// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <string>
#include <vector>

#include "app/commands.h"
#include "app/exit_codes.h"
#include "core/base/text.h"
#include "core/json/json_writer.h"

namespace banyan::app {
namespace {

std::string path_of(const std::string& route, std::string_view action = {}) {
  std::string path = "/routes/" + url_encode(route);
  if (!action.empty()) path += "/" + std::string(action);
  return path;
}

std::string reason_body(const std::string& reason, bool cuts = false) {
  std::string body;
  json::JsonWriter json(body);
  json.begin_object().member("reason", reason);
  if (cuts) json.member("cut", true);
  json.end_object();
  return body;
}

std::vector<std::string> row_of(const json::Value& route) {
  const json::Value* requests = route.find("requests");
  std::string note = shown(route, "conflict");
  return {shown(route, "name"),
          shown(route, "stage"),
          shown(route, "candidate_percent") + " %",
          shown(route, "mirror_percent") + " %",
          shown(route, "mirror_writes"),
          requests ? shown(*requests, "legacy") : "",
          requests ? shown(*requests, "candidate") : "",
          shown(route, "differing"),
          shown(route, "readiness"),
          note};
}

void print_routes(const std::vector<json::Value>& routes) {
  std::vector<std::vector<std::string>> rows = {{"ROUTE", "STAGE", "CANDIDATE", "MIRROR", "WRITES",
                                                 "BY LEGACY", "BY CANDIDATE", "DIFFERING",
                                                 "READINESS", "NOTE"}};
  for (const json::Value& route : routes) rows.push_back(row_of(route));
  print_table(rows);
}

// Prints what a change answered: one route or {"routes": […]}.
int print_change(const Globals& globals, const ApiCall& call) {
  if (!call.ok()) return call.exit_code;
  if (globals.is_json) {
    print_json_line(call.raw);
  } else if (const json::Value* routes = call.body.find("routes")) {
    print_routes(routes->items);
  } else {
    print_routes({call.body});
  }
  return kDone;
}

}  // namespace

int route_list(const Globals& globals) {
  return print_change(globals, call_api(globals, "GET", "/routes"));
}

int route_show(const Globals& globals, const std::string& route) {
  const ApiCall call = call_api(globals, "GET", path_of(route));
  if (!call.ok()) return call.exit_code;
  if (globals.is_json) {
    print_json_line(call.raw);
    return kDone;
  }
  print_routes({call.body});
  if (const json::Value* changed = call.body.find("changed"); changed && changed->is_object()) {
    std::printf("changed %s by %s%s%s\n", shown(*changed, "at").c_str(),
                shown(*changed, "by").c_str(), shown(*changed, "reason").empty() ? "" : ": ",
                shown(*changed, "reason").c_str());
  }
  return kDone;
}

int route_set(const Globals& globals, const RouteSetOptions& options) {
  std::string body;
  json::JsonWriter json(body);
  json.begin_object();
  if (options.candidate_percent) json.member("candidate_percent", *options.candidate_percent);
  if (options.mirror_percent) json.member("mirror_percent", *options.mirror_percent);
  if (options.mirror_writes) json.member("mirror_writes", *options.mirror_writes == "true");
  json.member("reason", options.reason);
  if (options.is_forced) json.member("force", true);
  json.end_object();
  return print_change(globals, call_api(globals, "PATCH", path_of(options.route), body));
}

int route_rollback(const Globals& globals, const std::string& route, const std::string& reason,
                   bool cuts) {
  const std::string path = route.empty() ? "/rollback" : path_of(route, "rollback");
  return print_change(globals, call_api(globals, "POST", path, reason_body(reason, cuts)));
}

int route_reset(const Globals& globals, const std::string& route, const std::string& reason) {
  return print_change(globals,
                      call_api(globals, "POST", path_of(route, "reset"), reason_body(reason)));
}

int route_history(const Globals& globals, const std::string& route) {
  std::string path = "/routes/history";
  if (!route.empty()) path += "?route=" + url_encode(route);
  const ApiCall call = call_api(globals, "GET", path);
  if (!call.ok()) return call.exit_code;
  if (globals.is_json) {
    print_json_line(call.raw);
    return kDone;
  }
  std::vector<std::vector<std::string>> rows = {
      {"TIME", "ROUTE", "ACTION", "BY", "CANDIDATE", "MIRROR", "REASON"}};
  if (const json::Value* history = call.body.find("history")) {
    for (const json::Value& change : history->items) {
      const json::Value* before = change.find("before");
      const json::Value* after = change.find("after");
      const auto moved = [&](std::string_view dial) {
        return (before ? shown(*before, dial) : "?") + " → " + (after ? shown(*after, dial) : "?");
      };
      rows.push_back({shown(change, "at"), shown(change, "route"), shown(change, "action"),
                      shown(change, "by"), moved("candidate_percent"), moved("mirror_percent"),
                      shown(change, "reason")});
    }
  }
  print_table(rows);
  return kDone;
}

int route_explain(const Globals& globals, const std::string& method, const std::string& url,
                  const std::vector<std::string>& headers) {
  std::string body;
  json::JsonWriter json(body);
  json.begin_object().member("method", method).member("url", url).key("headers").begin_array();
  for (const std::string& header : headers) json.string(header);
  json.end_array().end_object();
  const ApiCall call = call_api(globals, "POST", "/routes/explain", body);
  if (!call.ok()) return call.exit_code;
  if (globals.is_json) {
    print_json_line(call.raw);
    return kDone;
  }
  const json::Value& told = call.body;
  std::printf("route      %s\n", shown(told, "route").c_str());
  std::printf("answers    %s (%s)\n", shown(told, "primary").c_str(),
              shown(told, "decision").c_str());
  std::printf("mirror     %s\n", shown(told, "mirror").c_str());
  std::printf("session    %s from %s; answer bucket %s, mirror bucket %s\n",
              shown(told, "session").c_str(), shown(told, "sticky_source").c_str(),
              shown(told, "answer_bucket").c_str(), shown(told, "mirror_bucket").c_str());
  if (const json::Value* losers = told.find("losers")) {
    for (const json::Value& loser : losers->items) {
      std::printf("not %s: %s\n", shown(loser, "route").c_str(), shown(loser, "why").c_str());
    }
  }
  return kDone;
}

int mirror_switch(const Globals& globals, bool pauses) {
  const ApiCall call = call_api(globals, "POST", pauses ? "/mirror/pause" : "/mirror/resume", "{}");
  if (!call.ok()) return call.exit_code;
  if (globals.is_json)
    print_json_line(call.raw);
  else
    std::printf("mirror %s\n", pauses ? "paused; copies wait in the log" : "resumed");
  return kDone;
}

}  // namespace banyan::app
