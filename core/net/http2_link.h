// SPDX-License-Identifier: Apache-2.0
//
// An open HTTP/2 connection of an UpstreamPool, client side: a call is a stream. Streams that the
// system did not process (GOAWAY, REFUSED_STREAM) are asked again elsewhere. What a system may make
// us do for nothing is bounded; past it the connection is given up. Internal to the pool; confined
// to its loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "core/net/channel.h"
#include "core/net/event_loop.h"
#include "core/net/http2_stream.h"
#include "core/net/upstream_link.h"

struct nghttp2_session;

namespace banyan::net {

class Http2Link final : public UpstreamLink {
 public:
  // Streams of one connection; fewer where the system says so.
  static constexpr std::size_t kStreamsMax = 256;
  // Before the system has said how many it takes.
  static constexpr std::size_t kFirstStreamsMax = 100;
  // What a system may send before a paused call takes it, and all calls of a connection together.
  static constexpr std::int32_t kStreamWindowBytes = 256 * 1024;
  static constexpr std::int32_t kConnectionWindowBytes = 4 * 1024 * 1024;
  // Frames that bring no answer on (SETTINGS, PING, empty DATA …) in one second.
  static constexpr int kIdleFramesMax = 1000;
  // With a request on a connection that was silent for this long goes a PING; where nothing comes
  // back in time the connection is given up. None goes without a request: servers count them.
  static constexpr std::int64_t kSilenceNs = 10'000'000'000;
  static constexpr std::int64_t kPingPatienceNs = 5'000'000'000;
  // Times a call is asked again after it was not processed.
  static constexpr int kRefusalsMax = 3;

  Http2Link(UpstreamPoolImpl& pool, ShelfPlace place, std::string source, Channel channel);
  ~Http2Link() override;

  bool has_room() const;
  // Sends what there is of the request.
  void attach(UpstreamCallImpl& call);
  void close_if_idle();

  void cancel(UpstreamCallImpl& call) override;
  void given_up(UpstreamCallImpl& call) override;
  void send_body(UpstreamCallImpl& call, std::string_view bytes) override;
  void finish_body(UpstreamCallImpl& call, const http::HeaderList& trailers) override;
  void set_paused(UpstreamCallImpl& call, bool paused) override;
  std::size_t waiting_bytes(const UpstreamCallImpl& call) const override;
  bool is_drained(const UpstreamCallImpl& call) const override;
  bool is_connected() const override { return true; }
  void close() override;

 private:
  friend struct Http2Callbacks;
  struct SessionFree {
    void operator()(nghttp2_session* session) const;
  };

  void on_ready(FdWatch::Ready ready);
  void on_readable();
  void on_timer();
  void read_on_later();
  // Frames of the library to the socket, as long as it takes them.
  void pump();
  void note_progress();
  void peer_closed(int failed_errno);
  void check_end();
  void give_up(UpstreamFailureKind kind, const std::string& message);
  bool takes_no_more() const { return is_leaving_ || shelf_.has_left || shelf_.needs_http1; }
  void start_timer(Http2Stream& stream);
  void start_link_timer();

  bool submit(Http2Stream& stream, const UpstreamRequest& request);
  void send_ping_if_silent();
  void reset_stream(Http2Stream& stream, std::uint32_t code);
  // The call hears how it ended; the stream may live on until the library closes it.
  void fail(Http2Stream& stream, UpstreamFailureKind kind, std::string message);
  void ask_again(Http2Stream& stream, std::string why);
  void ask_over_http1(Http2Stream& stream);
  UpstreamCallImpl& detach(Http2Stream& stream);
  void on_timeout(Http2Stream& stream);

  // ---- what the library tells
  int on_begin_frame(std::uint8_t type, std::size_t size, std::uint8_t flags);
  void on_settings();
  void on_broken(std::string_view why);
  bool on_field(Http2Stream& stream, std::string_view name, std::string_view value);
  void on_section(Http2Stream& stream, bool is_end);
  void on_data(Http2Stream* stream, std::int32_t id, std::string_view bytes);
  void on_frame_sent(Http2Stream& stream, bool is_head, bool is_end);
  void on_end(Http2Stream& stream);
  void on_stream_closed(std::int32_t id, std::uint32_t error_code);
  void on_goaway(std::uint32_t error_code, std::string_view debug);
  std::size_t take_body(Http2Stream& stream, std::uint8_t* buffer, std::size_t size);
  void submit_trailers(Http2Stream& stream);
  void consume(std::int32_t id, std::size_t stream_bytes, std::size_t connection_bytes);

  std::unique_ptr<nghttp2_session, SessionFree> session_;
  Channel channel_;
  std::optional<FdWatch> watch_;
  std::optional<Timer> timer_;
  OutputBuffer out_;
  std::string frames_;  // scratch of pump()
  std::unordered_map<std::int32_t, std::unique_ptr<Http2Stream>> streams_;
  std::uint64_t framed_bytes_ = 0;  // given to out_ since the beginning
  bool is_closed_ = false;
  bool is_leaving_ = false;  // takes no new calls
  bool is_send_broken_ = false;
  bool is_inside_library_ = false;
  bool has_settings_ = false;  // of the system
  bool has_answered_ = false;  // at least one whole answer came
  bool is_awaiting_ping_ = false;
  std::int64_t last_received_ns_ = 0;
  std::int64_t idle_frames_since_ns_ = 0;
  int idle_frames_ = 0;
  std::string why_broken_;  // of the connection, for people
  std::shared_ptr<Http2Link*> self_;
};

}  // namespace banyan::net
