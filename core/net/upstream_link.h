// SPDX-License-Identifier: Apache-2.0
//
// One connection of an UpstreamPool as its calls see it: a Dial until it is open, then an Http1Link
// (one call at a time) or an Http2Link (many). Internal to the pool; confined to its loop. A closed
// link is buried at the end of the turn, so its methods may be on the stack when a handler cancels
// a call.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/net/upstream.h"

namespace banyan::net {

// Interim answers of one request that are passed on; more are a bad answer.
inline constexpr int kInformationalMax = 16;

class Dial;
class Http1Link;
class Http2Link;
class UpstreamCallImpl;
class UpstreamPoolImpl;

// What one pool has of one address. Lives as long as its connections do, also when the address has
// left the system.
struct UpstreamShelf : std::enable_shared_from_this<UpstreamShelf> {
  std::shared_ptr<Endpoint> endpoint;
  std::vector<Http1Link*> idle;    // last in, first out: the warm ones, so others can age
  std::vector<Http2Link*> shared;  // open ones that take calls; some are full
  std::vector<Dial*> dials;        // under way
  bool spoke_http1 = false;        // when it last had the choice
  bool needs_http1 = false;        // it said so itself (HTTP_1_1_REQUIRED)
  bool has_left = false;           // its connections close once they are idle
};

// A connection's place on its shelf; counts it on the address.
class ShelfPlace {
 public:
  explicit ShelfPlace(std::shared_ptr<UpstreamShelf> shelf) : shelf_(std::move(shelf)) {
    shelf_->endpoint->connection_opened();
  }
  ~ShelfPlace() {
    if (shelf_ != nullptr) shelf_->endpoint->connection_closed();
  }
  ShelfPlace(ShelfPlace&&) noexcept = default;
  ShelfPlace& operator=(ShelfPlace&&) = delete;
  UpstreamShelf& shelf() const { return *shelf_; }
  const UpstreamAddress& address() const { return shelf_->endpoint->address(); }

 private:
  std::shared_ptr<UpstreamShelf> shelf_;
};

class UpstreamLink {
 public:
  // `source`: the PROXY header that the connection opened with; "" without that protocol.
  UpstreamLink(UpstreamPoolImpl& pool, ShelfPlace place, std::string source)
      : pool_(pool), shelf_(place.shelf()), place_(std::move(place)), source_(std::move(source)) {}
  virtual ~UpstreamLink() = default;
  UpstreamLink(const UpstreamLink&) = delete;
  UpstreamLink& operator=(const UpstreamLink&) = delete;

  // Of a call that is on this link. cancel: it was destroyed. given_up: its owner does not wait any
  // longer, and will destroy it.
  virtual void cancel(UpstreamCallImpl& call) = 0;
  virtual void given_up(UpstreamCallImpl& call) = 0;
  virtual void send_body(UpstreamCallImpl& call, std::string_view bytes) = 0;
  virtual void finish_body(UpstreamCallImpl& call, const http::HeaderList& trailers) = 0;
  virtual void set_paused(UpstreamCallImpl& call, bool paused) = 0;
  virtual std::size_t waiting_bytes(const UpstreamCallImpl& call) const = 0;
  // All that was given for the call has been handed to the kernel.
  virtual bool is_drained(const UpstreamCallImpl& call) const = 0;
  virtual bool is_connected() const = 0;
  virtual void close() = 0;

  UpstreamShelf& shelf() const { return shelf_; }
  const std::string& source() const { return source_; }

 protected:
  UpstreamPoolImpl& pool_;
  UpstreamShelf& shelf_;
  ShelfPlace place_;
  std::string source_;
};

}  // namespace banyan::net
