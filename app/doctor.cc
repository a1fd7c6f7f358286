// SPDX-License-Identifier: Apache-2.0
#include "app/doctor.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstdio>

#include "app/config_source.h"
#include "app/exit_codes.h"
#include "core/base/clock.h"
#include "core/base/text.h"
#include "core/json/json_writer.h"

namespace banyan::app {
namespace {

void check_config(const config::LoadResult& loaded, const std::string& path, Findings& findings) {
  for (const config::Diagnostic& found : loaded.diagnostics) {
    const std::string place = found.line == 0 ? found.file
                                              : found.file + ":" + std::to_string(found.line) +
                                                    ":" + std::to_string(found.column);
    const std::string message = place + ": " + found.message;
    if (found.is_warning) {
      findings.warn("config", message, found.hint);
    } else {
      findings.fail("config", message, found.hint);
    }
  }
  if (loaded.diagnostics.empty()) findings.ok("config", path + " is valid");
}

// A server of this config answers at its admin address.
bool is_server_running(const Globals& globals) {
  ApiClient client(target_of(globals));
  constexpr std::int64_t kPatienceNs = 2'000'000'000;
  return client.request("GET", "/status", {}, kPatienceNs).ok();
}

std::uint64_t descriptor_limit() {
  rlimit limit{};
  // serve raises the soft limit to the hard one.
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_max : 0;
}

void print_text(const Findings& findings) {
  for (const Finding& finding : findings.all()) {
    std::printf("%-5s%-13s%s\n", std::string(to_string(finding.health)).c_str(),
                finding.check.c_str(), escape_for_terminal(finding.message).c_str());
    if (!finding.hint.empty()) {
      std::printf("     %-13shint: %s\n", "", escape_for_terminal(finding.hint).c_str());
    }
  }
  std::printf("%zu ok, %zu warnings, %zu failures\n", findings.count(Health::kOk),
              findings.count(Health::kWarn), findings.count(Health::kFail));
}

void print_json(const Findings& findings) {
  std::string out;
  json::JsonWriter json(out);
  json.begin_object().member("schema", "banyan/doctor/1").key("checks").begin_array();
  for (const Finding& finding : findings.all()) {
    json.begin_object().member("result", to_lower(to_string(finding.health)));
    json.member("check", finding.check).member("message", finding.message);
    json.member("hint", finding.hint).end_object();
  }
  json.end_array().member("ok", findings.count(Health::kOk));
  json.member("warnings", findings.count(Health::kWarn));
  json.member("failures", findings.count(Health::kFail)).end_object();
  print_json_line(out);
}

}  // namespace

std::string_view to_string(Health health) {
  switch (health) {
    case Health::kOk: return "OK";
    case Health::kWarn: return "WARN";
    case Health::kFail: return "FAIL";
  }
  return "FAIL";
}

std::size_t Findings::count(Health health) const {
  return static_cast<std::size_t>(
      std::count_if(all_.begin(), all_.end(),
                    [health](const Finding& finding) { return finding.health == health; }));
}

int doctor(const Globals& globals) {
  ConfigSource source;
  source.path = globals.config_path.empty() ? "banyan.toml" : globals.config_path;
  source.overrides = globals.overrides;
  if (!globals.data_dir.empty()) source.override_data_dir(globals.data_dir);
  const config::LoadResult loaded = source.load();
  Findings findings;
  check_config(loaded, source.path, findings);
  if (loaded.ok()) {
    const config::Config& config = loaded.config;
    check_ports(config, is_server_running(globals), findings);
    check_descriptors(config, descriptor_limit(), findings);
    check_data_directory(config, findings);
    check_certificates(config, SystemClock::instance().wall_ns(), findings);
    check_systems(config, findings);
    check_kernel(config, findings);
  }
  check_clock(findings);
  check_libraries(findings);
  if (globals.is_json) {
    print_json(findings);
  } else {
    print_text(findings);
  }
  if (!loaded.ok()) return kConfigInvalid;
  return findings.count(Health::kFail) == 0 ? kDone : kNegativeResult;
}

}  // namespace banyan::app
