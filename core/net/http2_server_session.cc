// SPDX-License-Identifier: Apache-2.0
#include "core/net/http2_server_session.h"

#include <nghttp2/nghttp2.h>

#include <array>
#include <deque>
#include <utility>
#include <vector>

#include "core/base/check.h"
#include "core/http/char_classes.h"
#include "core/net/http2_callbacks.h"
#include "core/net/rate_budget.h"

namespace banyan::net {
namespace {

// Fields go on being decoded past their limit, so that the request can be refused with a status.
// Past so many times the limit the connection ends.
constexpr std::size_t kFieldBombFactor = 4;
// What each useful frame explains of a client's control frames: two windows, and some.
constexpr double kControlPerData = 4;
constexpr double kControlPerStream = 8;
constexpr double kResetsPerAnswer = 1;
constexpr std::size_t kLeftOutMax = 8;
constexpr int kFirstExtension = 10;

const std::uint8_t* bytes_of(std::string_view text) {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}
std::uint8_t* mutable_bytes_of(std::string_view text) {
  return const_cast<std::uint8_t*>(bytes_of(text));
}
std::string_view text_of(const std::uint8_t* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}
std::string_view text_of(nghttp2_rcbuf* buffer) {
  const nghttp2_vec bytes = nghttp2_rcbuf_get_buf(buffer);
  return text_of(bytes.base, bytes.len);
}

// Belong to one connection; the second lock behind whoever made the list.
bool may_be_sent(const http::Header& field) {
  return http::is_token(field.name) && http::is_field_value(field.value) &&
         !http::is_hop_by_hop(field.name);
}

}  // namespace

std::string_view to_string(Http2Breach breach) {
  switch (breach) {
    case Http2Breach::kProtocol: return "protocol";
    case Http2Breach::kControlFrames: return "control_frames";
    case Http2Breach::kResets: return "resets";
    case Http2Breach::kContinuations: return "continuations";
    case Http2Breach::kFieldBomb: return "field_bomb";
    case Http2Breach::kNone: break;
  }
  return "none";
}

struct Http2ServerSession::Impl {
  Impl(Http2SessionHandler& the_handler, const Http2Options& the_options)
      : handler(the_handler),
        options(the_options),
        controls(options.control_frames_max, options.control_frames_per_second),
        resets(options.resets_max, options.resets_per_second) {}
  ~Impl() { nghttp2_session_del(session); }

  Http2SessionHandler& handler;
  const Http2Options options;
  nghttp2_session* session = nullptr;
  RateBudget controls, resets;
  std::int64_t now_ns = 0;
  OutputBuffer* out = nullptr;  // in collect()
  http::FieldSection section;   // of the head that comes in
  std::int32_t announced = 0;   // the last stream whose head came whole
  std::int32_t opened = -1;     // the last stream that a head began
  // Streams that the client left out, which closed them; nghttp2 does not tell them from those that
  // were open once. The last few.
  std::deque<std::pair<std::int32_t, std::int32_t>> left_out;
  std::uint32_t own_resets = 0;
  std::int32_t reset_by_client = 0;  // the stream whose RST_STREAM is being handled
  bool is_mid_head = false;
  bool has_own_end = false;
  bool has_told_breach = false;
  bool has_failed = false;  // nothing more can be said
  Http2Breach breach = Http2Breach::kNone;
  std::vector<nghttp2_nv> fields;

  void open();
  Http2StreamHandler* stream(std::int32_t id) const {
    return static_cast<Http2StreamHandler*>(nghttp2_session_get_stream_user_data(session, id));
  }
  int breach_with(Http2Breach why) {
    if (breach == Http2Breach::kNone) breach = why;
    return NGHTTP2_ERR_CALLBACK_FAILURE;
  }
  void add(std::string_view name, std::string_view value) {
    fields.push_back({mutable_bytes_of(name), mutable_bytes_of(value), name.size(), value.size(),
                      NGHTTP2_NV_FLAG_NONE});
  }
  void fill(std::string_view status, const http::HeaderList& list) {
    fields.clear();
    if (!status.empty()) add(":status", status);
    for (const http::Header& field : list) {
      if (may_be_sent(field)) add(field.name, field.value);
    }
  }

  int on_begin_frame(const nghttp2_frame_hd& head);
  bool is_left_out(std::int32_t id) const;
  void note_opened(std::int32_t id);
  int on_field(std::string_view name, std::string_view value);
  int on_frame(const nghttp2_frame& frame);
  void on_head(const nghttp2_frame& frame);
  void on_close(std::int32_t id, std::uint32_t error);
  void tell_breach();
  void on_frame_sent(const nghttp2_frame& frame);
  ssize_t read_piece(std::int32_t id, std::size_t bytes_max, std::uint32_t& flags);
  int send_piece(const nghttp2_frame& frame, const std::uint8_t* head, std::size_t bytes);
  bool is_output_full() const { return out->waiting_bytes() >= kOutputBytes; }

  static const nghttp2_session_callbacks* callbacks();
};

// ---- frames of the client

int Http2ServerSession::Impl::on_begin_frame(const nghttp2_frame_hd& head) {
  reset_by_client = 0;
  if (head.type == NGHTTP2_CONTINUATION) return 0;  // Has a bound of its own.
  is_mid_head = false;  // A head that was refused has no end of its own.
  switch (head.type) {
    case NGHTTP2_HEADERS:
      if (is_left_out(head.stream_id)) return breach_with(Http2Breach::kProtocol);
      controls.give(kControlPerStream);
      return 0;
    case NGHTTP2_RST_STREAM:
      reset_by_client = head.stream_id;
      return resets.take(now_ns) ? 0 : breach_with(Http2Breach::kResets);
    case NGHTTP2_DATA:
      if (head.length > 0 || (head.flags & NGHTTP2_FLAG_END_STREAM) != 0) return 0;
      break;
    default: break;
  }
  return controls.take(now_ns) ? 0 : breach_with(Http2Breach::kControlFrames);
}

bool Http2ServerSession::Impl::is_left_out(std::int32_t id) const {
  if (id > opened) return false;
  for (const auto& [first, last] : left_out) {
    if (id >= first && id <= last) return true;
  }
  return false;
}

void Http2ServerSession::Impl::note_opened(std::int32_t id) {
  if (id <= opened) return;
  if (id > opened + 2) {
    left_out.emplace_back(opened + 2, id - 2);
    if (left_out.size() > kLeftOutMax) left_out.pop_front();
  }
  opened = id;
}

int Http2ServerSession::Impl::on_field(std::string_view name, std::string_view value) {
  section.add(name, value, options.section_bytes_max);
  if (section.list_bytes() > kFieldBombFactor * options.section_bytes_max) {
    return breach_with(Http2Breach::kFieldBomb);
  }
  return 0;
}

void Http2ServerSession::Impl::on_head(const nghttp2_frame& frame) {
  const std::int32_t id = frame.hd.stream_id;
  announced = id;
  const bool has_body = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) == 0;
  Http2StreamHandler* const taken = handler.on_request(id, section, has_body);
  if (taken == nullptr) {
    ++own_resets;
    nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
    return;
  }
  nghttp2_session_set_stream_user_data(session, id, taken);
}

int Http2ServerSession::Impl::on_frame(const nghttp2_frame& frame) {
  const bool is_headers = frame.hd.type == NGHTTP2_HEADERS;
  if (is_headers) {
    is_mid_head = false;
    if (frame.headers.cat == NGHTTP2_HCAT_REQUEST) {
      on_head(frame);
      section.clear();
    }
  }
  const bool is_end = (is_headers || frame.hd.type == NGHTTP2_DATA) &&
                      (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  if (!is_end) return 0;
  if (Http2StreamHandler* const whole = stream(frame.hd.stream_id)) whole->on_end(section);
  section.clear();
  return 0;
}

void Http2ServerSession::Impl::on_close(std::int32_t id, std::uint32_t error) {
  Http2StreamHandler* const gone = stream(id);
  if (gone != nullptr) {
    nghttp2_session_set_stream_user_data(session, id, nullptr);
    gone->on_closed(static_cast<Http2Error>(error), reset_by_client == id);
  } else if (id > announced && error == NGHTTP2_PROTOCOL_ERROR) {
    announced = id;
    handler.on_malformed_request();
  }
}

// ---- our frames

// A second GOAWAY does no harm where nghttp2 has said one already.
void Http2ServerSession::Impl::tell_breach() {
  if (breach == Http2Breach::kNone || std::exchange(has_told_breach, true)) return;
  const bool is_protocol = breach == Http2Breach::kProtocol;
  nghttp2_session_terminate_session(
      session, is_protocol ? NGHTTP2_PROTOCOL_ERROR : NGHTTP2_ENHANCE_YOUR_CALM);
}

void Http2ServerSession::Impl::on_frame_sent(const nghttp2_frame& frame) {
  if (frame.hd.type == NGHTTP2_GOAWAY) {
    if (frame.goaway.error_code != NGHTTP2_NO_ERROR && !has_own_end &&
        breach == Http2Breach::kNone) {
      breach = Http2Breach::kProtocol;
    }
  } else if (frame.hd.type == NGHTTP2_DATA || frame.hd.type == NGHTTP2_HEADERS) {
    controls.give(kControlPerData);
    if ((frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) resets.give(kResetsPerAnswer);
  } else if (frame.hd.type == NGHTTP2_RST_STREAM) {
    if (own_resets > 0) {
      --own_resets;
    } else if (!resets.take(now_ns)) {
      (void)breach_with(Http2Breach::kResets);
    }
  }
}

ssize_t Http2ServerSession::Impl::read_piece(std::int32_t id, std::size_t bytes_max,
                                             std::uint32_t& flags) {
  Http2StreamHandler* const source = stream(id);
  if (source == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  const Http2Piece piece = source->next_piece(bytes_max);
  if (piece.bytes == 0 && !piece.is_end) return NGHTTP2_ERR_DEFERRED;
  if (piece.bytes > 0) flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (piece.is_end) {
    flags |= NGHTTP2_DATA_FLAG_EOF;
    if (piece.trailers != nullptr && !piece.trailers->empty()) {
      fill({}, *piece.trailers);
      if (!fields.empty() &&
          nghttp2_submit_trailer(session, id, fields.data(), fields.size()) == 0) {
        flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      }
    }
  }
  return static_cast<ssize_t>(piece.bytes);
}

int Http2ServerSession::Impl::send_piece(const nghttp2_frame& frame, const std::uint8_t* head,
                                         std::size_t bytes) {
  constexpr std::size_t kFrameHeadBytes = 9;
  if (is_output_full()) return NGHTTP2_ERR_WOULDBLOCK;
  Http2StreamHandler* const source = stream(frame.hd.stream_id);
  if (source == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  out->append(text_of(head, kFrameHeadBytes));
  source->take_piece(bytes, *out);
  return 0;
}

const nghttp2_session_callbacks* Http2ServerSession::Impl::callbacks() {
  static nghttp2_session_callbacks* const shared = [] {
    nghttp2_session_callbacks* made = nullptr;
    CHECK(nghttp2_session_callbacks_new(&made) == 0);
    nghttp2_session_callbacks_set_send_callback(
        made, [](nghttp2_session*, const std::uint8_t* bytes, std::size_t size, int, void* self) {
          auto* const impl = static_cast<Impl*>(self);
          if (impl->is_output_full()) return static_cast<ssize_t>(NGHTTP2_ERR_WOULDBLOCK);
          impl->out->append(text_of(bytes, size));
          return static_cast<ssize_t>(size);
        });
    nghttp2_session_callbacks_set_send_data_callback(
        made, [](nghttp2_session*, nghttp2_frame* frame, const std::uint8_t* head, std::size_t size,
                 nghttp2_data_source*,
                 void* self) { return static_cast<Impl*>(self)->send_piece(*frame, head, size); });
    nghttp2_session_callbacks_set_on_begin_frame_callback(
        made, [](nghttp2_session*, const nghttp2_frame_hd* head, void* self) {
          return static_cast<Impl*>(self)->on_begin_frame(*head);
        });
    nghttp2_session_callbacks_set_on_begin_headers_callback(
        made, [](nghttp2_session*, const nghttp2_frame* frame, void* self) {
          auto* const impl = static_cast<Impl*>(self);
          impl->note_opened(frame->hd.stream_id);
          impl->is_mid_head = true;
          impl->section.clear();
          return 0;
        });
    nghttp2_session_callbacks_set_on_header_callback2(
        made, [](nghttp2_session*, const nghttp2_frame*, nghttp2_rcbuf* name, nghttp2_rcbuf* value,
                 std::uint8_t, void* self) {
          return static_cast<Impl*>(self)->on_field(text_of(name), text_of(value));
        });
    // The default leaves such a field out and serves the request; we serve no request in part.
    nghttp2_session_callbacks_set_on_invalid_header_callback2(
        made,
        [](nghttp2_session*, const nghttp2_frame*, nghttp2_rcbuf*, nghttp2_rcbuf*, std::uint8_t,
           void*) -> int { return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        made, [](nghttp2_session* from, std::uint8_t, std::int32_t id, const std::uint8_t* bytes,
                 std::size_t size, void* self) {
          if (Http2StreamHandler* const to = static_cast<Impl*>(self)->stream(id)) {
            to->on_data(text_of(bytes, size));
          } else {
            nghttp2_session_consume(from, id, size);
          }
          return 0;
        });
    nghttp2_session_callbacks_set_on_frame_recv_callback(
        made, [](nghttp2_session*, const nghttp2_frame* frame, void* self) {
          return static_cast<Impl*>(self)->on_frame(*frame);
        });
    nghttp2_session_callbacks_set_unpack_extension_callback(
        made, [](nghttp2_session*, void**, const nghttp2_frame_hd*, void*) -> int {
          return NGHTTP2_ERR_CANCEL;  // Not for us.
        });
    // Never fails: nghttp2 1.52 would leak the stream.
    nghttp2_session_callbacks_set_on_stream_close_callback(
        made, [](nghttp2_session*, std::int32_t id, std::uint32_t error, void* self) {
          static_cast<Impl*>(self)->on_close(id, error);
          return 0;
        });
    nghttp2_session_callbacks_set_on_frame_send_callback(
        made, [](nghttp2_session*, const nghttp2_frame* frame, void* self) {
          static_cast<Impl*>(self)->on_frame_sent(*frame);
          return 0;
        });
    return made;
  }();
  return shared;
}

void Http2ServerSession::Impl::open() {
  nghttp2_option* option = nullptr;
  CHECK(nghttp2_option_new(&option) == 0);
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_max_continuations(option, options.continuations_max);
  nghttp2_option_set_max_settings(option, kSettingsMax);
  // Else nghttp2 passes over frames that it does not know, uncounted.
  for (int type = kFirstExtension; type <= 0xff; ++type) {
    nghttp2_option_set_user_recv_extension_type(option, static_cast<std::uint8_t>(type));
  }
  // Its own limit knows nothing of answers that explain resets; `resets` is stricter.
  constexpr std::uint64_t kNoLimit = 1ULL << 32;
  nghttp2_option_set_stream_reset_rate_limit(option, kNoLimit, kNoLimit);
  CHECK(nghttp2_session_server_new2(&session, callbacks(), this, option) == 0);
  nghttp2_option_del(option);
  const std::array<nghttp2_settings_entry, 3> settings{{
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, options.streams_max},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, options.stream_window_bytes},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
       static_cast<std::uint32_t>(options.section_bytes_max)},
  }};
  CHECK(nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings.data(), settings.size()) == 0);
  nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0,
                                        static_cast<std::int32_t>(options.connection_window_bytes));
}

// ---- the session

Http2ServerSession::Http2ServerSession(Http2SessionHandler& handler, const Http2Options& options)
    : impl_(std::make_unique<Impl>(handler, options)) {
  impl_->open();
}

Http2ServerSession::~Http2ServerSession() = default;

void Http2ServerSession::receive(std::string_view bytes, std::int64_t now_ns) {
  Impl& impl = *impl_;
  if (impl.breach != Http2Breach::kNone) return;
  impl.now_ns = now_ns;
  const ssize_t taken = nghttp2_session_mem_recv(impl.session, bytes_of(bytes), bytes.size());
  if (taken >= 0) return;
  const bool is_flood = taken == NGHTTP2_ERR_FLOODED || taken == NGHTTP2_ERR_TOO_MANY_SETTINGS;
  if (taken == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS) {
    (void)impl.breach_with(Http2Breach::kContinuations);
  } else {
    (void)impl.breach_with(is_flood ? Http2Breach::kControlFrames : Http2Breach::kProtocol);
  }
}

void Http2ServerSession::collect(OutputBuffer& out) {
  Impl& impl = *impl_;
  impl.out = &out;
  impl.tell_breach();
  int failure = nghttp2_session_send(impl.session);
  if (failure != 0) (void)impl.breach_with(Http2Breach::kProtocol);
  if (impl.breach != Http2Breach::kNone && !impl.has_told_breach) {  // It came up just now.
    impl.tell_breach();
    failure = nghttp2_session_send(impl.session);
  }
  impl.has_failed = failure != 0;
  impl.out = nullptr;
}

bool Http2ServerSession::wants_collect() const {
  if (impl_->breach != Http2Breach::kNone && !impl_->has_told_breach) return true;
  return nghttp2_session_want_write(impl_->session) != 0;
}

bool Http2ServerSession::is_over() const {
  if (impl_->breach != Http2Breach::kNone) {
    return impl_->has_failed ||
           (impl_->has_told_breach && nghttp2_session_want_write(impl_->session) == 0);
  }
  return nghttp2_session_want_read(impl_->session) == 0 &&
         nghttp2_session_want_write(impl_->session) == 0;
}

Http2Breach Http2ServerSession::breach() const { return impl_->breach; }

bool Http2ServerSession::is_mid_head() const { return impl_->is_mid_head; }

void Http2ServerSession::send_head(std::int32_t stream, int status, const http::HeaderList& fields,
                                   bool is_end) {
  const std::string text = std::to_string(status);
  impl_->fill(text, fields);
  nghttp2_data_provider provider{};
  provider.read_callback = [](nghttp2_session*, std::int32_t id, std::uint8_t*, std::size_t size,
                              std::uint32_t* flags, nghttp2_data_source*, void* self) {
    return static_cast<Impl*>(self)->read_piece(id, size, *flags);
  };
  nghttp2_submit_response(impl_->session, stream, impl_->fields.data(), impl_->fields.size(),
                          is_end ? nullptr : &provider);
}

void Http2ServerSession::send_informational(std::int32_t stream, int status,
                                            const http::HeaderList& fields) {
  const std::string text = std::to_string(status);
  impl_->fill(text, fields);
  nghttp2_submit_headers(impl_->session, NGHTTP2_FLAG_NONE, stream, nullptr, impl_->fields.data(),
                         impl_->fields.size(), nullptr);
}

void Http2ServerSession::resume(std::int32_t stream) {
  nghttp2_session_resume_data(impl_->session, stream);
}

bool Http2ServerSession::is_window_closed(std::int32_t stream) const {
  return nghttp2_session_get_stream_remote_window_size(impl_->session, stream) <= 0;
}

bool Http2ServerSession::is_connection_window_closed() const {
  return nghttp2_session_get_remote_window_size(impl_->session) <= 0;
}

void Http2ServerSession::reset(std::int32_t stream, Http2Error error) {
  forget(stream);
  ++impl_->own_resets;
  nghttp2_submit_rst_stream(impl_->session, NGHTTP2_FLAG_NONE, stream,
                            static_cast<std::uint32_t>(error));
}

void Http2ServerSession::forget(std::int32_t stream) {
  nghttp2_session_set_stream_user_data(impl_->session, stream, nullptr);
}

void Http2ServerSession::consume(std::int32_t stream, std::size_t bytes) {
  nghttp2_session_consume(impl_->session, stream, bytes);
}

void Http2ServerSession::announce_end() { nghttp2_submit_shutdown_notice(impl_->session); }

void Http2ServerSession::end(Http2Error error) {
  impl_->has_own_end = true;
  nghttp2_submit_goaway(impl_->session, NGHTTP2_FLAG_NONE,
                        nghttp2_session_get_last_proc_stream_id(impl_->session),
                        static_cast<std::uint32_t>(error), nullptr, 0);
}

}  // namespace banyan::net
