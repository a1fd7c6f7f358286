// SPDX-License-Identifier: Apache-2.0
#include "core/net/health_probe.h"

#include <algorithm>
#include <utility>

#include "core/base/text.h"

namespace banyan::net {
namespace {

// More of a body says nothing more about health.
constexpr std::size_t kBodyBytesMax = 64 * 1024;

UpstreamOptions options_of_probe(UpstreamOptions options, const Endpoint& endpoint,
                                 std::int64_t timeout_ns) {
  // Its own judgement: a check must reach its address whatever is thought of it.
  options.endpoints = Endpoints::fixed({endpoint.address()});
  options.connections_max = 1;
  options.waiting_max = 1;
  options.obeys_circuit = false;
  options.connect_timeout_ns = std::min(options.connect_timeout_ns, timeout_ns);
  return options;
}

}  // namespace

HealthProbe::HealthProbe(EventLoop& loop, Endpoints& judge, std::shared_ptr<Endpoint> endpoint,
                         HealthOptions options, UpstreamOptions upstream, std::string host)
    : loop_(loop),
      judge_(judge),
      endpoint_(std::move(endpoint)),
      options_(std::move(options)),
      host_(std::move(host)),
      pool_(loop, options_of_probe(std::move(upstream), *endpoint_, options_.timeout_ns)),
      dice_(static_cast<std::uint64_t>(loop.now().mono_ns) ^
            reinterpret_cast<std::uintptr_t>(this)),
      next_(loop, [this] { begin(); }),
      deadline_(loop, [this] {
        end(false, "no whole answer within " + format_duration_ns(options_.timeout_ns));
      }) {
  next_.start(0);
}

HealthProbe::~HealthProbe() = default;

void HealthProbe::begin() {
  status_ = 0;
  body_bytes_ = 0;
  // Whether it accepts connections is part of the question.
  pool_.close_idle();
  UpstreamRequest request;
  request.method = "GET";
  request.head = "GET " + options_.path + " HTTP/1.1\r\nHost: " + host_ +
                 "\r\nUser-Agent: banyan-health-check\r\nAccept: */*\r\nConnection: close\r\n\r\n";
  call_ = pool_.start(std::move(request), *this);
  deadline_.start(options_.timeout_ns);
}

void HealthProbe::on_head(const http::ResponseHead& head) { status_ = head.status; }

void HealthProbe::on_body(std::string_view piece) {
  body_bytes_ += piece.size();
  if (body_bytes_ > kBodyBytesMax) on_complete({});
}

void HealthProbe::on_complete(const http::HeaderList&) {
  const bool is_good =
      std::any_of(options_.statuses.begin(), options_.statuses.end(),
                  [this](const auto& it) { return it.from <= status_ && status_ <= it.to; });
  end(is_good, "status " + std::to_string(status_));
}

void HealthProbe::on_failure(const UpstreamFailure& failure) {
  end(false, std::string(to_string(failure.kind)) + ": " + failure.message);
}

void HealthProbe::end(bool is_good, const std::string& why) {
  call_.reset();
  deadline_.stop();
  judge_.checked(*endpoint_, is_good, why, is_good ? options_.healthy : options_.unhealthy,
                 loop_.now().mono_ns);
  // A tenth up or down, so that many checks do not come in step.
  next_.start(options_.interval_ns / 1000 * (900 + dice_.below(200)));
}

}  // namespace banyan::net
