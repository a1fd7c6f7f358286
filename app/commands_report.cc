// SPDX-License-Identifier: Apache-2.0
//
// Verbs that ask the running server where there is one, and read the data directory where there is
// none.
#include <unistd.h>

#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "admin/report.h"
#include "app/commands.h"
#include "app/exit_codes.h"
#include "app/offline_log.h"
#include "comparator/comparator.h"
#include "comparator/findings.h"
#include "comparator/saved_rules.h"
#include "config/config.h"
#include "core/base/text.h"
#include "core/json/json_writer.h"
#include "ledger/ledger.h"
#include "recorder/recorder.h"

namespace banyan::app {
namespace {

constexpr const char* kGateReady = "ready";
constexpr std::int64_t kReportFlushNs = 30'000'000'000;

// The server's answer; nullopt where none runs (or --data-dir asks for the files).
Result<std::optional<ApiAnswer>> ask_server(const Globals& globals, const std::string& path) {
  if (!globals.data_dir.empty() && globals.admin_url.empty()) return std::optional<ApiAnswer>();
  ApiClient client(target_of(globals));
  auto answer = client.request("GET", path);
  if (!answer.ok()) {
    if (!globals.admin_url.empty()) return answer.error();
    return std::optional<ApiAnswer>();
  }
  if (!answer->ok()) {
    Error error =
        make_error(ErrorCode::kPermissionDenied, ErrorOrigin::kInternal,
                   "the server answered " + std::to_string(answer->status) + ": " + answer->body);
    return error;
  }
  return std::optional<ApiAnswer>(*std::move(answer));
}

struct DataDirectory {
  std::string path;
  std::unique_ptr<model::LogAccess> log;
};

Result<DataDirectory> open_data(const Globals& globals) {
  DataDirectory data;
  const Target target = target_of(globals);
  data.path = target.data_dir;
  auto log = open_log_in(FileSystem::posix(), data.path, target.log_keys, target.record_key);
  if (!log.ok()) return log.error();
  data.log = *std::move(log);
  return data;
}

Result<std::string> ledger_json(const Globals& globals) {
  auto answer = ask_server(globals, "/ledger");
  if (!answer.ok()) return answer.error();
  if (answer->has_value()) return (*answer)->body;
  auto data = open_data(globals);
  if (!data.ok()) return data.error();
  auto snapshot = ledger::read_ledger(FileSystem::posix(), *data->log, data->path + "/state");
  if (!snapshot.ok()) return snapshot.error();
  return snapshot->to_json();
}

std::string sum_of(const json::Value& object, std::string_view member) {
  const json::Value* counts = object.find(member);
  if (counts == nullptr) return "0";
  std::string text;
  double sum = 0;
  for (const auto& [reason, count] : counts->members) {
    sum += parse_double(count.text).value_or(0);
    text += (text.empty() ? "" : ", ") + reason + " " + count.text;
  }
  std::string out = std::to_string(static_cast<std::uint64_t>(sum));
  if (!text.empty()) out += " (" + text + ")";
  return out;
}

void print_account(const std::string& name, const json::Value& account) {
  const json::Value empty;
  const auto part = [&](std::string_view member) -> const json::Value& {
    const json::Value* found = account.find(member);
    return found ? *found : empty;
  };
  const json::Value& answered = part("answered");
  const json::Value& mirror = part("mirror");
  const json::Value& compared = part("compared");
  std::printf("%s\n", escape_for_terminal(name).c_str());
  std::printf(
      "  admitted  %s = open %s + answered: legacy %s, candidate %s, banyan %s, aborted %s, "
      "unknown %s (truncated %s)\n",
      shown(account, "admitted").c_str(), shown(account, "open").c_str(),
      shown(answered, "legacy").c_str(), shown(answered, "candidate").c_str(),
      shown(answered, "banyan").c_str(), shown(answered, "aborted").c_str(),
      shown(answered, "unknown").c_str(), shown(account, "truncated").c_str());
  std::printf("  mirror    off %s, mirrored %s, pending %s, skipped %s, dropped %s\n",
              shown(mirror, "off").c_str(), shown(mirror, "mirrored").c_str(),
              shown(mirror, "pending").c_str(), sum_of(mirror, "skipped").c_str(),
              sum_of(mirror, "dropped").c_str());
  std::printf("  compared  equal %s, tolerated %s, different %s, incomparable %s, pending %s\n",
              shown(compared, "equal").c_str(), shown(compared, "tolerated").c_str(),
              shown(compared, "different").c_str(), shown(compared, "incomparable").c_str(),
              shown(compared, "pending").c_str());
  std::printf("  gaps %s; %s\n", shown(account, "gaps").c_str(),
              account.bool_or("balanced", false) ? "balanced" : "DOES NOT BALANCE");
}

// What the report needs of the config: rates, and routes that had no pair yet. Offline the file may
// be elsewhere; then the defaults hold.
config::Config config_of(const Globals& globals) {
  const std::string path = config_path_of(globals);
  return path.empty() ? config::Config() : config::load_file(path, globals.overrides).config;
}

Result<admin::ReportData> gather(const Globals& globals) {
  auto data = open_data(globals);
  if (!data.ok()) return data.error();
  Clock& clock = SystemClock::instance();
  admin::ReportData report;
  report.version = BANYAN_VERSION;
  report.data_dir = data->path;
  report.generated_wall_ns = clock.wall_ns();
  auto snapshot = ledger::read_ledger(FileSystem::posix(), *data->log, data->path + "/state");
  if (!snapshot.ok()) return snapshot.error();
  report.ledger = *std::move(snapshot);
  auto store = comparator::FindingsStore::open_read_only(data->path + "/findings.sqlite", clock);
  if (!store.ok()) return store.error();
  auto findings = (*store)->list({});
  if (!findings.ok()) return findings.error();
  const auto counts = (*store)->readiness_counts();
  if (!counts.ok()) return counts.error();
  const config::Config config = config_of(globals);
  std::vector<std::string> routes;
  for (const routing::RouteOptions& route : config.routing.routes) routes.push_back(route.name);
  report.readiness = comparator::assess_readiness(config.readiness, routes, *counts, *findings);
  report.gate_needs_readiness = config.readiness.gate;
  report.findings = *std::move(findings);
  auto issues = (*store)->issues({});
  if (!issues.ok()) return issues.error();
  report.issues = *std::move(issues);
  auto latency = (*store)->latency();
  if (!latency.ok()) return latency.error();
  report.latency = *std::move(latency);
  auto explanation = (*store)->explain("");
  if (!explanation.ok()) return explanation.error();
  report.explanation = *std::move(explanation);
  return report;
}

struct Rendered {
  std::string text;
  bool passed = false;
};

Result<Rendered> render(const Globals& globals, const ReportOptions& options) {
  const bool asks_ready = options.gate == kGateReady;
  const std::string gate_part = asks_ready ? "&gate=ready" : "";
  auto answer = ask_server(globals, "/report?format=" + options.format + gate_part);
  if (!answer.ok()) return answer.error();
  Rendered rendered;
  if (answer->has_value()) {
    rendered.text = std::move((*answer)->body);
    auto facts = ask_server(globals, "/report?format=json" + gate_part);
    if (!facts.ok()) return facts.error();
    if (facts->has_value()) {
      auto parsed = json::parse((*facts)->body);
      const json::Value* gate = parsed.ok() ? parsed->find("gate") : nullptr;
      rendered.passed = gate != nullptr && gate->bool_or("passed", false);
      if (asks_ready && (gate == nullptr || !gate->bool_or("needs_readiness", false))) {
        return make_error(ErrorCode::kUnsupported, ErrorOrigin::kInternal,
                          "the running server is older than this command and knows no "
                          "readiness; restart it with this version");
      }
    }
    return rendered;
  }
  auto data = gather(globals);
  if (!data.ok()) return data.error();
  data->gate_needs_readiness = data->gate_needs_readiness || asks_ready;
  const auto format = admin::parse_report_format(options.format);
  if (!format) {
    return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kInternal, "unknown report format");
  }
  rendered.text = admin::render_report(*data, *format);
  rendered.passed = admin::gate_of(*data).passed;
  return rendered;
}

void print_recompared(const Globals& globals, const comparator::RecompareReport& report,
                      bool is_dry) {
  static constexpr const char* kNames[] = {"equal", "tolerated", "different", "incomparable"};
  if (globals.is_json) {
    std::string out;
    json::JsonWriter json(out);
    json.begin_object().member("schema", "banyan/compare/1").member("dry_run", is_dry);
    json.member("compared", report.compared).member("changed", report.changed);
    for (const auto& [name, counts] :
         {std::pair<const char*, const std::uint64_t*>{"before", report.before},
          {"after", report.after}}) {
      json.key(name).begin_object();
      for (int i = 0; i < 4; ++i) json.member(kNames[i], counts[i]);
      json.end_object();
    }
    json.end_object();
    print_json_line(out);
    return;
  }
  std::printf("%llu exchanges compared%s, %llu verdicts changed\n",
              static_cast<unsigned long long>(report.compared), is_dry ? " (dry run)" : "",
              static_cast<unsigned long long>(report.changed));
  for (int i = 0; i < 4; ++i) {
    std::printf("  %-13s %llu → %llu\n", kNames[i],
                static_cast<unsigned long long>(report.before[i]),
                static_cast<unsigned long long>(report.after[i]));
  }
}

}  // namespace

int ledger(const Globals& globals) {
  auto body = ledger_json(globals);
  if (!body.ok()) return fail_with(body.error());
  auto parsed = json::parse(*body);
  const json::Value* total = parsed.ok() ? parsed->find("total") : nullptr;
  if (total == nullptr) {
    complain("the ledger could not be read");
    return kDataDamaged;
  }
  bool is_balanced = total->bool_or("balanced", false);
  const json::Value* routes = parsed->find("routes");
  if (routes != nullptr) {
    for (const auto& [name, account] : routes->members) {
      is_balanced = is_balanced && account.bool_or("balanced", false);
      if (!globals.is_json) print_account(name, account);
    }
  }
  if (globals.is_json) {
    print_json_line(*body);
  } else {
    print_account("total", *total);
    std::printf("refused before admission: %s\n", sum_of(*parsed, "refused").c_str());
  }
  return is_balanced ? kDone : kNegativeResult;
}

int report(const Globals& globals, const ReportOptions& options) {
  if (!options.gate.empty() && options.gate != "true" && options.gate != kGateReady) {
    complain("--gate=" + options.gate + ": the gate is --gate or --gate=ready");
    return kUsage;
  }
  auto rendered = render(globals, options);
  if (!rendered.ok()) return fail_with(rendered.error());
  if (options.output.empty()) {
    print_json_line(rendered->text);
  } else if (const Status written =
                 FileSystem::posix().write_file_atomically(options.output, rendered->text);
             !written.ok()) {
    return fail_with(written.error());
  }
  return !options.gate.empty() && !rendered->passed ? kNegativeResult : kDone;
}

int compare(const Globals& globals, const CompareOptions& options) {
  const std::string path = globals.config_path.empty() ? "banyan.toml" : globals.config_path;
  config::LoadResult loaded = config::load_file(path, globals.overrides);
  for (const config::Diagnostic& diagnostic : loaded.diagnostics) {
    std::fprintf(stderr, "%s\n", diagnostic.to_text().c_str());
  }
  if (!loaded.ok()) return kConfigInvalid;
  auto saved = comparator::read_saved_rules(FileSystem::posix(), target_of(globals).data_dir);
  if (!saved.ok()) return fail_with(saved.error());
  auto rules =
      comparator::CompiledRules::compile(comparator::with_saved(loaded.config.comparator, *saved));
  if (!rules.ok()) return fail_with(rules.error());
  comparator::RecompareOptions range;
  range.is_dry_run = options.is_dry_run;
  const auto from = time_or(options.from, "--from", 0);
  const auto to = time_or(options.to, "--to", INT64_MAX);
  if (!from.ok()) return fail_with(from.error());
  if (!to.ok()) return fail_with(to.error());
  range.from_wall_ns = *from;
  range.to_wall_ns = *to;

  // Its verdicts go to a stream of their own, so it runs beside a server as well as without one.
  FileSystem& files = FileSystem::posix();
  Clock& clock = SystemClock::instance();
  const std::string data_dir = target_of(globals).data_dir;
  auto log = open_log_in(files, data_dir, loaded.config.recorder.keys, loaded.config.record_key);
  if (!log.ok()) return fail_with(log.error());
  std::unique_ptr<recorder::Recorder> recorder;
  std::unique_ptr<model::RecordSink> sink;
  if (!options.is_dry_run) {
    recorder::RecorderOptions own = loaded.config.recorder;
    own.directory = data_dir + "/log";
    own.stream = "compare";
    auto opened = recorder::Recorder::open(files, clock, own);
    if (!opened.ok()) return fail_with(opened.error());
    recorder = *std::move(opened);
    sink = recorder->open_lane();
    if ((*log)->subjects() != nullptr) {
      sink = std::make_unique<model::SubjectSink>(std::move(sink), *(*log)->subjects(), nullptr);
    }
  }
  const bool is_terminal = isatty(STDERR_FILENO) != 0;
  auto report =
      comparator::recompare(**log, sink.get(), clock, **rules, range, [&](std::uint64_t compared) {
        if (is_terminal) {
          std::fprintf(stderr, "\r\033[Kcompare: %llu exchanges",
                       static_cast<unsigned long long>(compared));
        }
      });
  if (is_terminal) std::fprintf(stderr, "\r\033[K");
  if (!report.ok()) return fail_with(report.error());
  if (recorder) {
    if (const Status flushed = recorder->flush(kReportFlushNs); !flushed.ok()) {
      return fail_with(flushed.error());
    }
    sink.reset();
    recorder->stop();
  }
  print_recompared(globals, *report, options.is_dry_run);
  return kDone;
}

}  // namespace banyan::app
