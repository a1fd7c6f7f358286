// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <cstdio>
#include <string>

#include "app/commands.h"
#include "app/exit_codes.h"
#include "core/base/text.h"
#include "core/json/json_writer.h"

namespace banyan::app {
namespace {

constexpr useconds_t kPollMicroseconds = 200'000;

void print_progress(const json::Value& run, bool is_terminal) {
  std::fprintf(stderr, "%s%s %s: %s of %s sent, %s answered, %s different, %s skipped%s",
               is_terminal ? "\r\033[K" : "", shown(run, "kind").c_str(), shown(run, "id").c_str(),
               shown(run, "sent").c_str(), shown(run, "total").c_str(),
               shown(run, "answered").c_str(), shown(run, "different").c_str(),
               shown(run, "skipped").c_str(), is_terminal ? "" : "\n");
}

void print_result(const json::Value& run) {
  std::printf(
      "%s %s %s: considered %s, selected %s, sent %s, answered %s, no answer %s, skipped %s\n",
      shown(run, "kind").c_str(), shown(run, "id").c_str(), shown(run, "state").c_str(),
      shown(run, "considered").c_str(), shown(run, "selected").c_str(), shown(run, "sent").c_str(),
      shown(run, "answered").c_str(), shown(run, "no_answer").c_str(),
      shown(run, "skipped").c_str());
  std::printf("compared: equal %s, tolerated %s, different %s, incomparable %s\n",
              shown(run, "equal").c_str(), shown(run, "tolerated").c_str(),
              shown(run, "different").c_str(), shown(run, "incomparable").c_str());
  if (const std::string message = shown(run, "message"); !message.empty()) {
    std::printf("%s\n", message.c_str());
  }
  const json::Value* remaining = run.find("remaining_list");
  if (remaining == nullptr || remaining->items.empty()) return;
  std::printf("remaining: %s\n", shown(run, "remaining").c_str());
  for (const json::Value& item : remaining->items) {
    std::printf("  %s %s %s %s: %s\n", shown(item, "exchange").c_str(),
                shown(item, "route").c_str(), shown(item, "method").c_str(),
                shown(item, "target").c_str(), shown(item, "why").c_str());
  }
}

// Follows a run on the server until it ends; Ctrl-C cancels it there, its progress is kept.
ApiCall follow(const Globals& globals, ApiCall call) {
  catch_interrupts();
  const bool is_terminal = isatty(STDERR_FILENO) != 0;
  bool is_cancelled = false;
  int polls = 0;
  while (call.ok() && call.body.string_or("state", "") == "running") {
    const std::string path = "/replays/" + url_encode(shown(call.body, "id"));
    if (was_interrupted() && !is_cancelled) {
      call = call_api(globals, "DELETE", path);
      is_cancelled = true;
      continue;
    }
    if (is_terminal || ++polls % 50 == 0) print_progress(call.body, is_terminal);
    usleep(kPollMicroseconds);
    call = call_api(globals, "GET", path);
  }
  if (is_terminal) std::fprintf(stderr, "\r\033[K");
  return call;
}

int finish(const Globals& globals, const ApiCall& call, bool needs_nothing_remaining) {
  if (!call.ok()) return call.exit_code;
  if (globals.is_json)
    print_json_line(call.raw);
  else
    print_result(call.body);
  const std::string_view state = call.body.string_or("state", "");
  if (state == "cancelled" || state == "interrupted") {
    std::fprintf(stderr, "progress is saved; go on with: banyan replay --resume %s\n",
                 shown(call.body, "id").c_str());
    return kInterrupted;
  }
  if (state == "failed") return kNegativeResult;
  if (needs_nothing_remaining && call.body.number_or("remaining", 0) > 0) return kNegativeResult;
  return kDone;
}

}  // namespace

int replay(const Globals& globals, const ReplayOptions& options) {
  if (!options.resume.empty()) {
    return finish(
        globals,
        follow(globals, call_api(globals, "POST",
                                 "/replays/" + url_encode(options.resume) + "/resume", "{}")),
        false);
  }
  double speed = 0;
  if (options.speed != "max") {
    const auto parsed = parse_double(options.speed);
    if (!parsed || *parsed <= 0) {
      complain("--speed takes a positive number or max, not \"" + options.speed + "\"");
      return kUsage;
    }
    speed = *parsed;
  }
  std::string body;
  json::JsonWriter json(body);
  json.begin_object().member("kind", "replay").member("to", options.to);
  if (!options.from.empty()) json.member("from", options.from);
  if (!options.to_time.empty()) json.member("to_time", options.to_time);
  json.member("filter", options.filter).member("only", options.only);
  json.key("speed");
  if (speed == 0)
    json.string("max");
  else
    json.number(speed);
  json.member("concurrency", static_cast<std::uint64_t>(options.concurrency));
  json.member("dry_run", options.is_dry_run).end_object();
  return finish(globals, follow(globals, call_api(globals, "POST", "/replays", body)), false);
}

int reconcile(const Globals& globals, const std::string& route) {
  std::string body;
  json::JsonWriter json(body);
  json.begin_object().member("kind", "reconcile").member("route", route).end_object();
  return finish(globals, follow(globals, call_api(globals, "POST", "/replays", body)), true);
}

}  // namespace banyan::app
