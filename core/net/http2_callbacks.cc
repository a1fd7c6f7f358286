// SPDX-License-Identifier: Apache-2.0
#include "core/net/http2_callbacks.h"

#include <nghttp2/nghttp2.h>

#include <string_view>

#include "core/base/check.h"
#include "core/net/http2_link.h"

namespace banyan::net {
namespace {

// Of our own requests; the library's own limit is lower than what we accept from clients.
constexpr std::size_t kSendHeadBytesMax = 256 * 1024;

std::string_view view(const std::uint8_t* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

}  // namespace

struct Http2Callbacks {
  static Http2Link& link(void* user_data) { return *static_cast<Http2Link*>(user_data); }
  static Http2Stream* stream(nghttp2_session* session, std::int32_t id) {
    return static_cast<Http2Stream*>(nghttp2_session_get_stream_user_data(session, id));
  }

  static int on_begin_frame(nghttp2_session*, const nghttp2_frame_hd* head, void* user_data) {
    return link(user_data).on_begin_frame(head->type, head->length, head->flags);
  }

  static int on_header(nghttp2_session* session, const nghttp2_frame* frame,
                       const std::uint8_t* name, std::size_t name_size, const std::uint8_t* value,
                       std::size_t value_size, std::uint8_t, void* user_data) {
    Http2Stream* const it = stream(session, frame->hd.stream_id);
    if (it == nullptr) return 0;
    const bool is_good =
        link(user_data).on_field(*it, view(name, name_size), view(value, value_size));
    return is_good ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }

  // Without it the library would leave the field out and go on.
  static int on_invalid_header(nghttp2_session* session, const nghttp2_frame* frame,
                               const std::uint8_t*, std::size_t, const std::uint8_t*, std::size_t,
                               std::uint8_t, void*) {
    Http2Stream* const it = stream(session, frame->hd.stream_id);
    if (it != nullptr) it->refuse("a field that HTTP/2 forbids");
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }

  static int on_frame_recv(nghttp2_session* session, const nghttp2_frame* frame, void* user_data) {
    Http2Link& to = link(user_data);
    if (frame->hd.type == NGHTTP2_GOAWAY) {
      to.on_goaway(frame->goaway.error_code,
                   view(frame->goaway.opaque_data, frame->goaway.opaque_data_len));
      return 0;
    }
    if (frame->hd.type == NGHTTP2_SETTINGS) {
      if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) to.on_settings();
      return 0;
    }
    Http2Stream* const it = stream(session, frame->hd.stream_id);
    if (it == nullptr) return 0;
    if (frame->hd.type == NGHTTP2_RST_STREAM) it->was_reset = true;
    const bool is_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (frame->hd.type == NGHTTP2_HEADERS) to.on_section(*it, is_end);
    if (frame->hd.type == NGHTTP2_DATA && is_end) to.on_end(*it);
    return 0;
  }

  static int on_invalid_frame(nghttp2_session* session, const nghttp2_frame* frame, int error,
                              void* user_data) {
    Http2Stream* const it = stream(session, frame->hd.stream_id);
    if (it != nullptr) {
      it->refuse(nghttp2_strerror(error));
    } else {
      link(user_data).on_broken(nghttp2_strerror(error));
    }
    return 0;
  }

  static int on_data(nghttp2_session* session, std::uint8_t, std::int32_t id,
                     const std::uint8_t* bytes, std::size_t size, void* user_data) {
    link(user_data).on_data(stream(session, id), id, view(bytes, size));
    return 0;
  }

  static int on_frame_send(nghttp2_session* session, const nghttp2_frame* frame, void* user_data) {
    Http2Stream* const it = stream(session, frame->hd.stream_id);
    if (it == nullptr) return 0;
    link(user_data).on_frame_sent(*it, frame->hd.type == NGHTTP2_HEADERS,
                                  (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0);
    return 0;
  }

  static int on_stream_close(nghttp2_session*, std::int32_t id, std::uint32_t error_code,
                             void* user_data) {
    link(user_data).on_stream_closed(id, error_code);
    return 0;
  }

  static int on_error(nghttp2_session*, int, const char* message, std::size_t size,
                      void* user_data) {
    link(user_data).on_broken(std::string_view(message, size));
    return 0;
  }
};

nghttp2_session* new_http2_client_session(Http2Link& link) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_option* option = nullptr;
  nghttp2_session* session = nullptr;
  CHECK(nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_option_new(&option) == 0);
  using C = Http2Callbacks;
  nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, C::on_begin_frame);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, C::on_header);
  nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, C::on_invalid_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, C::on_frame_recv);
  nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, C::on_invalid_frame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, C::on_data);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, C::on_frame_send);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, C::on_stream_close);
  nghttp2_session_callbacks_set_error_callback2(callbacks, C::on_error);
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_max_send_header_block_length(option, kSendHeadBytesMax);
  nghttp2_option_set_max_settings(option, kSettingsMax);
  CHECK(nghttp2_session_client_new2(&session, callbacks, &link, option) == 0);
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  return session;
}

}  // namespace banyan::net
