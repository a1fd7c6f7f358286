// SPDX-License-Identifier: Apache-2.0
//
// Reads the config again and has the server take it over, as a whole or not at all. Told by SIGHUP
// (request(), on a thread of its own, so that signals are still heard) or by the API (reload()).
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "admin/config_service.h"
#include "app/config_source.h"
#include "app/service_notifier.h"
#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/base/mutex.h"
#include "core/obs/metrics.h"

namespace banyan::app {

// Whoever takes a checked config over. An error: nothing has changed.
class ConfigTarget {
 public:
  virtual ~ConfigTarget() = default;
  virtual Status take_over(const config::Config& next, std::vector<std::string>& warnings) = 0;
};

// Any thread. `running` is what the target was opened with; all else borrowed, and outlives this.
class Reloader final : public admin::ConfigService {
 public:
  Reloader(ConfigSource source, config::Config running, ConfigTarget& target, Clock& clock,
           obs::Metrics& metrics, const ServiceNotifier& notifier);
  ~Reloader() override { stop(); }

  admin::ReloadReport reload(std::string_view by) override;
  std::shared_ptr<const admin::ConfigStatus> status() const override;

  // Reloads soon. Requests that come while one waits are one; one that comes while one runs is
  // another.
  void request(std::string by);
  // No reload begins after it; waits for one that runs.
  void stop();
  // What the service manager is told when all is well.
  void set_ready_status(std::string text);

 private:
  void run();
  admin::ReloadReport attempt(std::string_view by) REQUIRES(reload_mutex_);
  void publish(std::optional<admin::ReloadReport> report) REQUIRES(reload_mutex_);
  void tell(const admin::ReloadReport& report);
  std::string summary() const;

  // What the metrics read; they may outlive this.
  struct Gauges {
    std::atomic<std::uint64_t> generation{1};
    std::atomic<bool> is_last_ok{true};
    std::atomic<std::int64_t> last_wall_ns{0};
  };
  const std::shared_ptr<Gauges> gauges_ = std::make_shared<Gauges>();
  const ConfigSource source_;
  ConfigTarget& target_;
  Clock& clock_;
  obs::Metrics& metrics_;
  const ServiceNotifier& notifier_;

  Mutex reload_mutex_;  // one reload at a time; taken before status_mutex_
  config::Config running_ GUARDED_BY(reload_mutex_);
  bool is_stopped_ GUARDED_BY(reload_mutex_) = false;

  mutable Mutex status_mutex_;
  std::shared_ptr<const admin::ConfigStatus> status_ GUARDED_BY(status_mutex_);
  std::string ready_status_ GUARDED_BY(status_mutex_);

  Mutex request_mutex_;
  std::condition_variable requested_;
  std::string wanted_by_ GUARDED_BY(request_mutex_);
  bool is_ending_ GUARDED_BY(request_mutex_) = false;
  std::thread thread_;
};

}  // namespace banyan::app
