// SPDX-License-Identifier: Apache-2.0
#include "core/net/system_watch.h"

#include <algorithm>
#include <utility>

#include "core/base/text.h"
#include "core/net/resolve.h"
#include "core/net/socket.h"
#include "core/obs/log.h"

namespace banyan::net {
namespace {

constexpr std::int64_t kSweepNs = 1'000'000'000;

}  // namespace

SystemWatch::SystemWatch(EventLoop& loop, Resolver& resolver, std::shared_ptr<Endpoints> endpoints,
                         SystemSpec spec, std::function<void()> on_settled)
    : loop_(loop),
      resolver_(resolver),
      endpoints_(std::move(endpoints)),
      spec_(std::move(spec)),
      on_settled_(std::move(on_settled)),
      sweeper_(loop, [this] { sweep(); }) {
  endpoints_->set_options(spec_.judgement);
  take_urls();
  publish();
  sweeper_.start(kSweepNs);
}

SystemWatch::~SystemWatch() = default;

void SystemWatch::update(SystemSpec spec) {
  const bool had_checks = !spec_.health.path.empty();
  // Checks are made anew: how they connect may have changed.
  probes_.clear();
  spec_ = std::move(spec);
  endpoints_->set_options(spec_.judgement);
  if (had_checks && spec_.health.path.empty()) endpoints_->forget_checks(loop_.now().mono_ns);
  take_urls();
  publish();
}

void SystemWatch::take_urls() {
  const std::vector<Source> before = std::exchange(sources_, {});
  const std::string where = "systems." + endpoints_->system();
  const auto watch_of = [](const std::vector<Source>& sources, const std::string& name) {
    const auto found = std::find_if(sources.begin(), sources.end(), [&name](const Source& it) {
      return it.names != nullptr && it.names->name() == name;
    });
    return found == sources.end() ? nullptr : found->names;
  };
  for (const std::string& text : spec_.urls) {
    auto url = parse_system_url(text);
    if (!url.ok()) {
      obs::log_warning("net", where + ": " + url.error().message + "; it is not used");
      continue;
    }
    Source source{*std::move(url), nullptr};
    if (!source.url.is_literal) {
      source.names = watch_of(sources_, source.url.host);
      if (!source.names) source.names = watch_of(before, source.url.host);
      if (!source.names) {
        source.names = std::make_shared<NameWatch>(loop_, resolver_, where, source.url.host,
                                                   [this] { publish(); });
        source.names->start();
      }
    }
    sources_.push_back(std::move(source));
  }
}

bool SystemWatch::is_settled() const {
  return std::all_of(sources_.begin(), sources_.end(), [](const Source& source) {
    return source.names == nullptr || source.names->is_settled();
  });
}

void SystemWatch::publish() {
  std::vector<UpstreamAddress> addresses;
  std::vector<NameStatus> names;
  // A name that is new has no say yet: until it has answered, what there was stays.
  bool is_waiting = false;
  for (const Source& source : sources_) {
    const auto ips =
        source.names ? source.names->addresses() : std::vector<std::string>{source.url.host};
    for (const std::string& ip : ips) {
      if (auto address = address_of(ip, source.url)) addresses.push_back(*std::move(address));
    }
    if (!source.names) continue;
    is_waiting = is_waiting || !source.names->is_settled();
    if (std::none_of(names.begin(), names.end(),
                     [&](const NameStatus& it) { return it.name == source.names->name(); })) {
      names.push_back(source.names->status());
    }
  }
  endpoints_->set_names(std::move(names));
  if (!addresses.empty() || !is_waiting) {
    endpoints_->set_addresses(std::move(addresses), loop_.now().mono_ns, on_settled_ != nullptr);
    sync_probes();
  }
  if (on_settled_ && is_settled()) std::exchange(on_settled_, nullptr)();
}

// Host of a check: the first URL of the address's name and port says it.
std::string SystemWatch::host_for(const Endpoint& endpoint) const {
  if (!spec_.host.empty()) return spec_.host;
  for (const Source& source : sources_) {
    const auto made =
        address_of(SocketAddress{endpoint.address().socket_address}.host(), source.url);
    if (made && *made == endpoint.address()) return source.url.authority();
  }
  return endpoint.address().text;
}

void SystemWatch::sync_probes() {
  if (spec_.health.path.empty()) return;
  std::vector<std::unique_ptr<HealthProbe>> before = std::exchange(probes_, {});
  const auto set = endpoints_->snapshot();
  for (std::size_t i = 0; i < set->size(); ++i) {
    const auto known = std::find_if(before.begin(), before.end(), [&](const auto& probe) {
      return probe != nullptr && probe->endpoint() == set->shared(i);
    });
    if (known != before.end()) {
      probes_.push_back(std::move(*known));
    } else {
      probes_.push_back(std::make_unique<HealthProbe>(
          loop_, *endpoints_, set->shared(i), spec_.health, spec_.upstream, host_for(set->at(i))));
    }
  }
}

void SystemWatch::sweep() {
  endpoints_->sweep(loop_.now().mono_ns);
  sweeper_.start(kSweepNs);
}

}  // namespace banyan::net
