// SPDX-License-Identifier: Apache-2.0
//
// One request and its answer, as the pool and its links see it. Internal to the pool; confined to
// its loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/net/upstream.h"
#include "core/net/upstream_link.h"

namespace banyan::net {

struct Http2Stream;

class UpstreamCallImpl final : public UpstreamCall {
 public:
  UpstreamCallImpl(UpstreamPoolImpl& pool, UpstreamRequest&& request, UpstreamCallHandler& handler);
  ~UpstreamCallImpl() override;
  // Each request has one, so a thread keeps the room of some.
  static void* operator new(std::size_t size);
  static void operator delete(void* room);

  void write_body(std::string_view bytes) override;
  void finish_body(const http::HeaderList& trailers) override;
  bool is_write_full() const override;
  bool is_request_sent() const override;
  bool any_byte_sent() const override { return any_byte_sent_; }
  std::string_view address() const override {
    return link_ == nullptr ? std::string_view() : link_->shelf().endpoint->address().text;
  }
  void pause_reading() override;
  void resume_reading() override;
  void give_up() override;
  void take_buffers(std::string& head, std::string& body) override;

 private:
  friend class Dial;
  friend class Http1Link;
  friend class Http2Link;
  friend class UpstreamPoolImpl;

  bool may_retry() const;
  // HTTP/2 has no place for it, or a system that speaks both did not want it there.
  bool needs_http1() const { return request_.upgrades || was_refused_http2_; }
  void attach_to(UpstreamLink& link);
  // The link lets go of it; what is left to be told is told by the caller.
  void detach();
  // Tells on_writable() if the queue was full and is not any more.
  void tell_if_writable(std::size_t waiting_bytes);
  // The same for what waited for a connection.
  void tell_if_writable_later();
  http::HeaderList unsent_trailers() const;
  void fail(UpstreamFailureKind kind, std::string message);
  // From the loop, after the present callback has returned; not if the call is gone by then.
  void later(std::function<void(UpstreamCallImpl&)> task);
  void fail_later(UpstreamFailureKind kind, std::string message);

  UpstreamPoolImpl& pool_;
  UpstreamRequest request_;
  UpstreamCallHandler& handler_;
  UpstreamLink* link_ = nullptr;
  Http2Stream* stream_ = nullptr;  // on an Http2Link
  // Of a streamed body: what was written before there is a connection.
  std::string unsent_;
  std::vector<std::pair<std::string, std::string>> unsent_trailers_;
  const http::ReadError* refusal_ = nullptr;  // of the answer, while the failure is told
  bool is_body_finished_ = false;
  bool has_streamed_ = false;
  bool is_paused_ = false;
  bool was_full_ = false;
  bool any_byte_sent_ = false;
  bool any_byte_received_ = false;
  bool was_request_sent_ = false;  // when its last connection let go of it
  bool has_retried_ = false;
  bool was_sent_before_ = false;  // on a connection that was lost
  bool was_refused_http2_ = false;
  bool is_waiting_ = false;
  std::int64_t waiting_since_ns_ = 0;
  int connects_tried_ = 0;
  int refusals_ = 0;                         // by systems that did not process it
  EndpointUse use_;                          // while it has a connection
  std::string source_;                       // the PROXY header its connection has to open with
  std::shared_ptr<UpstreamCallImpl*> self_;  // what a deferred failure holds weakly
};

}  // namespace banyan::net
