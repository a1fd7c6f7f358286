// SPDX-License-Identifier: Apache-2.0
#include "app/reloader.h"

#include <pthread.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "core/base/text.h"
#include "core/obs/log.h"

namespace banyan::app {
namespace {

using admin::ReloadReport;

constexpr std::size_t kProblemsToldMax = 20;

std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : ", ") + part;
  return out;
}

bool fails_open(const config::Config& config) {
  return std::all_of(
      config.routing.routes.begin(), config.routing.routes.end(),
      [](const routing::RouteOptions& route) { return route.on_failure == OnFailure::kFailOpen; });
}

std::vector<std::string> unverified_systems(const config::Config& config) {
  const auto is_secure = [](const std::string& url) { return url.rfind("https://", 0) == 0; };
  std::vector<std::string> found;
  for (const auto& [name, urls, system] :
       {std::tuple<const char*, const std::vector<std::string>&, const proxy::SystemOptions&>(
            "legacy", config.legacy_urls, config.proxy.legacy),
        {"candidate", config.candidate_urls, config.proxy.candidate},
        {"legacy_twin", config.twin_urls, config.twin}}) {
    if (!system.tls.verifies && std::any_of(urls.begin(), urls.end(), is_secure)) {
      found.emplace_back(name);
    }
  }
  return found;
}

admin::ConfigProblem problem_of(const config::Diagnostic& found) {
  return {found.file,          found.line,    found.column,    found.is_warning,
          found.needs_restart, found.message, found.offending, found.hint};
}

std::string place_of(const admin::ConfigProblem& problem) {
  if (problem.line == 0) return problem.file;
  return problem.file + ":" + std::to_string(problem.line) + ":" + std::to_string(problem.column);
}

// What is wrong in one sentence: the only problem itself, or how many there are.
std::string message_of(const std::string& path, const std::vector<admin::ConfigProblem>& problems,
                       bool needs_restart) {
  std::vector<std::string> errors;
  for (const admin::ConfigProblem& problem : problems) {
    if (!problem.is_warning) errors.push_back(problem.message);
  }
  if (needs_restart) return joined(errors);
  if (errors.size() == 1) {
    const auto error = std::find_if(problems.begin(), problems.end(),
                                    [](const auto& problem) { return !problem.is_warning; });
    return place_of(*error) + ": " + error->message;
  }
  return path + " has " + std::to_string(errors.size()) + " errors";
}

}  // namespace

Reloader::Reloader(ConfigSource source, config::Config running, ConfigTarget& target, Clock& clock,
                   obs::Metrics& metrics, const ServiceNotifier& notifier)
    : source_(std::move(source)),
      target_(target),
      clock_(clock),
      metrics_(metrics),
      notifier_(notifier),
      running_(std::move(running)) {
  {
    MutexLock lock(reload_mutex_);
    publish(std::nullopt);
  }
  metrics_.gauge("banyan_config_generation",
                 "Of the config in force; grows with each reload that took effect.", {},
                 [gauges = gauges_] { return static_cast<double>(gauges->generation.load()); });
  metrics_.gauge("banyan_config_last_reload_ok", "1 unless the last reload was refused.", {},
                 [gauges = gauges_] { return gauges->is_last_ok.load() ? 1.0 : 0.0; });
  metrics_.gauge(
      "banyan_config_last_reload_seconds",
      "When the last reload ended, in seconds since 1970; 0: there was none.", {},
      [gauges = gauges_] { return static_cast<double>(gauges->last_wall_ns.load()) / 1e9; });
  for (const char* result : {"ok", "invalid", "needs_restart", "failed"}) {
    metrics_.counter("banyan_config_reloads_total", "Reloads of the config, by how they ended.",
                     {{"result", result}});
  }
  thread_ = std::thread([this] { run(); });
}

std::shared_ptr<const admin::ConfigStatus> Reloader::status() const {
  MutexLock lock(status_mutex_);
  return status_;
}

void Reloader::set_ready_status(std::string text) {
  MutexLock lock(status_mutex_);
  ready_status_ = std::move(text);
}

ReloadReport Reloader::reload(std::string_view by) {
  MutexLock lock(reload_mutex_);
  notifier_.reloading(clock_.mono_ns() / 1000);
  ReloadReport report = attempt(by);
  publish(report);
  tell(report);
  notifier_.ready(summary());
  return report;
}

ReloadReport Reloader::attempt(std::string_view by) {
  ReloadReport report;
  report.at_wall_ns = clock_.wall_ns();
  report.by = escape_for_terminal(by, 100);
  report.generation = status()->generation;
  if (is_stopped_) {
    report.result = ReloadReport::Result::kFailed;
    report.message = "Banyan is stopping";
    return report;
  }
  config::LoadResult loaded = source_.reload(running_);
  for (const config::Diagnostic& found : loaded.diagnostics) {
    report.problems.push_back(problem_of(found));
  }
  if (!loaded.ok()) {
    const bool needs_restart = loaded.needs_restart();
    report.result =
        needs_restart ? ReloadReport::Result::kNeedsRestart : ReloadReport::Result::kInvalid;
    report.message = message_of(source_.path, report.problems, needs_restart);
    return report;
  }
  report.changed = config::changed_sections(running_, loaded.config);
  const Status taken = target_.take_over(loaded.config, report.warnings);
  if (!taken.ok()) {
    report.result = taken.error().origin == ErrorOrigin::kConfig ? ReloadReport::Result::kInvalid
                                                                 : ReloadReport::Result::kFailed;
    report.message = taken.error().message;
    report.changed.clear();
    return report;
  }
  running_ = std::move(loaded.config);
  ++report.generation;
  return report;
}

void Reloader::publish(std::optional<ReloadReport> report) {
  auto next = std::make_shared<admin::ConfigStatus>();
  next->path = source_.path;
  const auto before = status();
  next->generation = report ? report->generation : 1;
  const bool is_new = !before || before->generation != next->generation;
  next->loaded_wall_ns = is_new ? clock_.wall_ns() : before->loaded_wall_ns;
  if (report) {
    gauges_->generation = next->generation;
    gauges_->is_last_ok = report->result == ReloadReport::Result::kOk;
    gauges_->last_wall_ns = report->at_wall_ns;
  }
  next->last_reload = std::move(report);
  next->legacy_urls = running_.legacy_urls;
  next->candidate_urls = running_.candidate_urls;
  next->every_route_fails_open = fails_open(running_);
  next->readiness = running_.readiness;
  next->unverified_systems = unverified_systems(running_);
  MutexLock lock(status_mutex_);
  status_ = std::move(next);
}

void Reloader::tell(const ReloadReport& report) {
  metrics_
      .counter("banyan_config_reloads_total", "Reloads of the config, by how they ended.",
               {{"result", std::string(to_string(report.result))}})
      .add();
  for (const std::string& warning : report.warnings) obs::log_warning("config", warning);
  std::size_t told = 0;
  for (const admin::ConfigProblem& problem : report.problems) {
    if (++told > kProblemsToldMax) {
      obs::log_warning("config", std::to_string(report.problems.size() - kProblemsToldMax) +
                                     " more problems; `banyan check` shows them");
      break;
    }
    const std::string line = place_of(problem) + ": " + problem.message +
                             (problem.hint.empty() ? "" : " (" + problem.hint + ")");
    obs::log(problem.is_warning ? obs::Level::kWarning : obs::Level::kError, "config", line);
  }
  if (report.result == ReloadReport::Result::kOk) {
    obs::log_info("config", "reloaded " + source_.path + " (" + report.by + "), generation " +
                                std::to_string(report.generation) + ", changed: " +
                                (report.changed.empty() ? "nothing" : joined(report.changed)));
  } else {
    obs::log_error("config", "reload refused (" + report.by +
                                 "), the config of before is in force: " + report.message);
  }
}

std::string Reloader::summary() const {
  MutexLock lock(status_mutex_);
  std::string text = ready_status_ + "; config generation " + std::to_string(status_->generation);
  if (status_->last_reload && status_->last_reload->result != ReloadReport::Result::kOk) {
    text += "; last reload refused: " + status_->last_reload->message;
  }
  return text;
}

void Reloader::request(std::string by) {
  MutexLock lock(request_mutex_);
  wanted_by_ = std::move(by);
  requested_.notify_one();
}

void Reloader::run() {
  (void)pthread_setname_np(pthread_self(), "reload");
  for (;;) {
    std::string by;
    {
      MutexLock lock(request_mutex_);
      while (wanted_by_.empty() && !is_ending_) lock.wait(requested_);
      if (is_ending_) return;
      by = std::exchange(wanted_by_, std::string());
    }
    (void)reload(by);
  }
}

void Reloader::stop() {
  {
    MutexLock lock(request_mutex_);
    is_ending_ = true;
    requested_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
  MutexLock lock(reload_mutex_);
  is_stopped_ = true;
}

}  // namespace banyan::app
