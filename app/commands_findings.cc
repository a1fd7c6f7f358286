// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <set>
#include <string>
#include <vector>

#include "app/commands.h"
#include "app/exit_codes.h"
#include "core/json/json_writer.h"

namespace banyan::app {
namespace {

void print_example(const json::Value& finding) {
  const json::Value* example = finding.find("example");
  if (example == nullptr) return;
  for (const char* member : {"at", "legacy", "candidate"}) {
    std::printf("%-11s %s\n", member, shown(*example, member).c_str());
  }
}

// "87 % of them have ?currency=, against 4 % of all"
void print_special(const json::Value& finding) {
  const json::Value* special = finding.find("special");
  if (special == nullptr) return;
  for (const json::Value& one : special->items) {
    std::printf("%-11s %.0f %% of them have %s, against %.0f %% of all\n", "special",
                100 * one.number_or("differing", 0), shown(one, "what").c_str(),
                100 * one.number_or("all", 0));
  }
}

void print_finding(const json::Value& finding) {
  const auto line = [&](const char* label, std::string_view member) {
    if (const std::string text = shown(finding, member); !text.empty()) {
      std::printf("%-11s %s\n", label, text.c_str());
    }
  };
  line("finding", "id");
  line("issue", "issue");
  line("state", "state");
  line("standing", "standing");
  if (const json::Value* evidence = finding.find("evidence")) {
    std::printf("%-11s %s\n", "evidence", shown(*evidence, "text").c_str());
  }
  line("reason", "reason");
  line("route", "route");
  line("endpoint", "endpoint");
  line("path", "path");
  line("kind", "kind");
  line("transition", "transition");
  line("count", "count");
  line("exchanges", "exchanges");
  line("first seen", "first_seen");
  line("last seen", "last_seen");
  print_example(finding);
  print_special(finding);
  if (const json::Value* exemplars = finding.find("exemplars")) {
    for (const json::Value& id : exemplars->items) {
      std::printf("%-11s banyan exchange %s\n", "exemplar", id.text.c_str());
    }
  }
}

std::string several(const json::Value& of, std::string_view member, const char* one,
                    const char* many) {
  return shown(of, member) + " " + (of.number_or(member, 0) == 1 ? one : many);
}

// "40 endpoints of 3 routes, 12345 exchanges"
std::string extent_of(const json::Value& issue) {
  return several(issue, "endpoint_count", "endpoint", "endpoints") + " of " +
         several(issue, "route_count", "route", "routes") + ", " +
         several(issue, "exchanges", "exchange", "exchanges");
}

// "open", "accepted", "bug", or how many are what.
std::string state_of(const json::Value& issue) {
  std::string out;
  for (const char* state : {"open", "accepted", "bug"}) {
    const std::string count = shown(issue, state);
    if (count == "0") continue;
    if (issue.number_or(state, 0) == issue.number_or("finding_count", 0)) return state;
    out += (out.empty() ? "" : ", ") + count + " " + state;
  }
  return out.empty() ? "tolerated" : out;
}

// What legacy does as well comes last, noise and races not at all unless asked for.
constexpr int kNoiseRank = 2;
int rank_of(const json::Value& finding) {
  const std::string standing = shown(finding, "standing");
  if (standing == "noise" || standing == "race") return kNoiseRank;
  return standing == "flaky" || standing == "blind" ? 1 : 0;
}

// The findings of several endpoints stand under their issue, one line for all.
void print_issues(const json::Value& issues, const std::set<std::string>& left_out) {
  std::vector<std::vector<std::string>> rows = {
      {"ISSUE", "STATE", "STANDING", "WHAT", "WHERE", "LAST SEEN"}};
  for (const json::Value& issue : issues.items) {
    if (left_out.count(shown(issue, "id")) > 0) continue;
    rows.push_back({shown(issue, "id"), state_of(issue), shown(issue, "standing"),
                    shown(issue, "label"), extent_of(issue), shown(issue, "last_seen")});
  }
  if (rows.size() == 1) return;
  print_table(rows);
  std::printf("\n");
}

// But those of the issues in `told`.
void print_finding_table(const json::Value& findings, const std::set<std::string>& told = {},
                         bool shows_noise = true) {
  std::vector<std::vector<std::string>> rows = {{"ID", "STATE", "STANDING", "ROUTE", "ENDPOINT",
                                                 "PATH", "KIND", "CHANGE", "COUNT", "LAST SEEN"}};
  for (int rank = 0; rank <= kNoiseRank; ++rank) {
    for (const json::Value& finding : findings.items) {
      if (rank_of(finding) != rank || told.count(shown(finding, "issue")) > 0) continue;
      if (rank == kNoiseRank && !shows_noise) continue;
      rows.push_back({shown(finding, "id"), shown(finding, "state"), shown(finding, "standing"),
                      shown(finding, "route"), shown(finding, "endpoint"), shown(finding, "path"),
                      shown(finding, "kind"), shown(finding, "transition"), shown(finding, "count"),
                      shown(finding, "last_seen")});
    }
  }
  if (rows.size() > 1) print_table(rows);
}

void print_issue(const json::Value& issue) {
  std::printf("%-11s %s\n%-11s %s\n%-11s %s\n", "issue", shown(issue, "id").c_str(), "what",
              shown(issue, "label").c_str(), "state", state_of(issue).c_str());
  std::printf("%-11s %s\n%-11s %s\n%-11s %s\n", "where", extent_of(issue).c_str(), "first seen",
              shown(issue, "first_seen").c_str(), "last seen", shown(issue, "last_seen").c_str());
  const json::Value* details = issue.find("details");
  if (details == nullptr || details->items.empty()) return;
  const json::Value& most = details->items.front();
  print_example(most);
  if (const json::Value* exemplars = most.find("exemplars");
      exemplars && !exemplars->items.empty()) {
    std::printf("%-11s banyan exchange %s\n", "exemplar", exemplars->items[0].text.c_str());
  }
  std::printf("\n");
  print_finding_table(*details);
  const double count = issue.number_or("finding_count", 0);
  if (count > static_cast<double>(details->items.size())) {
    std::printf("and %.0f more findings\n", count - static_cast<double>(details->items.size()));
  }
}

// "Deciding these 2 explains 98.4 % of the 125 exchanges that differ: ID ID"
void print_explained(const json::Value& findings) {
  const json::Value* explained = findings.find("explained");
  const json::Value* steps = explained == nullptr ? nullptr : explained->find("steps");
  if (steps == nullptr || steps->items.empty()) return;
  const double exchanges = explained->number_or("exchanges", 0);
  const double share = exchanges > 0 ? explained->number_or("explained", 0) / exchanges : 0;
  std::string ids;
  for (const json::Value& step : steps->items) {
    ids += " " + shown(step, step.number_or("findings", 1) > 1 ? "issue" : "finding");
  }
  const std::size_t count = steps->items.size();
  const std::string which = count == 1 ? "this one" : "these " + std::to_string(count);
  std::printf("\ndeciding %s explains %.1f %% of the %.0f exchanges that differ:%s\n",
              which.c_str(), share * 100, exchanges, ids.c_str());
}

}  // namespace

int findings_list(const Globals& globals, const std::string& route, const std::string& state,
                  bool shows_all) {
  std::string path = "/findings";
  char separator = '?';
  for (const auto& [name, value] :
       {std::pair<const char*, const std::string&>{"route", route}, {"state", state}}) {
    if (value.empty()) continue;
    path += separator + std::string(name) + "=" + url_encode(value);
    separator = '&';
  }
  const ApiCall call = call_api(globals, "GET", path);
  if (!call.ok()) return call.exit_code;
  if (globals.is_json) {
    print_json_line(call.raw);
    return kDone;
  }
  const json::Value* findings = call.body.find("findings");
  if (findings == nullptr || findings->items.empty()) {
    std::printf("no findings\n");
    return kDone;
  }
  std::set<std::string> told, told_otherwise;  // issues; those with more than noise
  std::size_t noisy = 0;
  for (const json::Value& finding : findings->items) {
    if (rank_of(finding) == kNoiseRank && !shows_all) {
      ++noisy;
    } else {
      told_otherwise.insert(shown(finding, "issue"));
    }
  }
  std::set<std::string> left_out;
  const json::Value* issues = call.body.find("issues");
  if (issues != nullptr && !issues->items.empty()) {
    for (const json::Value& issue : issues->items) {
      told.insert(shown(issue, "id"));
      if (told_otherwise.count(shown(issue, "id")) == 0) left_out.insert(shown(issue, "id"));
    }
    print_issues(*issues, left_out);
  }
  print_finding_table(*findings, told, shows_all);
  if (noisy > 0)
    std::printf("%zu more %s noise or races with writes (--all shows them)\n", noisy,
                noisy == 1 ? "is" : "are");
  print_explained(call.body);
  return kDone;
}

int findings_show(const Globals& globals, const std::string& id) {
  const ApiCall call = call_api(globals, "GET", "/findings/" + url_encode(id));
  if (!call.ok()) return call.exit_code;
  if (globals.is_json)
    print_json_line(call.raw);
  else if (call.body.find("finding_count") != nullptr)
    print_issue(call.body);
  else
    print_finding(call.body);
  return kDone;
}

int findings_set(const Globals& globals, const std::string& id, const std::string& state,
                 const std::string& reason, const std::string& until) {
  std::string body;
  json::JsonWriter json(body);
  json.begin_object().member("state", state).member("reason", reason);
  if (!until.empty()) json.member("until", until);
  json.end_object();
  const ApiCall call = call_api(globals, "PATCH", "/findings/" + url_encode(id), body);
  if (!call.ok()) return call.exit_code;
  if (globals.is_json)
    print_json_line(call.raw);
  else
    std::printf("%s is %s\n", shown(call.body, "id").c_str(), state.c_str());
  return kDone;
}

int exchange_show(const Globals& globals, const std::string& id) {
  const ApiCall call = call_api(globals, "GET", "/exchanges/" + url_encode(id));
  if (!call.ok()) return call.exit_code;
  if (globals.is_json) {
    print_json_line(call.raw);
    return kDone;
  }
  const json::Value& exchange = call.body;
  std::printf("%s  %s %s\n", shown(exchange, "id").c_str(), shown(exchange, "method").c_str(),
              shown(exchange, "target").c_str());
  std::printf("started %s, route %s, answered by %s (%s)\n", shown(exchange, "started").c_str(),
              shown(exchange, "route").c_str(), shown(exchange, "primary").c_str(),
              shown(exchange, "decision").c_str());
  if (const json::Value* mirror = exchange.find("mirror")) {
    std::printf("mirror %s %s\n", shown(*mirror, "state").c_str(),
                shown(*mirror, "reason").c_str());
  }
  if (const json::Value* responses = exchange.find("responses")) {
    for (const auto& [system, answer] : responses->members) {
      std::printf("%-10s status %s, %s s, %s bytes\n", system.c_str(),
                  shown(answer, "status").c_str(), shown(answer, "duration").c_str(),
                  shown(answer, "body_bytes").c_str());
    }
  }
  std::printf("verdict %s\n", shown(exchange, "verdict").c_str());
  if (const json::Value* differences = exchange.find("differences")) {
    for (const json::Value& difference : differences->items) {
      std::printf("  %s %s\n    - legacy    %s\n    + candidate %s\n",
                  shown(difference, "kind").c_str(), shown(difference, "at").c_str(),
                  shown(difference, "legacy").c_str(), shown(difference, "candidate").c_str());
    }
  }
  return kDone;
}

}  // namespace banyan::app
