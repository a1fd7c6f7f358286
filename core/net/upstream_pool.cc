// SPDX-License-Identifier: Apache-2.0
#include "core/net/upstream_pool.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace banyan::net {
namespace {

// An address that refused is passed over for this long while others remain.
constexpr std::int64_t kRefusedRestNs = 1'000'000'000;

}  // namespace

UpstreamPoolImpl::UpstreamPoolImpl(EventLoop& loop, UpstreamOptions options)
    : loop_(loop),
      options_(std::move(options)),
      refused_until_ns_(options_.addresses.size(), 0),
      line_timer_(loop, [this] { check_line(); }) {}

UpstreamPoolImpl::~UpstreamPoolImpl() {
  while (!connections_.empty()) connections_.begin()->first->close();
}

UpstreamStats UpstreamPoolImpl::snapshot() const {
  UpstreamStats result = stats_;
  result.connections_open = connections_.size();
  return result;
}

void UpstreamPoolImpl::acquire(UpstreamCallImpl& call) {
  if (!idle_.empty()) {
    UpstreamConnection* connection = idle_.back();
    idle_.pop_back();
    connection->attach(call);
  } else if (finishing_ != nullptr) {
    // Started inside on_complete: the connection that just answered takes it next.
    enter_line(call, true);
  } else if (connections_.size() < options_.connections_max) {
    open_for(call);
  } else if (line_.size() < options_.waiting_max) {
    enter_line(call, false);
  } else {
    ++stats_.overloaded;
    call.fail_later(UpstreamFailureKind::kOverloaded,
                    "all connections are busy and the line of waiting calls is full");
  }
}

void UpstreamPoolImpl::open_for(UpstreamCallImpl& call) {
  while (call.addresses_tried_ < options_.addresses.size()) {
    const std::size_t address = next_address();
    ++call.addresses_tried_;
    auto connection = std::make_unique<UpstreamConnection>(*this, address);
    UpstreamConnection& opened = *connection;
    connections_.emplace(&opened, std::move(connection));
    ++stats_.connections_opened;
    if (opened.connect(call)) return;
    address_refused(address);
    opened.close();
  }
  call.fail_later(UpstreamFailureKind::kConnectFailed,
                  options_.addresses.empty() ? "the system has no address"
                                             : "no address of the system can be connected to");
}

std::size_t UpstreamPoolImpl::next_address() {
  const std::size_t count = options_.addresses.size();
  const std::int64_t now = loop_.now().mono_ns;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t address = round_robin_++ % count;
    if (refused_until_ns_[address] <= now) return address;
  }
  return round_robin_++ % count;  // All refused lately; one of them has to be tried.
}

void UpstreamPoolImpl::address_refused(std::size_t address) {
  refused_until_ns_[address] = loop_.now().mono_ns + kRefusedRestNs;
}

void UpstreamPoolImpl::enter_line(UpstreamCallImpl& call, bool at_front) {
  call.is_waiting_ = true;
  call.waiting_since_ns_ = loop_.now().mono_ns;
  if (at_front) {
    line_.push_front(&call);
  } else {
    line_.push_back(&call);
  }
  if (!line_timer_.is_running()) line_timer_.start(options_.connect_timeout_ns);
}

UpstreamCallImpl& UpstreamPoolImpl::take_from_line() {
  UpstreamCallImpl& call = *line_.front();
  line_.pop_front();
  call.is_waiting_ = false;
  return call;
}

void UpstreamPoolImpl::leave_line(UpstreamCallImpl& call) {
  line_.erase(std::remove(line_.begin(), line_.end(), &call), line_.end());
  call.is_waiting_ = false;
}

void UpstreamPoolImpl::serve_line() {
  while (!line_.empty() && connections_.size() < options_.connections_max) {
    open_for(take_from_line());
  }
}

// A call waits in line no longer than it would for a connection.
void UpstreamPoolImpl::check_line() {
  const std::int64_t now = loop_.now().mono_ns;
  while (!line_.empty() && line_.front()->waiting_since_ns_ + options_.connect_timeout_ns <= now) {
    ++stats_.overloaded;
    take_from_line().fail_later(UpstreamFailureKind::kOverloaded,
                                "no connection became free in time");
  }
  if (!line_.empty()) {
    line_timer_.start(line_.front()->waiting_since_ns_ + options_.connect_timeout_ns - now);
  }
}

void UpstreamPoolImpl::now_idle(UpstreamConnection& connection) {
  if (line_.empty()) {
    idle_.push_back(&connection);
  } else {
    connection.attach(take_from_line());
  }
}

void UpstreamPoolImpl::closed(UpstreamConnection& connection) {
  idle_.erase(std::remove(idle_.begin(), idle_.end(), &connection), idle_.end());
  auto node = connections_.extract(&connection);
  if (!node.empty()) loop_.destroy_later(std::move(node.mapped()));
  serve_line();
}

void UpstreamPoolImpl::close_idle() {
  const auto idle = std::exchange(idle_, {});
  for (UpstreamConnection* connection : idle) connection->close();
}

class UpstreamPool::Impl : public UpstreamPoolImpl {
 public:
  using UpstreamPoolImpl::UpstreamPoolImpl;
};

UpstreamPool::UpstreamPool(EventLoop& loop, UpstreamOptions options)
    : impl_(std::make_shared<Impl>(loop, std::move(options))) {}
UpstreamPool::~UpstreamPool() = default;

std::unique_ptr<UpstreamCall> UpstreamPool::start(UpstreamRequest request,
                                                  UpstreamCallHandler& handler) {
  ++impl_->stats().calls_started;
  auto call = std::make_unique<UpstreamCallImpl>(*impl_, std::move(request), handler);
  impl_->acquire(*call);
  return call;
}

void UpstreamPool::close_idle() { impl_->close_idle(); }
UpstreamStats UpstreamPool::stats() const { return impl_->snapshot(); }

}  // namespace banyan::net
