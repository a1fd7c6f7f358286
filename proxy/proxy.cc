// SPDX-License-Identifier: Apache-2.0
#include "proxy/proxy.h"

#include <chrono>
#include <condition_variable>
#include <utility>

#include "core/obs/log.h"
#include "proxy/proxy_impl.h"

namespace banyan::proxy {
namespace {

constexpr std::chrono::milliseconds kDrainPoll(5);
constexpr std::int64_t kCutPatienceNs = 2'000'000'000;

}  // namespace

LogDoor log_door(recorder::Recorder& recorder) {
  LogDoor door;
  door.node = recorder.node();
  door.epoch = recorder.epoch();
  door.log_uuid = recorder.log_uuid();
  door.next_lane_number = [&recorder] { return recorder.next_lane_number(); };
  door.open_lane = [&recorder](std::function<void()> wake) {
    return recorder.open_lane(std::move(wake));
  };
  return door;
}

Proxy::Proxy() : impl_(std::make_unique<Impl>()) {}

Proxy::~Proxy() { stop(0); }

Result<std::unique_ptr<Proxy>> Proxy::open(ProxyOptions options, Clock& clock,
                                           routing::RoutingCell& routing,
                                           recorder::Recorder& recorder,
                                           const model::Redactor& redactor,
                                           const crypto::KeyRing& keys, obs::Metrics& metrics,
                                           RefusedListener on_refused, ProxyExtras extras) {
  return open(std::move(options), clock, routing, log_door(recorder), redactor, keys, metrics,
              std::move(on_refused), std::move(extras));
}

Result<std::unique_ptr<Proxy>> Proxy::open(ProxyOptions options, Clock& clock,
                                           routing::RoutingCell& routing, LogDoor log,
                                           const model::Redactor& redactor,
                                           const crypto::KeyRing& keys, obs::Metrics& metrics,
                                           RefusedListener on_refused, ProxyExtras extras) {
  std::unique_ptr<Proxy> proxy(new Proxy());
  Impl& impl = *proxy->impl_;
  impl.shared =
      std::make_unique<Shared>(std::move(options), clock, routing, std::move(log), redactor, keys,
                               metrics, std::move(on_refused), extras.access, extras.subjects);
  impl.inherited = std::move(extras.inherited);
  for (int i = 0; i < impl.shared->workers; ++i) {
    auto worker = Worker::create(*impl.shared, i);
    if (!worker.ok()) return worker.error();
    impl.workers.push_back(std::move(*worker));
  }
  BANYAN_RETURN_IF_ERROR(impl.bind());
  impl.publish_tls();
  // Metrics may outlive the proxy, so what they read is theirs as well.
  metrics.gauge("banyan_proxy_connections", "Open client connections.", {},
                [open = impl.shared->connections.shared_open()] {
                  return static_cast<double>(open->load(std::memory_order_relaxed));
                });
  return proxy;
}

void Proxy::start() {
  if (std::exchange(impl_->is_started, true)) return;
  for (auto& worker : impl_->workers) worker->start();
}

void Proxy::Impl::wait_for_end(std::int64_t patience_ns, bool heeds_abort) {
  const std::int64_t deadline = SystemClock::instance().mono_ns() + patience_ns;
  MutexLock lock(mutex);
  while (!have_all_ended() && !(heeds_abort && is_drain_aborted)) {
    if (SystemClock::instance().mono_ns() >= deadline) return;
    lock.wait_for(changed, kDrainPoll);
  }
}

void Proxy::stop(std::int64_t drain_ns) {
  if (!impl_->is_started || impl_->workers.empty()) return;
  impl_->is_stopping = true;
  for (auto& worker : impl_->workers) worker->begin_drain();
  impl_->wait_for_end(drain_ns, true);
  if (!impl_->have_all_ended()) {
    obs::log_warning("proxy", "the drain ended with exchanges still open; they are cut");
    for (auto& worker : impl_->workers) worker->shut_down();
    impl_->wait_for_end(kCutPatienceNs, false);
  }
  for (auto& worker : impl_->workers) worker->join();
}

void Proxy::abort_drain() {
  {
    MutexLock lock(impl_->mutex);
    impl_->is_drain_aborted = true;
  }
  impl_->changed.notify_all();
}

void Proxy::cut(std::string_view route) {
  for (auto& worker : impl_->workers) worker->cut(std::string(route));
}

std::vector<std::string> Proxy::addresses() const {
  MutexLock lock(impl_->mutex);
  std::vector<std::string> addresses;
  for (const Impl::Bound& bound : impl_->bound) addresses.push_back(bound.address);
  return addresses;
}

ProxyStats Proxy::stats() const {
  ProxyStats stats;
  stats.connections_open = impl_->shared->connections.open();
  for (const auto& worker : impl_->workers) worker->add_stats(stats);
  return stats;
}

std::vector<Refusals::Reason> Proxy::refusals() const { return impl_->shared->refusals.list(); }

}  // namespace banyan::proxy
