// SPDX-License-Identifier: Apache-2.0
#include "replay/mirror.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <utility>

#include "core/base/background.h"
#include "core/net/event_loop.h"
#include "replay/mirror_core.h"
#include "replay/witnesses.h"

namespace banyan::replay {

struct Mirror::Impl {
  // The order matters: the core refers to the sink and the loop, listeners to all of it.
  std::unique_ptr<model::RecordSink> sink;
  std::unique_ptr<net::EventLoop> loop;
  std::unique_ptr<MirrorCore> core;
  std::unique_ptr<Witnesses> witnesses;
  std::unique_ptr<net::Timer> tick;
  std::unique_ptr<net::EventLoop::TurnEndHook> hook;
  std::atomic<bool> is_wake_posted{false};
  std::atomic<model::RecordKinds> wanted{model::RecordKinds::all()};  // of core and witnesses
  std::shared_ptr<void> listener;
  std::thread thread;
  std::int64_t tick_period_ns = 0;  // loop
  bool is_stopping = false;         // loop
  std::chrono::steady_clock::time_point stop_at;

  // Any thread: at most one wake-up is under way at a time. False where one is.
  bool wake() {
    if (is_wake_posted.exchange(true, std::memory_order_acq_rel)) return false;
    loop->post([this] {
      is_wake_posted.store(false, std::memory_order_release);
      // Who of candidate and twin is asked first is drawn, since the second may find caches warm.
      const bool witnesses_first = witnesses->go_first();
      if (witnesses_first) witnesses->on_published();
      core->on_published();
      if (!witnesses_first) witnesses->on_published();
      arm();
    });
    return true;
  }

  // The recorder's thread.
  bool on_published(model::RecordKinds kinds) {
    return kinds.meets(wanted.load(std::memory_order_seq_cst)) && wake();
  }

  // What was published before it was wanted is read now.
  void on_turn_end() {
    core->on_turn_end();
    const model::RecordKinds now = core->wanted() | witnesses->wanted();
    const model::RecordKinds before = wanted.exchange(now, std::memory_order_seq_cst);
    if (!before.covers(now)) wake();
  }

  void arm() {
    const std::int64_t period_ns = tick_after_ns();
    if (!tick->is_running() || period_ns < tick_period_ns) start_tick(period_ns);
  }

  std::int64_t tick_after_ns() const {
    const std::int64_t of_witnesses = witnesses->tick_after_ns();
    const std::int64_t of_core = core->tick_after_ns();
    return of_witnesses == 0 ? of_core : std::min(of_core, of_witnesses);
  }

  void start_tick(std::int64_t period_ns) {
    tick_period_ns = period_ns;
    tick->start(period_ns);
  }

  void on_tick() {
    core->on_tick();
    witnesses->on_tick(core->lag_ns());
    if (is_stopping && (core->is_idle() || std::chrono::steady_clock::now() >= stop_at)) {
      core->close();
      loop->stop();
      return;
    }
    start_tick(tick_after_ns());
  }

  void begin_stop(std::int64_t patience_ns) {
    is_stopping = true;
    stop_at = std::chrono::steady_clock::now() + std::chrono::nanoseconds(patience_ns);
    witnesses->stop();
    core->drain();
    on_tick();
  }

  void run() {
    run_in_background("banyan-mirror");
    loop->run();
  }
};

namespace {

// Copies can wait: they obey the circuit of a system that fails as a whole. Runs are a person's
// wish, and try.
SystemsOptions obeying(SystemsOptions systems) {
  systems.legacy.obeys_circuit = systems.candidate.obeys_circuit = true;
  if (systems.twin) systems.twin->obeys_circuit = true;
  return systems;
}

}  // namespace

Mirror::Mirror() : impl_(std::make_unique<Impl>()) {}

Result<std::unique_ptr<Mirror>> Mirror::open(Clock& clock, model::LogAccess& log,
                                             std::unique_ptr<model::RecordSink> sink,
                                             const model::Redactor& redactor,
                                             const MirrorPolicy& policy, SystemsOptions systems,
                                             MirrorOptions options) {
  auto mirror = std::unique_ptr<Mirror>(new Mirror());
  Impl& impl = *mirror->impl_;
  auto loop = net::EventLoop::create();
  if (!loop.ok()) return loop.error();
  impl.sink = std::move(sink);
  impl.loop = std::move(*loop);
  impl.witnesses = std::make_unique<Witnesses>(*impl.loop, clock, log, *impl.sink, redactor, policy,
                                               obeying(systems), options);
  impl.core = std::make_unique<MirrorCore>(*impl.loop, clock, log, *impl.sink, redactor, policy,
                                           obeying(std::move(systems)), options);
  BANYAN_RETURN_IF_ERROR(impl.witnesses->open());
  BANYAN_RETURN_IF_ERROR(impl.core->open());
  impl.tick = std::make_unique<net::Timer>(*impl.loop, [&impl] { impl.on_tick(); });
  impl.hook = impl.loop->at_turn_end([&impl] { impl.on_turn_end(); });
  impl.listener = log.add_publish_listener(
      [&impl](model::RecordKinds kinds) { return impl.on_published(kinds); });
  return mirror;
}

Mirror::~Mirror() {
  stop(0);
  impl_->listener.reset();
  impl_->hook.reset();
  impl_->tick.reset();
  impl_->witnesses.reset();
  impl_->core.reset();
}

void Mirror::start() {
  if (impl_->thread.joinable()) return;
  impl_->thread = std::thread([impl = impl_.get()] { impl->run(); });
  impl_->wake();
}

void Mirror::stop(std::int64_t patience_ns) {
  if (!impl_->thread.joinable()) return;
  impl_->loop->post([impl = impl_.get(), patience_ns] { impl->begin_stop(patience_ns); });
  impl_->thread.join();
}

void Mirror::pause(bool paused) {
  impl_->loop->post([impl = impl_.get(), paused] {
    impl->core->set_paused(paused);
    impl->witnesses->set_paused(paused);
    impl->arm();
  });
}

void Mirror::reconfigure(SystemsOptions systems, const MirrorOptions& options,
                         bool renews_connections) {
  impl_->loop->post(
      [impl = impl_.get(), systems = std::move(systems), options, renews_connections]() mutable {
        impl->witnesses->reconfigure(obeying(systems), options, renews_connections);
        impl->core->reconfigure(obeying(std::move(systems)), options, renews_connections);
        impl->wake();  // What had to wait may go now.
      });
}

MirrorStats Mirror::stats() const {
  MirrorStats stats = impl_->core->stats();
  stats.witnesses = impl_->witnesses->stats();
  return stats;
}

void Mirror::on_retention(std::string_view stream, Offset first, Offset end) {
  (void)first;  // what lies before it went away earlier
  impl_->loop->post([impl = impl_.get(), name = std::string(stream), end] {
    impl->core->on_retention(name, end);
  });
}

}  // namespace banyan::replay
