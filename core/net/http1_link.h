// SPDX-License-Identifier: Apache-2.0
//
// An open HTTP/1.1 connection of an UpstreamPool: one call at a time, and after a 101 that was
// asked for a tunnel for the rest of its life. Internal to the pool; confined to its loop.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/http/message_reader.h"
#include "core/net/channel.h"
#include "core/net/event_loop.h"
#include "core/net/upstream_link.h"

namespace banyan::net {

class Http1Link final : public UpstreamLink {
 public:
  // Idle; somebody attaches at once.
  Http1Link(UpstreamPoolImpl& pool, ShelfPlace place, std::string source, Channel channel);

  // What there is of the request at the end of this turn leaves then, with those of other links:
  // many small packets in a row wake the system once. The link is idle.
  void attach(UpstreamCallImpl& call);
  void send_due();

  [[gnu::cold]] void cancel(UpstreamCallImpl& call) override;
  [[gnu::cold]] void given_up(UpstreamCallImpl& call) override;
  void send_body(UpstreamCallImpl& call, std::string_view bytes) override;
  void finish_body(UpstreamCallImpl& call, const http::HeaderList& trailers) override;
  void set_paused(UpstreamCallImpl& call, bool paused) override;
  std::size_t waiting_bytes(const UpstreamCallImpl&) const override { return out_.waiting_bytes(); }
  bool is_drained(const UpstreamCallImpl&) const override {
    return out_.is_empty() && !is_send_broken_;
  }
  bool is_connected() const override { return !is_send_due_; }
  void close() override;

 private:
  enum class State { kIdle, kBusy, kTunnel, kFinishing, kClosed };

  void on_ready(FdWatch::Ready ready);
  void on_readable();
  void on_writable();
  [[gnu::cold]] void on_timeout();
  OutputBuffer::Outcome send_request();
  void after_send(OutputBuffer::Outcome outcome);
  void want_write();
  // Events of the reader; stops when the call is gone.
  void feed(std::string_view input);
  bool deliver_head(std::string_view& input);
  void open_tunnel(std::string_view behind);
  void complete(bool has_more_bytes);
  [[gnu::cold]] void peer_closed(int failed_errno);
  [[gnu::cold]] void fail(UpstreamFailureKind kind, std::string message);
  UpstreamCallImpl& detach();
  void start_timer();
  void read_on_later();

  State state_ = State::kIdle;
  bool is_reused_ = false;
  bool is_send_due_ = false;
  bool is_send_broken_ = false;
  bool has_final_head_ = false;
  bool shuts_down_when_drained_ = false;  // a tunnel whose client has ended
  int informational_ = 0;
  UpstreamCallImpl* call_ = nullptr;
  Channel channel_;
  std::optional<FdWatch> watch_;
  std::optional<Timer> timer_;
  http::ResponseReader reader_;
  OutputBuffer out_;
  std::uint64_t sent_before_ = 0;  // of out_, when it was last looked at
  // What a posted read holds weakly; made when the first one is posted.
  std::shared_ptr<Http1Link*> self_;
};

}  // namespace banyan::net
