// SPDX-License-Identifier: Apache-2.0
//
// Other options for a proxy that serves: first all that can fail, then one step at a standstill.
#include <utility>

#include "core/obs/log.h"
#include "proxy/listener_tls.h"
#include "proxy/proxy_impl.h"
#include "proxy/standstill.h"

namespace banyan::proxy {
namespace {

// Facts are shared with connections, so they are kept where nothing of them changes.
bool gives_same_facts(const ListenerOptions& a, const ListenerOptions& b) {
  return a.trusted == b.trusted && a.writes_via == b.writes_via &&
         a.has_proxy_header == b.has_proxy_header && a.speaks_http2 == b.speaks_http2 &&
         a.tls.has_value() == b.tls.has_value();
}

}  // namespace

class Proxy::Change {
 public:
  ProxyOptions options;
  bool renews_upstreams = false;
  std::vector<Impl::Bound> bound;
  std::vector<std::vector<Worker::ListenerPlan>> plans;  // by worker
  // Certificates read again; handshakes from then on use them.
  struct Renewed {
    std::shared_ptr<net::TlsServerCell> cell;
    std::shared_ptr<const net::TlsServerContext> context;
  };
  std::vector<Renewed> renewed;
};

Result<std::shared_ptr<Proxy::Change>> Proxy::prepare(const ProxyOptions& next,
                                                      bool renews_upstreams) {
  Impl& impl = *impl_;
  auto change = std::make_shared<Change>();
  change->options = next;
  change->options.workers = impl.shared->workers;
  change->renews_upstreams = renews_upstreams;
  change->plans.resize(impl.workers.size());
  std::vector<Impl::Bound> before;
  {
    MutexLock lock(impl.mutex);
    before = impl.bound;
  }
  for (const ListenerOptions& options : next.listeners) {
    const Impl::Bound* old = nullptr;
    for (const Impl::Bound& bound : before) {
      if (bound.options.address == options.address) old = &bound;
    }
    Impl::Bound bound{options, "", nullptr};
    if (old != nullptr && gives_same_facts(old->options, options)) {
      bound.facts = old->facts;
      if (options.tls) {
        auto context = open_listener_tls(options, bound.facts->tls->load().get());
        if (!context.ok()) return context.error();
        change->renewed.push_back({bound.facts->tls, *std::move(context)});
      }
    } else {
      auto facts = make_facts(options, old != nullptr ? old->facts.get() : nullptr);
      if (!facts.ok()) return facts.error();
      bound.facts = std::move(*facts);
    }
    if (old != nullptr) {
      bound.address = old->address;
      for (auto& plan : change->plans) plan.push_back({options.address, bound.facts, {}, false});
    } else {
      auto sockets = impl.open_sockets(options);
      if (!sockets.ok()) return sockets.error();
      bound.address = sockets->address;
      for (std::size_t i = 0; i < sockets->fds.size(); ++i) {
        change->plans[i % change->plans.size()].push_back(
            {options.address, bound.facts, std::move(sockets->fds[i]), sockets->is_inherited});
      }
    }
    change->bound.push_back(std::move(bound));
  }
  return change;
}

bool Proxy::apply(std::shared_ptr<Change> change, const std::function<void()>& at_standstill) {
  Impl& impl = *impl_;
  if (impl.is_stopping || !impl.is_started) return false;
  auto gate = std::make_shared<Standstill>(impl.workers.size());
  for (std::size_t i = 0; i < impl.workers.size(); ++i) {
    Worker* const worker = impl.workers[i].get();
    const bool is_posted = worker->post([gate, change, worker, i] {
      if (!gate->arrive()) return;
      worker->take_over(std::move(change->plans[i]), change->renews_upstreams);
      gate->leave();
    });
    if (!is_posted) {
      (void)gate->wait_for_all(0);  // Calls it off for those who were asked already.
      return false;
    }
  }
  if (!gate->wait_for_all(kStandstillNs)) {
    obs::log_error("proxy", "a worker did not come to a standstill in time; nothing was changed");
    return false;
  }
  impl.shared->take_over(change->options);
  for (Change::Renewed& one : change->renewed) one.cell->store(std::move(one.context));
  if (at_standstill) at_standstill();
  {
    MutexLock lock(impl.mutex);
    impl.bound = std::move(change->bound);
  }
  gate->open();
  gate->wait_until_left();
  impl.publish_tls();
  return true;
}

void Proxy::ask_beat() {
  const std::uint64_t number = ++impl_->beats_asked;
  for (auto& worker : impl_->workers) worker->ask_beat(number);
}

bool Proxy::has_answered_beat() const {
  const std::uint64_t asked = impl_->beats_asked;
  for (const auto& worker : impl_->workers) {
    if (!worker->has_ended() && worker->beat() < asked) return false;
  }
  return true;
}

}  // namespace banyan::proxy
