// SPDX-License-Identifier: Apache-2.0
#include "proxy/shared.h"

#include <sys/resource.h>

#include <algorithm>
#include <string>
#include <thread>
#include <utility>

#include "core/obs/log.h"
#include "proxy/listener_tls.h"

namespace banyan::proxy {
namespace {

constexpr int kWorkersMax = 256;

int workers_of(const ProxyOptions& options) {
  const int wanted =
      options.workers > 0 ? options.workers : static_cast<int>(std::thread::hardware_concurrency());
  return std::clamp(wanted, 1, kWorkersMax);
}

// Clients may not have every descriptor: without one for the system behind them, and for the log,
// nobody is served at all.
void leave_descriptors(LimitOptions& limits) {
  constexpr std::size_t kKeptMax = 1088;
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY) return;
  const auto all = static_cast<std::size_t>(files.rlim_cur);
  const std::size_t most = std::max<std::size_t>(1, all - std::min(all / 4, kKeptMax));
  if (limits.connections_max <= most) return;
  obs::log_warning("proxy", "limits.connections is " + std::to_string(limits.connections_max) +
                                ", but only " + std::to_string(all) +
                                " files may be open: the limit is " + std::to_string(most) +
                                " (raise LimitNOFILE or ulimit -n)");
  limits.connections_max = most;
}

http::ReadLimits read_limits_of(const ProxyOptions& options) {
  http::ReadLimits read;
  read.head_bytes_max = options.limits.head_bytes_max;
  read.fields_max = options.limits.fields_max;
  read.line_bytes_max = options.limits.line_bytes_max;
  read.target_bytes_max = options.limits.target_bytes_max;
  read.body_bytes_max = options.limits.body_bytes_max;
  read.lenient = options.lenient;
  return read;
}

}  // namespace

bool ConnectionLimits::enter(const std::string& address) {
  if (open_->fetch_add(1, std::memory_order_relaxed) >= options_.connections_max) {
    open_->fetch_sub(1, std::memory_order_relaxed);
    return false;
  }
  if (name_client(address)) return true;
  open_->fetch_sub(1, std::memory_order_relaxed);
  return false;
}

bool ConnectionLimits::name_client(const std::string& address) {
  if (!counts_clients() || address.empty()) return true;
  MutexLock lock(mutex_);
  std::size_t& count = by_client_[address];
  if (count < options_.connections_per_client_max) {
    ++count;
    return true;
  }
  if (count == 0) by_client_.erase(address);
  return false;
}

void ConnectionLimits::leave(const std::string& address) {
  open_->fetch_sub(1, std::memory_order_relaxed);
  forget_client(address);
}

void ConnectionLimits::forget_client(const std::string& address) {
  if (!counts_clients() || address.empty()) return;
  MutexLock lock(mutex_);
  const auto found = by_client_.find(address);
  if (found != by_client_.end() && --found->second == 0) by_client_.erase(found);
}

Shared::Shared(ProxyOptions given, Clock& a_clock, routing::RoutingCell& cell, LogDoor door,
               const model::Redactor& a_redactor, const crypto::KeyRing& keys,
               obs::Metrics& a_metrics, RefusedListener listener, AccessSink* access_sink,
               crypto::SubjectKeys* subject_keys)
    : options(std::move(given)),
      clock(a_clock),
      routing(cell),
      log(std::move(door)),
      redactor(a_redactor),
      metrics(a_metrics),
      on_refused(std::move(listener)),
      access(access_sink),
      subjects(options.subject.kind == SubjectOptions::Kind::kNone ? nullptr : subject_keys),
      capture_limits{options.limits.inline_body_max, options.limits.body_captured_max,
                     keys.digest_seed()},
      workers(workers_of(options)),
      connections(options.limits),
      read_limits(read_limits_of(options)) {
  leave_descriptors(options.limits);
}

void Shared::take_over(const ProxyOptions& next) {
  options = next;
  leave_descriptors(options.limits);
  read_limits = read_limits_of(options);
  capture_limits.inline_max = next.limits.inline_body_max;
  capture_limits.captured_max = next.limits.body_captured_max;
}

Result<std::shared_ptr<ListenerFacts>> make_facts(const ListenerOptions& options,
                                                  const ListenerFacts* earlier) {
  auto facts = std::make_shared<ListenerFacts>();
  auto trusted = NetworkSet::parse(options.trusted);
  if (!trusted.ok()) return trusted.error();
  facts->trusted = std::move(*trusted);
  facts->writes_via = options.writes_via;
  facts->speaks_http2 = options.speaks_http2;
  facts->has_proxy_header = options.has_proxy_header;
  if (options.tls) {
    const bool had_tls = earlier != nullptr && earlier->tls != nullptr;
    auto context = open_listener_tls(options, had_tls ? earlier->tls->load().get() : nullptr);
    if (!context.ok()) return context.error();
    facts->tls = std::make_shared<net::TlsServerCell>(*std::move(context));
  }
  return facts;
}

}  // namespace banyan::proxy
