// SPDX-License-Identifier: Apache-2.0
//
// A connection of an UpstreamPool in the making: TCP, then the PROXY header, then TLS, then what
// was agreed on decides which link it becomes. Connect's timeout covers all of it. Internal to the
// pool; confined to its loop.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/net/channel.h"
#include "core/net/event_loop.h"
#include "core/net/upstream_link.h"

namespace banyan::net {

class Dial final : public UpstreamLink {
 public:
  // Calls that wait for one connection because it may carry them all.
  static constexpr std::size_t kRidersMax = 100;

  Dial(UpstreamPoolImpl& pool, ShelfPlace place, std::string source)
      : UpstreamLink(pool, std::move(place), std::move(source)) {}

  // Begins to connect for `call`. False with errno where the system refuses at once.
  bool connect(UpstreamCallImpl& call);
  // One more call that waits for it.
  void ride(UpstreamCallImpl& call);
  bool has_room() const { return !only_http1_ && riders_.size() < kRidersMax; }

  void cancel(UpstreamCallImpl& call) override;
  void given_up(UpstreamCallImpl& call) override;
  void send_body(UpstreamCallImpl&, std::string_view) override {}  // The call keeps it.
  void finish_body(UpstreamCallImpl&, const http::HeaderList&) override {}
  void set_paused(UpstreamCallImpl&, bool) override {}
  std::size_t waiting_bytes(const UpstreamCallImpl&) const override { return 0; }
  bool is_drained(const UpstreamCallImpl&) const override { return false; }
  bool is_connected() const override { return false; }
  void close() override;

 private:
  enum class Step { kConnecting, kSendingSource, kHandshake, kClosed };

  void on_ready();
  void check_connected();
  void send_source();
  void begin_handshake();
  void shake_hands();
  void finish();
  void fail(UpstreamFailureKind kind, std::string message);
  std::vector<UpstreamCallImpl*> release_riders();

  Step step_ = Step::kConnecting;
  bool only_http1_ = false;  // whatever else is spoken: the call or the system needs it
  std::vector<UpstreamCallImpl*> riders_;
  Channel channel_;
  std::optional<FdWatch> watch_;
  std::optional<Timer> timer_;
  OutputBuffer out_;
};

}  // namespace banyan::net
