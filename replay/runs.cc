// SPDX-License-Identifier: Apache-2.0
#include "replay/runs.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <thread>
#include <utility>

#include "core/base/background.h"
#include "core/base/mutex.h"
#include "core/obs/log.h"
#include "replay/run_execution.h"
#include "replay/run_filter.h"
#include "replay/run_state.h"

namespace banyan::replay {
namespace {

constexpr std::size_t kConcurrencyMax = 1024;

Error refused(std::string message) {
  return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kClient, std::move(message));
}

Status check(const RunSpec& spec, std::int64_t now_wall_ns) {
  if (spec.concurrency == 0 || spec.concurrency > kConcurrencyMax) {
    return refused("concurrency must be between 1 and 1024");
  }
  if (!(spec.speed >= 0) || spec.speed > 1e6) return refused("speed must be 0 (max) to 1000000");
  if (spec.from_wall_ns >= spec.to_wall_ns) return refused("the range ends before it begins");
  return RunFilter::parse(spec.filter, now_wall_ns).status();
}

}  // namespace

struct Runs::Impl {
  Impl(FileSystem& files, Clock& clock_in, model::LogAccess& log_in,
       std::unique_ptr<model::RecordSink> sink_in, const model::Redactor& redactor_in,
       SystemsOptions systems_in, const std::string& directory)
      : store(files, directory),
        clock(clock_in),
        log(log_in),
        sink(std::move(sink_in)),
        redactor(redactor_in),
        systems(std::move(systems_in)) {}

  // Starts the thread of a run that is in `runs`. One run at a time: `control` is held.
  void launch(StoredRun run) {
    if (worker.joinable()) worker.join();
    cancel = false;
    is_active = true;
    active_id = run.status.id;
    worker = std::thread([this, run = std::move(run), own_systems = systems]() mutable {
      run_in_background("banyan-run");
      {
        RunExecution execution(RunContext{clock, log, *sink, redactor, own_systems, policy, cancel,
                                          [this](const StoredRun& now) { on_progress(now); }},
                               run);
        execution.run();
      }
      is_active = false;
    });
  }

  void on_progress(const StoredRun& run) {
    StoredRun saved = run;
    {
      MutexLock lock(mutex);
      // What the execution calls interrupted may be a person's wish.
      if (saved.status.state == RunState::kInterrupted && is_cancelled_by_person) {
        saved.status.state = RunState::kCancelled;
      }
      runs[saved.status.id] = saved;
    }
    if (saved.status.spec.is_dry_run) return;
    if (const Status status = store.save(saved); !status.ok()) {
      obs::log_warning("replay", "the progress of run " + std::to_string(saved.status.id) +
                                     " could not be saved: " + status.error().message);
    }
  }

  Result<RunStatus> find(std::uint64_t id) const {
    MutexLock lock(mutex);
    const auto found = runs.find(id);
    if (found == runs.end()) {
      return make_error(ErrorCode::kNotFound, ErrorOrigin::kClient,
                        "there is no run " + std::to_string(id));
    }
    return found->second.status;
  }

  // A run that has reported its end may still be on its way out; launch() waits for that moment.
  Status require_free() const {
    if (!is_active) return {};
    MutexLock lock(mutex);
    const auto active = runs.find(active_id);
    if (active == runs.end() || active->second.status.state != RunState::kRunning) return {};
    return make_error(ErrorCode::kAlreadyExists, ErrorOrigin::kClient,
                      "another run is going; wait for it or cancel it");
  }

  RunStore store;
  Clock& clock;
  model::LogAccess& log;
  const std::unique_ptr<model::RecordSink> sink;
  const model::Redactor& redactor;
  SystemsOptions systems;  // under control
  const MirrorPolicy* policy = nullptr;
  Mutex control;  // start, resume and cancel one after another; taken before `mutex`
  mutable Mutex mutex;
  std::map<std::uint64_t, StoredRun> runs GUARDED_BY(mutex);
  bool is_cancelled_by_person GUARDED_BY(mutex) = false;
  std::uint64_t last_id = 0;    // under control
  std::uint64_t active_id = 0;  // likewise
  std::atomic<bool> cancel{false};
  std::atomic<bool> is_active{false};
  std::thread worker;
};

Runs::Runs() = default;

Result<std::unique_ptr<Runs>> Runs::open(FileSystem& files, Clock& clock, model::LogAccess& log,
                                         std::unique_ptr<model::RecordSink> sink,
                                         const model::Redactor& redactor, SystemsOptions systems,
                                         const std::string& directory) {
  auto runs = std::unique_ptr<Runs>(new Runs());
  runs->impl_ = std::make_unique<Impl>(files, clock, log, std::move(sink), redactor,
                                       std::move(systems), directory);
  Impl& impl = *runs->impl_;
  std::vector<std::string> warnings;
  auto stored = impl.store.load_all(warnings);
  if (!stored.ok()) return stored.error();
  for (const std::string& warning : warnings) obs::log_warning("replay", warning);
  MutexLock lock(impl.mutex);
  for (StoredRun& run : *stored) {
    if (run.status.state == RunState::kRunning) {
      run.status.state = RunState::kInterrupted;
      run.status.message = "ended with the process; can be resumed";
    }
    impl.last_id = std::max(impl.last_id, run.status.id);
    impl.runs[run.status.id] = std::move(run);
  }
  return runs;
}

Runs::~Runs() {
  if (impl_ == nullptr) return;
  impl_->cancel = true;
  if (impl_->worker.joinable()) impl_->worker.join();
}

void Runs::set_systems(SystemsOptions systems) {
  MutexLock control(impl_->control);
  impl_->systems = std::move(systems);
}

void Runs::set_policy(const MirrorPolicy* policy) { impl_->policy = policy; }

Result<RunStatus> Runs::start(const RunSpec& spec) {
  BANYAN_RETURN_IF_ERROR(check(spec, impl_->clock.wall_ns()));
  MutexLock control(impl_->control);
  BANYAN_RETURN_IF_ERROR(impl_->require_free());
  StoredRun run;
  run.status.id = ++impl_->last_id;
  run.status.spec = spec;
  run.status.started_wall_ns = impl_->clock.wall_ns();
  run.until = impl_->log.end();
  if (!spec.is_dry_run) {
    // Before the first copy: a run that nobody can find again would be a secret.
    BANYAN_RETURN_IF_ERROR(impl_->store.save(run));
  }
  {
    MutexLock lock(impl_->mutex);
    impl_->is_cancelled_by_person = false;
    impl_->runs[run.status.id] = run;
  }
  const RunStatus status = run.status;
  impl_->launch(std::move(run));
  return status;
}

Result<RunStatus> Runs::resume(std::uint64_t id) {
  MutexLock control(impl_->control);
  BANYAN_RETURN_IF_ERROR(impl_->require_free());
  auto status = impl_->find(id);
  if (!status.ok()) return status;
  if (status->state == RunState::kDone) return status;
  StoredRun run;
  {
    MutexLock lock(impl_->mutex);
    StoredRun& stored = impl_->runs[id];
    stored.status.state = RunState::kRunning;
    stored.status.message.clear();
    stored.status.ended_wall_ns = 0;
    impl_->is_cancelled_by_person = false;
    run = stored;
  }
  const RunStatus now = run.status;
  impl_->launch(std::move(run));
  return now;
}

Result<RunStatus> Runs::cancel(std::uint64_t id) {
  MutexLock control(impl_->control);
  auto status = impl_->find(id);
  if (!status.ok() || status->state != RunState::kRunning) return status;
  {
    MutexLock lock(impl_->mutex);
    impl_->is_cancelled_by_person = true;
  }
  impl_->cancel = true;
  if (impl_->worker.joinable()) impl_->worker.join();
  return impl_->find(id);
}

Result<RunStatus> Runs::get(std::uint64_t id) const { return impl_->find(id); }

std::vector<RunStatus> Runs::list() const {
  MutexLock lock(impl_->mutex);
  std::vector<RunStatus> all;
  for (const auto& [id, run] : impl_->runs) all.push_back(run.status);
  return all;
}

}  // namespace banyan::replay
