// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "app/commands.h"
#include "app/doctor.h"
#include "app/exit_codes.h"
#include "app/libraries.h"
#include "config/config.h"
#include "core/base/file_system.h"
#include "core/base/text.h"
#include "core/json/json_writer.h"
#include "core/net/resolve.h"
#include "core/net/system_url.h"

namespace banyan::app {
namespace {

volatile std::sig_atomic_t g_interrupts = 0;

extern "C" void on_interrupt(int) {
  g_interrupts = g_interrupts + 1;
  if (g_interrupts > 1) _exit(kInterrupted);
}

bool is_true(const json::Value& object, std::string_view member) {
  return shown(object, member) == "yes";
}

std::string in_short(double seconds) {
  return format_duration_ns(static_cast<std::int64_t>(seconds * 1e9));
}

std::string per_second(const json::Value& object, std::string_view member) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f/s", object.number_or(member, 0));
  return text;
}

void print_line(const char* what, const std::string& text) {
  std::printf("%-11s%s\n", what, text.c_str());
}

std::string in_words(const json::Value& address) {
  std::string line =
      escape_for_terminal(shown(address, "address")) + "  " + shown(address, "state");
  if (const double left = address.number_or("ejected_for", 0); left > 0) {
    line += " for " + in_short(left);
  }
  if (address.number_or("share", 0) < 1) line += " at " + shown(address, "share");
  line += ", " + shown(address, "in_flight") + " in flight, " + shown(address, "requests") +
          " requests, " + shown(address, "failures") + " failed";
  if (const std::string health = shown(address, "health"); health == "healthy") {
    line += ", " + health;
  }
  if (const std::string why = shown(address, "reason"); !why.empty()) {
    line += ": " + escape_for_terminal(why);
  }
  return line;
}

// Each address with what is thought of it; names and the circuit only where they are in trouble.
void print_upstream(const json::Value& system) {
  if (const json::Value* addresses = system.find("addresses")) {
    if (addresses->items.empty()) print_line("", "NO ADDRESS");
    for (const json::Value& address : addresses->items) print_line("", in_words(address));
  }
  if (const json::Value* names = system.find("names")) {
    for (const json::Value& name : names->items) {
      const std::string error = shown(name, "error");
      if (!error.empty()) print_line("", "DNS: " + shown(name, "name") + ": " + error);
    }
  }
  const std::string circuit = shown(system, "circuit");
  if (!circuit.empty() && circuit != "closed") {
    print_line("", "circuit " + circuit + ": copies wait until it answers");
  }
}

void print_systems(const json::Value& status) {
  const json::Value* systems = status.find("systems");
  if (systems == nullptr || !systems->is_object()) return;
  for (const char* name : {"legacy", "candidate"}) {
    const json::Value* system = systems->find(name);
    const json::Value* urls = system == nullptr ? nullptr : system->find("urls");
    if (urls == nullptr) continue;
    std::string line;
    for (const json::Value& url : urls->items) {
      line += (line.empty() ? "" : ", ") + escape_for_terminal(url.text);
    }
    print_line(name, line);
    print_upstream(*system);
  }
}

void print_config(const json::Value& config) {
  std::string line = shown(config, "path") + ", generation " + shown(config, "generation") +
                     ", in force since " + shown(config, "loaded");
  if (const json::Value* last = config.find("last_reload"); last != nullptr && last->is_object()) {
    line += "; last reload " + shown(*last, "at") + " by " + shown(*last, "by") + ": " +
            shown(*last, "result");
    if (const std::string why = shown(*last, "message"); !why.empty()) line += ": " + why;
  }
  print_line("config", line);
}

void print_proxy(const json::Value& proxy) {
  print_line("traffic", per_second(proxy, "requests_per_second") + ", " +
                            shown(proxy, "exchanges_open") + " open, " + shown(proxy, "exchanges") +
                            " since the start, " + shown(proxy, "refused") + " refused, " +
                            shown(proxy, "connections_open") + " connections");
  const json::Value* reasons = proxy.find("refused_by_reason");
  if (reasons == nullptr || !reasons->is_object() || reasons->members.empty()) return;
  std::string line;
  for (const auto& [reason, count] : reasons->members) {
    line += (line.empty() ? "" : ", ") + escape_for_terminal(reason) + " " + count.text;
  }
  print_line("refused", line);
}

void print_mirror(const json::Value& mirror) {
  std::string line = per_second(mirror, "mirrored_per_second") + ", " + shown(mirror, "pending") +
                     " pending (" + shown(mirror, "pending_writes") + " writes), " +
                     shown(mirror, "in_flight") + " in flight, lag " +
                     in_short(mirror.number_or("lag", 0));
  if (is_true(mirror, "paused")) line += ", PAUSED";
  if (const std::string why = shown(mirror, "waiting_for"); !why.empty()) {
    line += ", waits for " + why;
  }
  print_line("mirror", line);
}

void print_comparator(const json::Value& comparator) {
  print_line("compare", per_second(comparator, "compared_per_second") + ", " +
                            shown(comparator, "equal") + " equal, " +
                            shown(comparator, "tolerated") + " tolerated, " +
                            shown(comparator, "different") + " different, " +
                            shown(comparator, "incomparable") + " incomparable, " +
                            shown(comparator, "lag_records") + " records behind");
}

void print_log(const json::Value& log) {
  std::string line = format_size(static_cast<std::uint64_t>(log.number_or("bytes", 0))) + " in " +
                     shown(log, "segments") + " segments, last sync " +
                     in_short(log.number_or("last_sync", 0));
  if (const std::string failure = shown(log, "failure"); !failure.empty()) {
    line += ", FAILED: " + failure;
  }
  print_line("log", line);
}

void print_routes(const json::Value& routes) {
  std::vector<std::vector<std::string>> rows = {
      {"ROUTE", "STAGE", "CANDIDATE", "MIRROR", "DIFFERING", "READINESS", "NOTE"}};
  for (const json::Value& route : routes.items) {
    rows.push_back({shown(route, "name"), shown(route, "stage"),
                    shown(route, "candidate_percent") + " %", shown(route, "mirror_percent") + " %",
                    shown(route, "differing"), shown(route, "readiness"),
                    shown(route, "conflict")});
  }
  print_table(rows);
}

void print_status(const json::Value& status) {
  std::printf("banyan %s, %s, up %s, log epoch %s\n", shown(status, "version").c_str(),
              is_true(status, "ready") ? "ready" : "NOT READY",
              in_short(status.number_or("uptime", 0)).c_str(), shown(status, "epoch").c_str());
  if (const json::Value* config = status.find("config"); config != nullptr && config->is_object()) {
    print_config(*config);
  }
  print_systems(status);
  const auto part = [&status](std::string_view name, void (*print)(const json::Value&)) {
    const json::Value* found = status.find(name);
    if (found != nullptr && found->is_object()) print(*found);
  };
  part("proxy", print_proxy);
  part("mirror", print_mirror);
  part("comparator", print_comparator);
  part("log", print_log);
  part("findings", [](const json::Value& findings) {
    print_line("findings", shown(findings, "open") + " open, " + shown(findings, "accepted") +
                               " accepted, " + shown(findings, "bug") + " bug");
  });
  part("ledger", [](const json::Value& ledger) {
    print_line("ledger", is_true(ledger, "balanced") ? "balances" : "DOES NOT BALANCE");
  });
  if (const json::Value* alarms = status.find("alarms")) {
    for (const json::Value& alarm : alarms->items) {
      print_line("ALARM", escape_for_terminal(alarm.text));
    }
  }
  if (const json::Value* routes = status.find("routes")) print_routes(*routes);
}

}  // namespace

bool was_interrupted() { return g_interrupts > 0; }

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

int status(const Globals& globals, bool is_watching) {
  catch_interrupts();
  for (;;) {
    const ApiCall call = call_api(globals, "GET", "/status");
    if (!call.ok()) return call.exit_code;
    if (globals.is_json) {
      print_json_line(call.raw);
    } else {
      if (is_watching && isatty(STDOUT_FILENO)) std::printf("\033[H\033[2J");
      print_status(call.body);
    }
    if (!is_watching) return kDone;
    std::fflush(stdout);
    sleep(1);
    if (was_interrupted()) return kDone;
  }
}

namespace {

// What stays out of the log, and the price of it, in words.
void tell_redaction(const std::string& path, const model::RedactionOptions& redaction) {
  bool looks_into_bodies = false;
  for (const model::RedactionRule& rule : redaction.rules) {
    const bool is_pattern = !rule.expression.empty() || rule.field.starts_with("pattern:");
    looks_into_bodies |=
        is_pattern ? (rule.places & model::kInBody) != 0 : rule.field.starts_with("body:");
    const std::string what =
        rule.expression.empty() ? rule.field : "\"" + rule.name + "\" (" + rule.expression + ")";
    std::string places;
    if (is_pattern && rule.places == model::kInEverything) {
      places = " everywhere";
    } else if (is_pattern) {
      if ((rule.places & model::kInBody) != 0) places += " body";
      if ((rule.places & model::kInQuery) != 0) places += " query";
      if ((rule.places & model::kInPath) != 0) places += " path";
      if ((rule.places & model::kInHeaders) != 0) places += " headers";
      places = " in" + places;
    }
    std::printf("%s: redacts %s%s, the real value %s\n", path.c_str(),
                escape_for_terminal(what).c_str(), places.c_str(),
                rule.is_dropped ? "is dropped" : "is sealed for copies");
  }
  if (looks_into_bodies) {
    std::printf("%s: bodies that are not read whole (log.inline_body) are not recorded\n",
                path.c_str());
  }
}

}  // namespace

int check(const Globals& globals) {
  const std::string path = globals.config_path.empty() ? "banyan.toml" : globals.config_path;
  config::LoadResult loaded = config::load_file(path, globals.overrides);
  loaded.be_strict();
  std::size_t errors = 0;
  for (const config::Diagnostic& diagnostic : loaded.diagnostics) {
    if (!diagnostic.is_warning) ++errors;
    std::fprintf(stderr, "%s\n", diagnostic.to_text().c_str());
  }
  if (!loaded.ok()) {
    std::fprintf(stderr, "%s: %zu error%s\n", path.c_str(), errors, errors == 1 ? "" : "s");
    return kConfigInvalid;
  }
  for (const auto& [system, urls] : {std::pair<const char*, const std::vector<std::string>&>{
                                         "legacy", loaded.config.legacy_urls},
                                     {"candidate", loaded.config.candidate_urls},
                                     {"legacy_twin", loaded.config.twin_urls}}) {
    for (const std::string& url : urls) {
      const auto parsed = net::parse_system_url(url);
      if (!parsed.ok() || parsed->is_literal) continue;
      const auto found = net::resolve_name(parsed->host, loaded.config.dns, kLookupPatienceNs);
      if (!found.ok()) {
        std::fprintf(stderr, "%s: warning: systems.%s: %s\n", path.c_str(), system,
                     found.error().message.c_str());
      }
    }
  }
  std::printf("%s: ok, %zu routes\n", path.c_str(), loaded.config.routing.routes.size());
  tell_redaction(path, loaded.config.redaction);
  return kDone;
}

int init(const std::string& legacy_url, const std::string& candidate_url) {
  const std::string path = "banyan.toml";
  FileSystem& files = FileSystem::posix();
  if (files.exists(path)) {
    complain("banyan.toml exists already; move it away first");
    return kUsage;
  }
  const std::string text =
      config::starter_text(legacy_url.empty() ? "http://127.0.0.1:9001" : legacy_url,
                           candidate_url.empty() ? "http://127.0.0.1:9002" : candidate_url);
  if (const Status written = files.write_file_atomically(path, text); !written.ok()) {
    return fail_with(written.error());
  }
  std::printf(
      "wrote banyan.toml\nnext: banyan check -c banyan.toml && banyan serve -c banyan.toml\n");
  return kDone;
}

int version(bool is_json) {
  if (is_json) {
    std::string out;
    json::JsonWriter json(out);
    json.begin_object().member("schema", "banyan/version/1").member("version", BANYAN_VERSION);
    json.key("libraries").begin_object();
    for (const auto& [name, number] : linked_libraries()) json.member(name, number);
    json.end_object().end_object();
    print_json_line(out);
  } else {
    std::printf("banyan %s\n", BANYAN_VERSION);
  }
  return kDone;
}

}  // namespace banyan::app
