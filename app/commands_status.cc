// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

#include "app/commands.h"
#include "app/exit_codes.h"
#include "config/config.h"
#include "core/base/file_system.h"
#include "core/base/text.h"
#include "core/json/json_writer.h"

namespace banyan::app {
namespace {

volatile std::sig_atomic_t g_interrupts = 0;

extern "C" void on_interrupt(int) {
  g_interrupts = g_interrupts + 1;
  if (g_interrupts > 1) _exit(kInterrupted);
}

void print_status(const json::Value& status) {
  std::printf("banyan %s, up since %s, log epoch %s\n", shown(status, "version").c_str(),
              shown(status, "started").c_str(), shown(status, "epoch").c_str());
  if (const json::Value* mirror = status.find("mirror"); mirror && mirror->is_object()) {
    std::printf("mirror     pending %s, in flight %s, lag %s s %s\n",
                shown(*mirror, "pending").c_str(), shown(*mirror, "in_flight").c_str(),
                shown(*mirror, "lag").c_str(), shown(*mirror, "waiting_for").c_str());
  }
  if (const json::Value* log = status.find("log"); log && log->is_object()) {
    std::printf("log        %s bytes in %s segments%s%s\n", shown(*log, "bytes").c_str(),
                shown(*log, "segments").c_str(), shown(*log, "failure").empty() ? "" : ", FAILED: ",
                shown(*log, "failure").c_str());
  }
  if (const json::Value* alarms = status.find("alarms")) {
    for (const json::Value& alarm : alarms->items) {
      std::printf("ALARM      %s\n", escape_for_terminal(alarm.text).c_str());
    }
  }
  if (const json::Value* routes = status.find("routes")) {
    std::vector<std::vector<std::string>> rows = {
        {"ROUTE", "STAGE", "CANDIDATE", "MIRROR", "DIFFERING", "NOTE"}};
    for (const json::Value& route : routes->items) {
      rows.push_back({shown(route, "name"), shown(route, "stage"),
                      shown(route, "candidate_percent") + " %",
                      shown(route, "mirror_percent") + " %", shown(route, "differing"),
                      shown(route, "conflict")});
    }
    print_table(rows);
  }
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

int check(const Globals& globals) {
  const std::string path = globals.config_path.empty() ? "banyan.toml" : globals.config_path;
  const config::LoadResult loaded = config::load_file(path, globals.overrides);
  std::size_t errors = 0;
  for (const config::Diagnostic& diagnostic : loaded.diagnostics) {
    if (!diagnostic.is_warning) ++errors;
    std::fprintf(stderr, "%s\n", diagnostic.to_text().c_str());
  }
  if (!loaded.ok()) {
    std::fprintf(stderr, "%s: %zu error%s\n", path.c_str(), errors, errors == 1 ? "" : "s");
    return kConfigInvalid;
  }
  for (const auto& [system, urls] :
       {std::pair<const char*, const std::vector<std::string>&>{"legacy", loaded.config.legacy_urls},
        {"candidate", loaded.config.candidate_urls}}) {
    for (const std::string& url : urls) {
      const auto addresses = net::resolve_url(url);
      if (!addresses.ok()) {
        std::fprintf(stderr, "%s: warning: systems.%s: %s\n", path.c_str(), system,
                     addresses.error().message.c_str());
      }
    }
  }
  std::printf("%s: ok, %zu routes\n", path.c_str(), loaded.config.routing.routes.size());
  return kDone;
}

int init(const std::string& legacy_url, const std::string& candidate_url) {
  const std::string path = "banyan.toml";
  FileSystem& files = FileSystem::posix();
  if (files.exists(path)) {
    complain("banyan.toml exists already; move it away first");
    return kUsage;
  }
  const std::string text = config::starter_text(
      legacy_url.empty() ? "http://127.0.0.1:9001" : legacy_url,
      candidate_url.empty() ? "http://127.0.0.1:9002" : candidate_url);
  if (const Status written = files.write_file_atomically(path, text); !written.ok()) {
    return fail_with(written.error());
  }
  std::printf("wrote banyan.toml\nnext: banyan check -c banyan.toml && banyan serve -c banyan.toml\n");
  return kDone;
}

int version(bool is_json) {
  if (is_json) {
    std::string out;
    json::JsonWriter json(out);
    json.begin_object().member("schema", "banyan/version/1").member("version", BANYAN_VERSION);
    json.end_object();
    print_json_line(out);
  } else {
    std::printf("banyan %s\n", BANYAN_VERSION);
  }
  return kDone;
}

}  // namespace banyan::app
