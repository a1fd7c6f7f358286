// SPDX-License-Identifier: Apache-2.0
//
// Active checks of one address: a GET from time to time, over a pool of its own that knows only
// this address, so that TLS and protocols are those of real requests. Endpoints judges the results.
// Confined to its loop.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/net/endpoints.h"
#include "core/net/event_loop.h"
#include "core/net/upstream.h"

namespace banyan::net {

struct HealthOptions {
  struct Statuses {
    int from = 200, to = 399;
    bool operator==(const Statuses&) const = default;
  };
  std::string path;  // "/health"; "" = no checks
  std::int64_t interval_ns = 5'000'000'000;
  std::int64_t timeout_ns = 2'000'000'000;  // of a whole check
  std::uint32_t healthy = 2;                // good checks in a row bring an address back
  std::uint32_t unhealthy = 3;              // bad ones in a row take it out
  std::vector<Statuses> statuses = {{200, 399}};
  bool operator==(const HealthOptions&) const = default;
};

class HealthProbe final : private UpstreamCallHandler {
 public:
  // `upstream`: how to connect; its addresses are not used. `host`: what Host says.
  HealthProbe(EventLoop& loop, Endpoints& judge, std::shared_ptr<Endpoint> endpoint,
              HealthOptions options, UpstreamOptions upstream, std::string host);
  ~HealthProbe() override;
  const std::shared_ptr<Endpoint>& endpoint() const { return endpoint_; }

 private:
  void begin();
  void on_head(const http::ResponseHead& head) override;
  void on_body(std::string_view piece) override;
  void on_complete(const http::HeaderList& trailers) override;
  void on_failure(const UpstreamFailure& failure) override;
  void end(bool is_good, const std::string& why);

  EventLoop& loop_;
  Endpoints& judge_;
  const std::shared_ptr<Endpoint> endpoint_;
  const HealthOptions options_;
  const std::string host_;
  UpstreamPool pool_;
  int status_ = 0;
  std::size_t body_bytes_ = 0;
  Dice dice_;
  Timer next_;
  Timer deadline_;
  std::unique_ptr<UpstreamCall> call_;
};

}  // namespace banyan::net
