// SPDX-License-Identifier: Apache-2.0
#include "core/net/warden.h"

#include <chrono>
#include <condition_variable>
#include <thread>
#include <utility>

#include "core/base/clock.h"
#include "core/base/mutex.h"
#include "core/net/event_loop.h"
#include "core/net/upstream_metrics.h"

namespace banyan::net {

struct Warden::Impl {
  std::unique_ptr<EventLoop> loop;
  std::vector<System> systems;  // until start()
  std::vector<std::shared_ptr<Endpoints>> endpoints;
  std::unique_ptr<Resolver> resolver;
  std::vector<std::unique_ptr<SystemWatch>> watches;
  std::thread thread;
  Mutex mutex;
  std::condition_variable changed;
  std::size_t unsettled GUARDED_BY(mutex) = 0;

  void settled_one() {
    MutexLock lock(mutex);
    if (--unsettled == 0) changed.notify_all();
  }
  void run() {
    loop->run();
    // On their own thread: their timers and sockets belong to the loop.
    watches.clear();
    resolver.reset();
  }
};

Warden::Warden() : impl_(std::make_unique<Impl>()) {}
Warden::~Warden() { stop(); }

Result<std::unique_ptr<Warden>> Warden::open(DnsOptions dns, std::vector<System> systems,
                                             obs::Metrics& metrics) {
  auto loop = EventLoop::create();
  if (!loop.ok()) return loop.error();
  std::unique_ptr<Warden> warden(new Warden());
  Impl& impl = *warden->impl_;
  impl.loop = std::move(*loop);
  impl.resolver = std::make_unique<Resolver>(*impl.loop, std::move(dns));
  for (const System& system : systems) {
    impl.endpoints.push_back(std::make_shared<Endpoints>(system.name, system.spec.judgement));
  }
  impl.systems = std::move(systems);
  register_upstream_metrics(metrics, impl.endpoints);
  return warden;
}

const std::shared_ptr<Endpoints>& Warden::endpoints(std::size_t system) const {
  return impl_->endpoints.at(system);
}

void Warden::start() {
  Impl& impl = *impl_;
  {
    MutexLock lock(impl.mutex);
    impl.unsettled = impl.systems.size();
  }
  // Before the thread runs, so that literal addresses are there when this returns.
  for (std::size_t i = 0; i < impl.systems.size(); ++i) {
    impl.watches.push_back(std::make_unique<SystemWatch>(
        *impl.loop, *impl.resolver, impl.endpoints[i], std::move(impl.systems[i].spec),
        [&impl] { impl.settled_one(); }));
  }
  impl.systems.clear();
  impl.thread = std::thread([&impl] { impl.run(); });
}

bool Warden::wait_until_settled(std::int64_t patience_ns) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::nanoseconds(patience_ns);
  MutexLock lock(impl_->mutex);
  while (impl_->unsettled > 0) {
    const auto left = deadline - std::chrono::steady_clock::now();
    if (left <= std::chrono::nanoseconds(0)) return false;
    lock.wait_for(impl_->changed, left);
  }
  return true;
}

void Warden::stop() {
  if (!impl_->thread.joinable()) return;
  impl_->loop->stop();
  impl_->thread.join();
}

void Warden::update(std::size_t system, SystemSpec spec) {
  impl_->loop->post([this, system, spec = std::move(spec)]() mutable {
    if (system < impl_->watches.size()) impl_->watches[system]->update(std::move(spec));
  });
}

void Warden::update_dns(DnsOptions dns) {
  impl_->loop->post([this, dns = std::move(dns)]() mutable {
    if (impl_->resolver) impl_->resolver->set_options(std::move(dns));
  });
}

}  // namespace banyan::net
