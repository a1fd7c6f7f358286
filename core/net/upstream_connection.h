// SPDX-License-Identifier: Apache-2.0
//
// One connection of an UpstreamPool and the call that uses it. Internal to the pool; confined to
// its loop. A closed connection is buried at the end of the turn, so its methods may be on the
// stack when a handler cancels the call.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/http/message_reader.h"
#include "core/net/event_loop.h"
#include "core/net/socket.h"
#include "core/net/upstream.h"

namespace banyan::net {

class UpstreamConnection;
class UpstreamPoolImpl;

class UpstreamCallImpl final : public UpstreamCall {
 public:
  UpstreamCallImpl(UpstreamPoolImpl& pool, UpstreamRequest request, UpstreamCallHandler& handler);
  ~UpstreamCallImpl() override;

  void write_body(std::string_view bytes) override;
  void finish_body(const http::HeaderList& trailers) override;
  bool is_write_full() const override;
  bool is_request_sent() const override;
  bool any_byte_sent() const override { return any_byte_sent_; }
  void pause_reading() override;
  void resume_reading() override;
  void give_up() override;
  void take_buffers(std::string& head, std::string& body) override;

 private:
  friend class UpstreamConnection;
  friend class UpstreamPoolImpl;

  bool may_retry() const;
  void fail(UpstreamFailureKind kind, std::string message);
  // From the loop, after the present callback has returned.
  void fail_later(UpstreamFailureKind kind, std::string message);

  UpstreamPoolImpl& pool_;
  UpstreamRequest request_;
  UpstreamCallHandler& handler_;
  UpstreamConnection* connection_ = nullptr;
  // Of a streamed body: what was written before there is a connection.
  std::string unsent_;
  std::vector<std::pair<std::string, std::string>> unsent_trailers_;
  bool is_body_finished_ = false;
  bool has_streamed_ = false;
  bool is_paused_ = false;
  bool was_full_ = false;
  bool any_byte_sent_ = false;
  bool any_byte_received_ = false;
  bool was_request_sent_ = false;  // when its last connection let go of it
  bool has_retried_ = false;
  bool is_waiting_ = false;
  std::int64_t waiting_since_ns_ = 0;
  int connects_tried_ = 0;
  EndpointUse use_;                          // while it has a connection
  std::shared_ptr<UpstreamCallImpl*> self_;  // what a deferred failure holds weakly
};

class UpstreamConnection;

// What one pool has of one address. Lives as long as its connections do, also when the address has
// left the system.
struct UpstreamShelf : std::enable_shared_from_this<UpstreamShelf> {
  std::shared_ptr<Endpoint> endpoint;
  std::vector<UpstreamConnection*> idle;  // last in, first out: the warm ones, so others can age
  bool has_left = false;                  // its connections close once they are idle
};

class UpstreamConnection {
 public:
  UpstreamConnection(UpstreamPoolImpl& pool, std::shared_ptr<UpstreamShelf> shelf);
  ~UpstreamConnection();

  // Begins to connect for `call`. False with errno where the system refuses at once.
  bool connect(UpstreamCallImpl& call);
  // Hands an open, idle connection to `call` and sends what there is of the request.
  void attach(UpstreamCallImpl& call);
  // The call was destroyed.
  void cancel();
  void close();

  void send_streamed(std::string_view bytes);
  void finish_streamed(const http::HeaderList& trailers);
  void set_paused(bool paused);
  std::size_t waiting_bytes() const { return out_.waiting_bytes(); }
  bool is_drained() const { return out_.is_empty() && !is_send_broken_; }
  bool is_connected() const { return state_ != State::kConnecting; }
  UpstreamShelf& shelf() const { return *shelf_; }
  // The owner of the call gave up on it.
  void given_up();

 private:
  enum class State { kConnecting, kIdle, kBusy, kFinishing, kClosed };

  void on_ready(FdWatch::Ready ready);
  void on_connected();
  void on_readable();
  void on_writable();
  void on_timeout();
  void begin_request();
  OutputBuffer::Outcome send_request();
  void after_send(OutputBuffer::Outcome outcome);
  // Events of the reader; stops when the call is gone.
  void feed(std::string_view input);
  bool deliver_head();
  void complete(bool has_more_bytes);
  void peer_closed(int failed_errno);
  void connect_failed(UpstreamFailureKind kind, std::string message);
  void fail(UpstreamFailureKind kind, std::string message);
  UpstreamCallImpl& detach();
  void start_timer();

  UpstreamPoolImpl& pool_;
  const std::shared_ptr<UpstreamShelf> shelf_;
  State state_ = State::kConnecting;
  bool is_reused_ = false;
  bool is_send_broken_ = false;
  bool has_final_head_ = false;
  int informational_ = 0;
  UpstreamCallImpl* call_ = nullptr;
  UniqueFd fd_;
  std::optional<FdWatch> watch_;
  std::optional<Timer> timer_;
  http::ResponseReader reader_;
  OutputBuffer out_;
  std::uint64_t sent_before_ = 0;  // of out_, when it was last looked at
};

}  // namespace banyan::net
