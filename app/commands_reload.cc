// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <cstdlib>
#include <string>

#include "app/commands.h"
#include "app/exit_codes.h"
#include "config/config.h"
#include "core/base/text.h"

namespace banyan::app {
namespace {

// Reading a config, names and disks can take their time.
constexpr std::int64_t kReloadPatienceNs = 60'000'000'000;

// As `check` prints them.
void print_problems(const json::Value& report) {
  const json::Value* problems = report.find("diagnostics");
  if (problems == nullptr) return;
  for (const json::Value& problem : problems->items) {
    config::Diagnostic found;
    found.file = problem.string_or("file", "");
    found.line = static_cast<int>(problem.number_or("line", 0));
    found.column = static_cast<int>(problem.number_or("column", 0));
    found.is_warning = problem.string_or("severity", "") == "warning";
    found.message = problem.string_or("message", "");
    found.offending = problem.string_or("offending", "");
    found.hint = problem.string_or("hint", "");
    std::fprintf(stderr, "%s\n", found.to_text().c_str());
  }
}

// False, and the problems told, for a file that is no TOML: it does not even say where the server
// is.
bool is_readable(const Globals& globals) {
  const std::string path = globals.config_path.empty() ? "banyan.toml" : globals.config_path;
  const config::LoadResult loaded = config::load_file(path, globals.overrides);
  if (loaded.ok() || !loaded.config.sections.empty()) return true;
  for (const config::Diagnostic& found : loaded.diagnostics) {
    std::fprintf(stderr, "%s\n", found.to_text().c_str());
  }
  complain("not reloaded: " + path + " cannot be read; the server was not asked");
  return false;
}

int exit_code_of_refusal(int status, const json::Value& report) {
  const json::Value* error = report.find("error");
  const std::string code(error == nullptr ? "" : error->string_or("code", ""));
  if (code == "config_invalid") return kConfigInvalid;
  if (code == "restart_needed") return kRefusedByGuard;
  if (code == "reload_failed") return kDataDamaged;
  return status == 400 ? kUsage : kNotReachable;
}

}  // namespace

int reload(const Globals& globals) {
  if (globals.admin_url.empty() && !is_readable(globals)) return kConfigInvalid;
  ApiClient client(target_of(globals));
  const auto answer = client.request("POST", "/reload", R"({"by":"cli"})", kReloadPatienceNs);
  if (!answer.ok()) {
    complain(answer.error().message);
    return kNotReachable;
  }
  const auto parsed = json::parse(answer->body);
  const json::Value report = parsed.ok() ? *parsed : json::Value();
  if (globals.is_json) print_json_line(answer->body);
  if (!globals.is_json || !answer->ok()) print_problems(report);
  if (const json::Value* warnings = report.find("warnings")) {
    for (const json::Value& warning : warnings->items) {
      std::fprintf(stderr, "warning: %s\n", escape_for_terminal(warning.text).c_str());
    }
  }
  if (!answer->ok()) {
    const json::Value* error = report.find("error");
    complain(error == nullptr ? "the server answered " + std::to_string(answer->status)
                              : "not reloaded: " + std::string(error->string_or("message", "")));
    return exit_code_of_refusal(answer->status, report);
  }
  if (globals.is_json) return kDone;
  std::string changed;
  if (const json::Value* sections = report.find("changed")) {
    for (const json::Value& section : sections->items) {
      changed += (changed.empty() ? "" : ", ") + escape_for_terminal(section.text, 64);
    }
  }
  std::printf("reloaded, config generation %s, changed: %s\n", shown(report, "generation").c_str(),
              changed.empty() ? "nothing" : changed.c_str());
  return kDone;
}

}  // namespace banyan::app
