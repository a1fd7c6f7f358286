// SPDX-License-Identifier: Apache-2.0
#include "core/net/upstream_pool.h"

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/net/channel.h"
#include "core/net/dial.h"
#include "core/net/http1_link.h"
#include "core/net/http2_link.h"
#include "core/net/proxy_header.h"
#include "core/obs/log.h"

namespace banyan::net {
namespace {

// Addresses one call tries to connect to; each that refuses rests, so the next call starts further.
constexpr int kConnectsMax = 8;
// Of them, those that took their whole time.
constexpr int kSlowConnectsMax = 2;

// Shortages of ours, not faults of an address.
bool is_own_shortage(int error_number) {
  return error_number == EMFILE || error_number == ENFILE || error_number == ENOBUFS ||
         error_number == ENOMEM || error_number == EADDRNOTAVAIL;
}

std::uint64_t seed_of(const void* object) {
  return static_cast<std::uint64_t>(SystemClock::instance().mono_ns()) ^
         (reinterpret_cast<std::uintptr_t>(object) << 16);
}

}  // namespace

UpstreamPoolImpl::UpstreamPoolImpl(EventLoop& loop, UpstreamOptions options)
    : loop_(loop),
      options_(std::move(options)),
      endpoints_(options_.endpoints),
      dice_(seed_of(this)),
      line_timer_(loop, [this] { check_line(); }),
      sender_(loop.at_turn_end([this] { send_due(); }, EventLoop::TurnEnd::kSend)) {
  CHECK(endpoints_ != nullptr);
}

UpstreamPoolImpl::~UpstreamPoolImpl() {
  while (!connections_.empty()) connections_.begin()->first->close();
}

void UpstreamPoolImpl::send_due() {
  for (Http1Link* const link : due_) {
    if (link != nullptr) link->send_due();
  }
  due_.clear();
}

void UpstreamPoolImpl::forget_send(Http1Link& link) {
  std::replace(due_.begin(), due_.end(), &link, static_cast<Http1Link*>(nullptr));
}

UpstreamStats UpstreamPoolImpl::snapshot() const {
  UpstreamStats result = stats_;
  result.connections_open = connections_.size();
  return result;
}

void UpstreamPoolImpl::rebuild_shelves(const EndpointSet& set) {
  std::vector<std::shared_ptr<UpstreamShelf>> before = std::exchange(shelves_, {});
  for (std::size_t i = 0; i < set.size(); ++i) {
    const auto known = std::find_if(before.begin(), before.end(), [&](const auto& shelf) {
      return shelf != nullptr && shelf->endpoint == set.shared(i);
    });
    if (known != before.end()) {
      shelves_.push_back(std::move(*known));
    } else {
      shelves_.push_back(std::make_shared<UpstreamShelf>());
      shelves_.back()->endpoint = set.shared(i);
    }
  }
  shelves_of_ = &set;
  for (const auto& shelf : before) {
    if (shelf == nullptr) continue;
    shelf->has_left = true;
    close_idle_of(*shelf);
  }
}

void UpstreamPoolImpl::close_idle_of(UpstreamShelf& shelf) {
  const auto idle = std::exchange(shelf.idle, {});
  for (Http1Link* link : idle) link->close();
  const auto shared = shelf.shared;
  for (Http2Link* link : shared) link->close_if_idle();
}

UpstreamShelf* UpstreamPoolImpl::choose_shelf() {
  const EndpointSet& set = refresh_shelves();
  const std::size_t index = set.choose(loop_.now().mono_ns, dice_);
  return index == EndpointSet::kNone ? nullptr : shelves_[index].get();
}

bool UpstreamPoolImpl::take_idle(UpstreamShelf& shelf, UpstreamCallImpl& call) {
  // Without PROXY headers all sources are "", and the first one fits.
  for (std::size_t i = shelf.idle.size(); i-- > 0;) {
    Http1Link* const link = shelf.idle[i];
    if (link->source() != call.source_) continue;
    shelf.idle.erase(shelf.idle.begin() + static_cast<std::ptrdiff_t>(i));
    link->attach(call);
    return true;
  }
  return false;
}

bool UpstreamPoolImpl::take_shared(UpstreamShelf& shelf, UpstreamCallImpl& call) {
  if (call.needs_http1()) return false;
  for (Http2Link* link : shelf.shared) {
    if (link->source() != call.source_ || !link->has_room()) continue;
    link->attach(call);
    return true;
  }
  return false;
}

bool UpstreamPoolImpl::may_speak_http2(const UpstreamShelf& shelf) const {
  if (shelf.needs_http1) return false;
  switch (options_.http2) {
    case UpstreamHttp2::kOff: return false;
    case UpstreamHttp2::kPriorKnowledge: return true;
    case UpstreamHttp2::kAuto: return shelf.endpoint->address().is_secure && !shelf.spoke_http1;
  }
  return false;
}

// A connection on its way that may carry many calls is worth waiting for.
bool UpstreamPoolImpl::ride_along(UpstreamShelf& shelf, UpstreamCallImpl& call) {
  if (!may_speak_http2(shelf) || call.needs_http1()) return false;
  for (Dial* dial : shelf.dials) {
    if (dial->source() != call.source_ || !dial->has_room()) continue;
    ++call.connects_tried_;
    dial->ride(call);
    return true;
  }
  return false;
}

// One that another client's calls left makes room for a new connection.
bool UpstreamPoolImpl::close_an_idle_one() {
  if (options_.proxy_header == ProxyHeader::kNone) return false;
  for (const auto& shelf : shelves_) {
    if (!shelf->idle.empty()) {
      shelf->idle.front()->close();  // May serve the line.
      return connections_.size() < options_.connections_max;
    }
  }
  return false;
}

// All connections are taken, and the idle ones are not where the balance would have it.
bool UpstreamPoolImpl::take_idle_of_any(UpstreamCallImpl& call) {
  for (const auto& shelf : shelves_) {
    if (take_shared(*shelf, call) || take_idle(*shelf, call)) return true;
  }
  return false;
}

void UpstreamPoolImpl::refuse(UpstreamCallImpl& call, UpstreamFailureKind kind, const char* why) {
  ++stats_.overloaded;
  endpoints_->refused(kind);
  call.fail_later(kind, why);
}

void UpstreamPoolImpl::acquire(UpstreamCallImpl& call) {
  if (calls_open_ > options_.calls_max) {
    return refuse(call, UpstreamFailureKind::kOverloaded, "too many requests are under way");
  }
  if (options_.obeys_circuit && !endpoints_->circuit().admits(loop_.now().mono_ns)) {
    return refuse(call, UpstreamFailureKind::kCircuitOpen,
                  "the system failed many times in a row; one request tries it now and then");
  }
  if (options_.proxy_header != ProxyHeader::kNone) {
    write_proxy_header(options_.proxy_header, call.request_.client_address,
                       call.request_.listener_address, call.source_);
  }
  place_call(call);
}

void UpstreamPoolImpl::place_call(UpstreamCallImpl& call) {
  UpstreamShelf* const shelf = choose_shelf();
  if (shelf == nullptr) return open_for(call);
  if (take_shared(*shelf, call) || take_idle(*shelf, call)) return;
  if (finishing_ != nullptr && &finishing_->shelf() == shelf) {
    // Started inside on_complete: the connection that just answered takes it next.
    enter_line(call, true);
  } else if (ride_along(*shelf, call)) {
    return;
  } else if (connections_.size() < options_.connections_max) {
    open_on(*shelf, call);
  } else if (take_idle_of_any(call)) {
    return;
  } else if (close_an_idle_one()) {
    open_on(*shelf, call);
  } else if (finishing_ != nullptr) {
    enter_line(call, true);
  } else if (line_.size() < options_.waiting_max) {
    enter_line(call, false);
  } else {
    refuse(call, UpstreamFailureKind::kOverloaded,
           "all connections are busy and the line of waiting calls is full");
  }
}

bool UpstreamPoolImpl::may_try_another(const UpstreamCallImpl& call, UpstreamFailureKind last) {
  const EndpointSet& set = refresh_shelves();
  const int tries_max = static_cast<int>(std::min<std::size_t>(set.size(), kConnectsMax));
  if (call.connects_tried_ >= tries_max) return false;
  return last != UpstreamFailureKind::kConnectTimeout ||
         (call.connects_tried_ < kSlowConnectsMax && set.has_usable(loop_.now().mono_ns));
}

void UpstreamPoolImpl::open_for(UpstreamCallImpl& call) {
  UpstreamShelf* const shelf = choose_shelf();
  if (shelf == nullptr) {
    return call.fail_later(UpstreamFailureKind::kConnectFailed, "the system has no address");
  }
  open_on(*shelf, call);
}

void UpstreamPoolImpl::open_on(UpstreamShelf& first, UpstreamCallImpl& call) {
  UpstreamShelf* shelf = &first;
  int error_number = 0;
  while (shelf != nullptr) {
    ++call.connects_tried_;
    auto dial = std::make_unique<Dial>(*this, ShelfPlace(shelf->shared_from_this()), call.source_);
    Dial& opened = *dial;
    connections_.emplace(&opened, std::move(dial));
    ++stats_.connections_opened;
    if (opened.connect(call)) {
      shelf->dials.push_back(&opened);
      return;
    }
    error_number = errno;
    if (!is_own_shortage(error_number)) {
      failed(*shelf, UpstreamFailureKind::kConnectFailed,
             std::generic_category().message(error_number));
    }
    opened.close();
    if (!may_try_another(call, UpstreamFailureKind::kConnectFailed)) break;
    shelf = choose_shelf();
  }
  call.fail_later(UpstreamFailureKind::kConnectFailed,
                  "no address of the system can be connected to: " +
                      std::generic_category().message(error_number));
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
    refuse(take_from_line(), UpstreamFailureKind::kOverloaded, "no connection became free in time");
  }
  if (!line_.empty()) {
    line_timer_.start(line_.front()->waiting_since_ns_ + options_.connect_timeout_ns - now);
  }
}

void UpstreamPoolImpl::now_idle(Http1Link& link) {
  const EndpointSet& set = refresh_shelves();
  UpstreamShelf& shelf = link.shelf();
  if (shelf.has_left) return link.close();
  if (line_.empty()) {
    shelf.idle.push_back(&link);
    return;
  }
  // Its place serves the one who waits, also where the connection cannot.
  if (line_.front()->source_ != link.source()) return link.close();
  // Those who wait are better off on a new connection to an address that works.
  const std::int64_t now = loop_.now().mono_ns;
  if (!shelf.endpoint->is_usable(now) && set.has_usable(now)) return link.close();
  link.attach(take_from_line());
}

void UpstreamPoolImpl::forget(UpstreamLink& link) {
  UpstreamShelf& shelf = link.shelf();
  const auto drop = [&link](auto& list) {
    list.erase(std::remove(list.begin(), list.end(), &link), list.end());
  };
  drop(shelf.idle);
  drop(shelf.shared);
  drop(shelf.dials);
  auto node = connections_.extract(&link);
  if (!node.empty()) loop_.destroy_later(std::move(node.mapped()));
}

void UpstreamPoolImpl::closed(UpstreamLink& link) {
  forget(link);
  serve_line();
}

void UpstreamPoolImpl::connected(Dial& dial, ShelfPlace place, std::string source, Channel channel,
                                 bool speaks_http2, const std::vector<UpstreamCallImpl*>& riders) {
  UpstreamShelf& shelf = place.shelf();
  forget(dial);
  if (!riders.front()->needs_http1()) shelf.spoke_http1 = !speaks_http2;
  std::size_t taken = 0;
  if (speaks_http2) {
    auto made =
        std::make_unique<Http2Link>(*this, std::move(place), std::move(source), std::move(channel));
    Http2Link& link = *made;
    connections_.emplace(&link, std::move(made));
    shelf.shared.push_back(&link);
    while (taken < riders.size() && link.has_room()) link.attach(*riders[taken++]);
    if (taken == 0) link.close_if_idle();  // HTTP/2 has fallen from favour while it was dialled.
  } else {
    auto made =
        std::make_unique<Http1Link>(*this, std::move(place), std::move(source), std::move(channel));
    Http1Link& link = *made;
    connections_.emplace(&link, std::move(made));
    link.attach(*riders[taken++]);
  }
  for (UpstreamCallImpl* call : riders) {
    call->tell_if_writable_later();
  }
  // The others have waited for nothing; they go the way of every call.
  for (; taken < riders.size(); ++taken) {
    riders[taken]->connects_tried_ = 0;
    place_call(*riders[taken]);
  }
}

// No handler is called while others of them may be destroyed inside it.
void UpstreamPoolImpl::dial_failed(const std::vector<UpstreamCallImpl*>& riders,
                                   UpstreamFailureKind kind, const std::string& message) {
  for (UpstreamCallImpl* call : riders) {
    if (may_try_another(*call, kind)) {
      open_for(*call);
    } else if (riders.size() == 1) {
      call->fail(kind, message);
    } else {
      call->fail_later(kind, message);
    }
  }
}

void UpstreamPoolImpl::retry(UpstreamCallImpl& call) {
  call.has_retried_ = true;
  call.was_sent_before_ |= call.any_byte_sent_;
  call.connects_tried_ = 0;
  ++stats_.retries;
  open_for(call);
}

void UpstreamPoolImpl::retry_unprocessed(UpstreamCallImpl& call) {
  call.connects_tried_ = 0;
  ++stats_.retries;
  place_call(call);
}

void UpstreamPoolImpl::has_room(Http2Link& link) {
  while (!line_.empty() && link.has_room() && line_.front()->source_ == link.source() &&
         !line_.front()->needs_http1()) {
    link.attach(take_from_line());
  }
}

void UpstreamPoolImpl::leaves(Http2Link& link) {
  auto& shared = link.shelf().shared;
  shared.erase(std::remove(shared.begin(), shared.end(), &link), shared.end());
}

void UpstreamPoolImpl::needs_http1(UpstreamShelf& shelf) {
  if (std::exchange(shelf.needs_http1, true)) return;
  obs::log_warning("net", shelf.endpoint->address().text +
                              " wants HTTP/1.1 (HTTP_1_1_REQUIRED); HTTP/2 is not tried again");
}

bool UpstreamPoolImpl::passes_over(UpstreamShelf& shelf, std::string_view why) {
  const std::int64_t now = loop_.now().mono_ns;
  if (!refresh_shelves().has_usable_beside(*shelf.endpoint, now)) return false;
  failed(shelf, UpstreamFailureKind::kReset, why);
  endpoints_->rest(*shelf.endpoint, now);
  return true;
}

void UpstreamPoolImpl::close_idle() {
  for (const auto& shelf : shelves_) close_idle_of(*shelf);
}

void UpstreamPoolImpl::reconfigure(UpstreamOptions options, bool renews_connections) {
  options_ = std::move(options);
  options_.endpoints = endpoints_;
  if (renews_connections) {
    // Their connections close as they end; new shelves of the same addresses begin empty.
    for (const auto& shelf : shelves_) shelf->has_left = true;
    close_idle();
    shelves_.clear();
    shelves_of_ = nullptr;
  }
  serve_line();
}

class UpstreamPool::Impl : public UpstreamPoolImpl {
 public:
  using UpstreamPoolImpl::UpstreamPoolImpl;
};

UpstreamPool::UpstreamPool(EventLoop& loop, UpstreamOptions options)
    : impl_(std::make_shared<Impl>(loop, std::move(options))) {}
UpstreamPool::~UpstreamPool() = default;

std::unique_ptr<UpstreamCall> UpstreamPool::start(UpstreamRequest&& request,
                                                  UpstreamCallHandler& handler) {
  ++impl_->stats().calls_started;
  auto call = std::make_unique<UpstreamCallImpl>(*impl_, std::move(request), handler);
  impl_->acquire(*call);
  return call;
}

void UpstreamPool::close_idle() { impl_->close_idle(); }
const UpstreamOptions& UpstreamPool::options() const { return impl_->options(); }
void UpstreamPool::reconfigure(UpstreamOptions options, bool renews_connections) {
  impl_->reconfigure(std::move(options), renews_connections);
}
UpstreamStats UpstreamPool::stats() const { return impl_->snapshot(); }

}  // namespace banyan::net
