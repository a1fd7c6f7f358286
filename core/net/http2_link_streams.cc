// SPDX-License-Identifier: Apache-2.0
//
// The streams of an Http2Link: requests out, answers in, and how each ends. Handlers are called
// from what the library tells while bytes come in, and from the loop; never inside a call's start.
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "core/base/text.h"
#include "core/http/char_classes.h"
#include "core/http/head_parser.h"
#include "core/net/http2_link.h"
#include "core/net/upstream_call.h"
#include "core/net/upstream_pool.h"

namespace banyan::net {
namespace {

constexpr std::size_t kDebugBytesMax = 128;  // of a GOAWAY, for people
// What was framed is cut off the front of a body once it is this much.
constexpr std::size_t kCompactStreamBytes = 64 * 1024;

nghttp2_nv pair_of(std::string_view name, std::string_view value) {
  // Secrets stay out of the tables of the compression.
  const std::uint8_t flags =
      name == "authorization" || name == "cookie" ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE;
  const auto bytes = [](std::string_view text) {
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(), flags};
}

std::string lower_case(std::string_view text) {
  std::string lowered(text);
  for (char& c : lowered) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
  return lowered;
}

std::string code_text(std::uint32_t error_code) {
  return nghttp2_http2_strerror(error_code);  // "PROTOCOL_ERROR", "unknown"
}

}  // namespace

// ---- requests

void Http2Link::attach(UpstreamCallImpl& call) {
  const UpstreamRequest& request = call.request_;
  auto made = std::make_unique<Http2Stream>();
  Http2Stream& stream = *made;
  stream.call = &call;
  stream.answers_head_method = request.method == "HEAD";
  stream.out.append(request.body).append(call.unsent_);
  stream.is_body_ended = call.is_body_finished_;
  for (const auto& [name, value] : call.unsent_trailers_) {
    stream.trailers_out.emplace_back(lower_case(name), value);
  }
  call.attach_to(*this);
  call.stream_ = &stream;
  send_ping_if_silent();
  if (!submit(stream, request)) {
    // Out of ids: this connection has served its time.
    is_leaving_ = true;
    pool_.leaves(*this);
    ask_again(stream, "the connection takes no more requests");
    return;
  }
  streams_.emplace(stream.id, std::move(made));
  call.unsent_ = std::string();
  stream.timer = std::make_unique<Timer>(pool_.loop(), [this, &stream] { on_timeout(stream); });
  start_timer(stream);
  start_link_timer();
  pump();
}

bool Http2Link::submit(Http2Stream& stream, const UpstreamRequest& request) {
  Http2RequestFields head;
  CHECK(head.assign(request.head, place_.address().is_secure, request.accepts_trailers));
  std::vector<nghttp2_nv> pairs;
  pairs.reserve(head.fields.size());
  for (const auto& [name, value] : head.fields) pairs.push_back(pair_of(name, value));
  nghttp2_data_provider body{};
  body.source.ptr = &stream;
  body.read_callback = [](nghttp2_session*, std::int32_t, std::uint8_t* buffer, std::size_t size,
                          std::uint32_t* flags, nghttp2_data_source* source,
                          void* user_data) -> ssize_t {
    auto& it = *static_cast<Http2Stream*>(source->ptr);
    auto& link = *static_cast<Http2Link*>(user_data);
    const std::size_t taken = link.take_body(it, buffer, size);
    if (it.waiting_bytes() == 0 && it.is_body_ended) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (!it.trailers_out.empty()) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        link.submit_trailers(it);
      }
    } else if (taken == 0) {
      it.is_deferred = true;
      return NGHTTP2_ERR_DEFERRED;
    }
    return static_cast<ssize_t>(taken);
  };
  const bool has_body = request.streams_body || stream.waiting_bytes() > 0;
  stream.id = nghttp2_submit_request(session_.get(), nullptr, pairs.data(), pairs.size(),
                                     has_body ? &body : nullptr, &stream);
  return stream.id > 0;
}

std::size_t Http2Link::take_body(Http2Stream& stream, std::uint8_t* buffer, std::size_t size) {
  const std::size_t taken = std::min(size, stream.waiting_bytes());
  std::memcpy(buffer, stream.out.data() + stream.out_at, taken);
  stream.out_at += taken;
  if (stream.out_at == stream.out.size()) {
    stream.out = std::string();
    stream.out_at = 0;
  } else if (stream.out_at >= kCompactStreamBytes && stream.out_at >= stream.out.size() / 2) {
    stream.out.erase(0, stream.out_at);
    stream.out_at = 0;
  }
  if (taken > 0 && stream.call != nullptr) start_timer(stream);
  return taken;
}

void Http2Link::submit_trailers(Http2Stream& stream) {
  std::vector<nghttp2_nv> pairs;
  for (const auto& [name, value] : stream.trailers_out) pairs.push_back(pair_of(name, value));
  (void)nghttp2_submit_trailer(session_.get(), stream.id, pairs.data(), pairs.size());
}

void Http2Link::send_ping_if_silent() {
  const std::int64_t silence = pool_.loop().now().mono_ns - last_received_ns_;
  if (is_awaiting_ping_ || !has_settings_ || silence < kSilenceNs) return;
  if (nghttp2_submit_ping(session_.get(), NGHTTP2_FLAG_NONE, nullptr) == 0) {
    is_awaiting_ping_ = true;
  }
}

void Http2Link::send_body(UpstreamCallImpl& call, std::string_view bytes) {
  Http2Stream& stream = *call.stream_;
  stream.out.append(bytes);
  if (std::exchange(stream.is_deferred, false)) {
    (void)nghttp2_session_resume_data(session_.get(), stream.id);
  }
  pump();
}

void Http2Link::finish_body(UpstreamCallImpl& call, const http::HeaderList& trailers) {
  Http2Stream& stream = *call.stream_;
  stream.is_body_ended = true;
  for (const auto& [name, value] : trailers) {
    stream.trailers_out.emplace_back(lower_case(name), value);
  }
  if (std::exchange(stream.is_deferred, false)) {
    (void)nghttp2_session_resume_data(session_.get(), stream.id);
  }
  start_timer(stream);
  pump();
}

void Http2Link::on_frame_sent(Http2Stream& stream, bool is_head, bool is_end) {
  if (is_head && stream.call != nullptr) stream.call->any_byte_sent_ = true;
  if (!is_end) return;
  stream.is_end_framed = true;
  stream.end_position = framed_bytes_;
}

std::size_t Http2Link::waiting_bytes(const UpstreamCallImpl& call) const {
  return call.stream_->waiting_bytes();
}

bool Http2Link::is_drained(const UpstreamCallImpl& call) const {
  return call.stream_->is_end_framed && !is_send_broken_ &&
         out_.sent_bytes() >= call.stream_->end_position;
}

// ---- answers

int Http2Link::on_begin_frame(std::uint8_t type, std::size_t size, std::uint8_t flags) {
  const bool is_answer =
      type == NGHTTP2_HEADERS || type == NGHTTP2_RST_STREAM || type == NGHTTP2_WINDOW_UPDATE ||
      (type == NGHTTP2_DATA && (size > 0 || (flags & NGHTTP2_FLAG_END_STREAM) != 0));
  if (is_answer) return 0;
  const std::int64_t now = pool_.loop().now().mono_ns;
  if (now - idle_frames_since_ns_ > 1'000'000'000) {
    idle_frames_since_ns_ = now;
    idle_frames_ = 0;
  }
  if (++idle_frames_ <= kIdleFramesMax) return 0;
  why_broken_ = "a flood of frames that bring nothing";
  (void)nghttp2_session_terminate_session(session_.get(), NGHTTP2_ENHANCE_YOUR_CALM);
  return NGHTTP2_ERR_CALLBACK_FAILURE;
}

void Http2Link::on_settings() { has_settings_ = true; }

void Http2Link::on_broken(std::string_view why) {
  if (why_broken_.empty()) why_broken_ = escape_for_terminal(why, kDebugBytesMax);
}

bool Http2Link::on_field(Http2Stream& stream, std::string_view name, std::string_view value) {
  if (stream.call == nullptr) return true;
  if (name == ":status") {
    const auto status = parse_u64(value);
    stream.head.status = value.size() == 3 && status ? static_cast<int>(*status) : 0;
    return true;
  }
  if (!http::is_token(name) || !http::is_field_value(value) || http::is_hop_by_hop(name)) {
    stream.refuse("a field that HTTP/2 forbids");
    return false;
  }
  Http2Fields& section = stream.has_final_head ? stream.trailers : stream.fields;
  if (section.add(name, value, pool_.options().limits)) return true;
  stream.refuse("the head is larger than the limits allow");
  return false;
}

void Http2Link::on_section(Http2Stream& stream, bool is_end) {
  if (stream.call == nullptr) return;
  stream.call->any_byte_received_ = true;
  if (stream.has_final_head) {
    if (is_end) on_end(stream);  // Trailers: the library lets nothing else follow.
    return;
  }
  if (!stream.finish_head(pool_.options().limits, is_end)) {
    reset_stream(stream, NGHTTP2_PROTOCOL_ERROR);
    return fail(stream, UpstreamFailureKind::kBadAnswer, stream.why_bad);
  }
  if (stream.head.status < 200) {
    if (++stream.informational > kInformationalMax) {
      reset_stream(stream, NGHTTP2_ENHANCE_YOUR_CALM);
      return fail(stream, UpstreamFailureKind::kBadAnswer,
                  "more interim answers than the limit of 16");
    }
    stream.call->handler_.on_informational(stream.head);
    stream.fields.clear();
    return;
  }
  stream.has_final_head = true;
  pool_.answered(shelf_, stream.head.status);
  start_timer(stream);
  stream.call->handler_.on_head(stream.head);
  if (is_end) on_end(stream);
}

void Http2Link::on_data(Http2Stream* stream, std::int32_t id, std::string_view bytes) {
  // The bytes are the handler's now, so that a paused call holds up no others.
  if (stream == nullptr || stream->call == nullptr) return consume(id, bytes.size(), bytes.size());
  stream->unconsumed += bytes.size();
  start_timer(*stream);
  stream->call->handler_.on_body(bytes);
  const bool is_paused = stream->call != nullptr && stream->call->is_paused_;
  consume(id, is_paused ? 0 : std::exchange(stream->unconsumed, 0), bytes.size());
}

void Http2Link::consume(std::int32_t id, std::size_t stream_bytes, std::size_t connection_bytes) {
  if (connection_bytes > 0) {
    (void)nghttp2_session_consume_connection(session_.get(), connection_bytes);
  }
  if (stream_bytes > 0) (void)nghttp2_session_consume_stream(session_.get(), id, stream_bytes);
}

void Http2Link::set_paused(UpstreamCallImpl& call, bool paused) {
  Http2Stream& stream = *call.stream_;
  start_timer(stream);
  if (paused) return;
  consume(stream.id, std::exchange(stream.unconsumed, 0), 0);
  pump();
}

// ---- ends

void Http2Link::on_end(Http2Stream& stream) {
  if (stream.call == nullptr) return;
  has_answered_ = true;
  http::HeaderList trailers, kept;
  stream.trailers.list(trailers);
  for (const http::Header& field : trailers) {
    if (http::is_allowed_in_trailers(field.name)) kept.push_back(field);
  }
  UpstreamCallHandler& handler = stream.call->handler_;
  detach(stream);
  // What it does not want to read any more need not be sent.
  if (!stream.is_end_framed) reset_stream(stream, NGHTTP2_CANCEL);
  handler.on_complete(kept);
}

void Http2Link::on_goaway(std::uint32_t error_code, std::string_view debug) {
  if (error_code != NGHTTP2_NO_ERROR && why_broken_.empty()) {
    why_broken_ = "it said goodbye with " + code_text(error_code);
    if (!debug.empty()) {
      why_broken_ +=
          " (" + escape_for_terminal(debug.substr(0, kDebugBytesMax), kDebugBytesMax) + ")";
    }
  }
  if (error_code == NGHTTP2_HTTP_1_1_REQUIRED) pool_.needs_http1(shelf_);
  if (std::exchange(is_leaving_, true)) return;
  pool_.leaves(*this);
}

void Http2Link::on_stream_closed(std::int32_t id, std::uint32_t error_code) {
  auto node = streams_.extract(id);
  if (node.empty()) return;
  Http2Stream& stream = *node.mapped();
  if (stream.call != nullptr) {
    if (stream.is_bad) {
      fail(stream, UpstreamFailureKind::kBadAnswer, stream.why_bad);
    } else if (error_code == NGHTTP2_REFUSED_STREAM) {
      ask_again(stream, "the system refused the stream");
    } else if (error_code == NGHTTP2_HTTP_1_1_REQUIRED) {
      ask_over_http1(stream);
    } else if (!stream.was_reset && error_code != NGHTTP2_NO_ERROR) {
      // By the library: the answer has more or less of a body than it may.
      fail(stream, UpstreamFailureKind::kBadAnswer,
           "the answer breaks HTTP/2: " + code_text(error_code));
    } else {
      fail(stream, UpstreamFailureKind::kReset,
           "the system reset the stream: " + code_text(error_code));
    }
  }
  stream.timer.reset();
  // Views of its head stay valid over the callback that may be on the stack.
  pool_.loop().destroy_later(std::move(node.mapped()));
  if (streams_.empty()) start_link_timer();
  pool_.has_room(*this);
}

UpstreamCallImpl& Http2Link::detach(Http2Stream& stream) {
  UpstreamCallImpl& call = *stream.call;
  call.detach();
  stream.call = nullptr;
  if (stream.timer != nullptr) stream.timer->stop();
  return call;
}

void Http2Link::reset_stream(Http2Stream& stream, std::uint32_t code) {
  (void)nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, stream.id, code);
}

void Http2Link::fail(Http2Stream& stream, UpstreamFailureKind kind, std::string message) {
  pool_.failed(shelf_, kind, message);
  detach(stream).fail_later(kind, std::move(message));
}

// The system has done nothing for it: any method may be asked again, if we still have all of it.
void Http2Link::ask_again(Http2Stream& stream, std::string why) {
  UpstreamCallImpl& call = detach(stream);
  call.any_byte_sent_ = call.was_sent_before_;
  const bool has_all_of_it = !call.has_streamed_ && !call.any_byte_received_;
  if (!has_all_of_it || ++call.refusals_ > kRefusalsMax) {
    pool_.failed(shelf_, UpstreamFailureKind::kReset, why);
    return call.fail_later(UpstreamFailureKind::kReset, std::move(why));
  }
  pool_.retry_unprocessed(call);
}

// HTTP_1_1_REQUIRED says that nothing was done with it, and that all the address is asked by HTTP/2
// would end like this.
void Http2Link::ask_over_http1(Http2Stream& stream) {
  stream.call->was_refused_http2_ = true;
  pool_.needs_http1(shelf_);
  ask_again(stream, "the system wants HTTP/1.1, and the request could not be sent again");
}

void Http2Link::cancel(UpstreamCallImpl& call) {
  Http2Stream& stream = *call.stream_;
  stream.call = nullptr;
  if (stream.timer != nullptr) stream.timer->stop();
  stream.out = std::string();
  stream.out_at = 0;
  consume(stream.id, std::exchange(stream.unconsumed, 0), 0);
  reset_stream(stream, NGHTTP2_CANCEL);
  pump();
  if (!is_inside_library_) check_end();
}

void Http2Link::given_up(UpstreamCallImpl& call) {
  pool_.failed(shelf_,
               call.stream_->has_final_head ? UpstreamFailureKind::kIdleTimeout
                                            : UpstreamFailureKind::kFirstByteTimeout,
               "the request's own deadline passed");
}

void Http2Link::start_timer(Http2Stream& stream) {
  const UpstreamOptions& options = pool_.options();
  if (stream.timer == nullptr) return;
  if (stream.has_final_head) {
    if (stream.call->is_paused_) return stream.timer->stop();
    stream.timer->start(options.idle_timeout_ns);
  } else if (stream.waiting_bytes() > 0) {
    stream.timer->start(options.idle_timeout_ns);
  } else {
    const std::int64_t own = stream.call->request_.first_byte_timeout_ns;
    stream.timer->start(own > 0 ? own : options.first_byte_timeout_ns);
  }
}

void Http2Link::on_timeout(Http2Stream& stream) {
  if (stream.call == nullptr) return;
  reset_stream(stream, NGHTTP2_CANCEL);
  if (stream.has_final_head) {
    fail(stream, UpstreamFailureKind::kIdleTimeout, "silence in the middle of the answer");
  } else if (stream.waiting_bytes() > 0) {
    fail(stream, UpstreamFailureKind::kRequestStall, "the system does not read the request");
  } else {
    fail(stream, UpstreamFailureKind::kFirstByteTimeout, "no answer in time");
  }
  pump();
  check_end();
}

}  // namespace banyan::net
