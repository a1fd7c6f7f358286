// SPDX-License-Identifier: Apache-2.0
#include "core/http/llhttp_check.h"

#include <llhttp.h>

#include "core/http/head_parser.h"

#if !defined(LLHTTP_STRICT_MODE) || !LLHTTP_STRICT_MODE
#error "llhttp must be built strict, for the library and for its users alike"
#endif

namespace banyan::http {
namespace {

struct HeadReading {
  std::size_t fields = 0;
  bool has_ended = false;
  bool is_chunked = false;
  std::uint64_t content_length = 0;
};

int on_field_complete(llhttp_t* parser) {
  ++static_cast<HeadReading*>(parser->data)->fields;
  return 0;
}

// llhttp counts content_length down over the body, so it is taken here.
int on_head_complete(llhttp_t* parser) {
  auto* reading = static_cast<HeadReading*>(parser->data);
  reading->has_ended = true;
  reading->is_chunked = (parser->flags & F_CHUNKED) != 0;
  reading->content_length = (parser->flags & F_CONTENT_LENGTH) != 0 ? parser->content_length : 0;
  return HPE_PAUSED;
}

const llhttp_settings_t& head_settings() {
  static const llhttp_settings_t settings = [] {
    llhttp_settings_t made;
    llhttp_settings_init(&made);
    made.on_header_value_complete = on_field_complete;
    made.on_headers_complete = on_head_complete;
    return made;
  }();
  return settings;
}

llhttp_errno_t read_head(llhttp_type_t type, std::string_view bytes, HeadReading& reading) {
  llhttp_t parser;
  llhttp_init(&parser, type, &head_settings());
  parser.data = &reading;
  return llhttp_execute(&parser, bytes.data(), bytes.size());
}

std::optional<ReadError> disagreement() {
  return refuse(400, "ambiguous_head", "the head can be read in more than one way");
}

}  // namespace

std::optional<ReadError> check_request_with_llhttp(std::string_view head_bytes,
                                                   const RequestHead& head) {
  HeadReading reading;
  const llhttp_errno_t result = read_head(HTTP_REQUEST, head_bytes, reading);
  if (!reading.has_ended) {
    if (result == HPE_INVALID_METHOD) {
      return refuse(501, "unknown_method", "the method is not known here");
    }
    return refuse(400, "refused_by_llhttp", "the head is malformed");
  }
  const bool is_chunked = head.framing == BodyFraming::kChunked;
  if (reading.fields != head.fields.size() || reading.is_chunked != is_chunked ||
      reading.content_length != head.content_length) {
    return disagreement();
  }
  return std::nullopt;
}

std::optional<ReadError> check_response_with_llhttp(std::string_view head_bytes,
                                                    const ResponseHead& head) {
  HeadReading reading;
  read_head(HTTP_RESPONSE, head_bytes, reading);
  if (!reading.has_ended) {
    return refuse(502, "refused_by_llhttp", "the head is malformed");
  }
  const bool must_be_chunked = head.framing == BodyFraming::kChunked;
  if (reading.fields != head.fields.size() || (must_be_chunked && !reading.is_chunked) ||
      reading.content_length != head.content_length) {
    return disagreement();
  }
  return std::nullopt;
}

namespace {

struct WholeReading {
  LlhttpReading result;
  bool answers_head = false;
  int messages = 0;
};

LlhttpReading read_whole(llhttp_type_t type, std::string_view message, bool answers_head) {
  llhttp_settings_t settings;
  llhttp_settings_init(&settings);
  settings.on_headers_complete = [](llhttp_t* parser) {
    return static_cast<WholeReading*>(parser->data)->answers_head ? 1 : 0;
  };
  settings.on_body = [](llhttp_t* parser, const char* at, std::size_t size) {
    static_cast<WholeReading*>(parser->data)->result.body.append(at, size);
    return 0;
  };
  settings.on_message_complete = [](llhttp_t* parser) {
    ++static_cast<WholeReading*>(parser->data)->messages;
    return 0;
  };
  WholeReading reading;
  reading.answers_head = answers_head;
  llhttp_t parser;
  llhttp_init(&parser, type, &settings);
  parser.data = &reading;
  llhttp_errno_t result = llhttp_execute(&parser, message.data(), message.size());
  if (result == HPE_OK) result = llhttp_finish(&parser);
  const bool is_fine = result == HPE_OK || result == HPE_PAUSED_UPGRADE;
  reading.result.is_accepted = is_fine && reading.messages == 1;
  return std::move(reading.result);
}

}  // namespace

LlhttpReading read_request_with_llhttp(std::string_view message) {
  return read_whole(HTTP_REQUEST, message, false);
}

LlhttpReading read_response_with_llhttp(std::string_view message, bool answers_head) {
  return read_whole(HTTP_RESPONSE, message, answers_head);
}

}  // namespace banyan::http
