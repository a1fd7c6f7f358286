// SPDX-License-Identifier: Apache-2.0
#include "proxy/preface_sniffer.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "core/net/http2_server_session.h"
#include "proxy/http1_connection.h"
#include "proxy/http2_connection.h"
#include "proxy/worker.h"

namespace banyan::proxy {
PrefaceSniffer::PrefaceSniffer(Worker& worker, net::Channel channel, Peer peer,
                               std::uint64_t number)
    : Connection(std::move(peer), number),
      worker_(worker),
      channel_(std::move(channel)),
      watch_(worker.loop(), channel_.fd(), [this](net::FdWatch::Ready) { on_readable(); }) {}

PrefaceSniffer::~PrefaceSniffer() = default;

void PrefaceSniffer::start() {
  opened_ns_ = worker_.loop().now().mono_ns;
  deadline_ns_ = opened_ns_ + worker_.shared().options.timeouts.head_ns;
  watch_.want_read(true);
}

// Not a word is read of it, so it hears HTTP/1.
void PrefaceSniffer::refuse_over_limit() {
  watch_.want_read(false);
  auto next = std::make_unique<Http1Connection>(worker_, std::move(channel_), peer(), number());
  Connection& raw = *next;
  worker_.take_place(*this, std::move(next));
  raw.refuse_over_limit();
}

void PrefaceSniffer::on_readable() {
  if (is_closed_) return;
  const net::Received got = channel_.receive(worker_.scratch(), Worker::kScratchBytes);
  switch (got.outcome) {
    case net::ReceiveOutcome::kBytes: break;
    case net::ReceiveOutcome::kWouldBlock: return;
    case net::ReceiveOutcome::kClosed:
    case net::ReceiveOutcome::kFailed: close(); return;
  }
  seen_.append(got.bytes);
  const std::size_t size = std::min(seen_.size(), net::kHttp2Preface.size());
  if (seen_.compare(0, size, net::kHttp2Preface.substr(0, size)) != 0) {
    decide(false);
  } else if (size == net::kHttp2Preface.size()) {
    decide(true);
  }
}

void PrefaceSniffer::decide(bool is_http2) {
  watch_.want_read(false);
  is_closed_ = true;
  std::unique_ptr<Connection> next;
  if (is_http2) {
    next = std::make_unique<Http2Connection>(worker_, std::move(channel_), peer(), number(), seen_);
  } else {
    next = std::make_unique<Http1Connection>(worker_, std::move(channel_), peer(), number(), seen_);
  }
  worker_.replace(*this, std::move(next));
}

void PrefaceSniffer::on_tick(std::int64_t now_ns) {
  if (is_closed_ || now_ns < deadline_ns_) return;
  if (!seen_.empty()) {
    worker_.count_timeout("head");
    worker_.count_refused(408);
  }
  close();
}

// As for who speaks HTTP/1: what is here is still answered, and who has just connected may ask.
void PrefaceSniffer::drain() {
  is_draining_ = true;
  if (seen_.empty()) on_readable();
  if (is_closed_ || !seen_.empty()) return;
  const std::int64_t fresh_until = opened_ns_ + kFreshNs;
  if (worker_.loop().now().mono_ns >= fresh_until) {
    close();
  } else {
    deadline_ns_ = std::min(deadline_ns_, fresh_until);
  }
}

void PrefaceSniffer::close() {
  if (is_closed_) return;
  is_closed_ = true;
  watch_.want_read(false);
  channel_.close();
  worker_.release(*this);
}

}  // namespace banyan::proxy
