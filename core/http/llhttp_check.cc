// SPDX-License-Identifier: Apache-2.0
#include "core/http/llhttp_check.h"

#include <llhttp.h>

#include "core/base/hash.h"
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

// What llhttp made of bytes that a thread has shown it lately. Connections that are kept repeat
// themselves: a client sends the same fields with each request, a system the same head with many
// answers. llhttp is a machine without chance, so for the very same bytes in the same state its
// reading need not be taken again. Only what it accepted is kept.
class HeadMemo {
 public:
  // `state` stands for all that the reading depends on beside the bytes.
  const HeadReading* find(std::string_view bytes, std::uint64_t state) {
    if (bytes.size() > kBytesMax) return nullptr;
    hash_ = xxh3_64(bytes, state);
    const Entry& entry = entries_[hash_ % kEntries];
    const bool is_same = entry.hash == hash_ && entry.state == state && entry.bytes == bytes;
    return is_same ? &entry.reading : nullptr;
  }
  // Behind a find() of the same that found nothing.
  void keep(std::string_view bytes, std::uint64_t state, const HeadReading& reading) {
    if (bytes.size() > kBytesMax) return;
    Entry& entry = entries_[hash_ % kEntries];
    entry.hash = hash_;
    entry.state = state;
    entry.bytes.assign(bytes);
    entry.reading = reading;
  }

 private:
  static constexpr std::size_t kEntries = 16;  // with the bytes below: 32 KiB a thread
  static constexpr std::size_t kBytesMax = 2048;
  struct Entry {
    std::uint64_t hash = 0;
    std::uint64_t state = 0;
    std::string bytes;
    HeadReading reading;
  };
  Entry entries_[kEntries];
  std::uint64_t hash_ = 0;
};

thread_local HeadMemo request_lines, request_fields, answer_heads;

// The fields of a request behind a line that llhttp accepts. Behind the line its state depends on
// method and version alone, so known fields need no further look.
const HeadReading* find_request_fields(std::string_view line, std::string_view fields,
                                       std::uint64_t state) {
  const HeadReading* const known = request_fields.find(fields, state);
  if (known == nullptr) return nullptr;
  if (request_lines.find(line, 0) != nullptr) return known;
  HeadReading of_line;
  if (read_head(HTTP_REQUEST, line, of_line) != HPE_OK) return nullptr;
  request_lines.keep(line, 0, of_line);
  return known;
}

std::uint64_t state_of(const RequestHead& head) {
  return xxh3_64(head.method, static_cast<std::uint64_t>(head.version_minor));
}

std::optional<ReadError> disagreement() {
  return refuse(400, "ambiguous_head", "the head can be read in more than one way");
}

}  // namespace

bool is_known_method(std::string_view method) {
  for (const std::string_view common : {"GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS"}) {
    if (method == common) return true;
  }
  constexpr std::size_t kLongest = 32;
  if (method.size() > kLongest) return false;
  std::string head(method);
  head.append(" / HTTP/1.1\r\n\r\n");
  HeadReading reading;
  (void)read_head(HTTP_REQUEST, head, reading);
  return reading.has_ended;
}

std::optional<ReadError> check_request_with_llhttp(std::string_view head_bytes,
                                                   const RequestHead& head) {
  const std::size_t line_size = head_bytes.find('\n') + 1;
  const std::string_view fields = head_bytes.substr(line_size);
  const std::uint64_t state = state_of(head);
  HeadReading reading;
  if (const HeadReading* known =
          find_request_fields(head_bytes.substr(0, line_size), fields, state)) {
    reading = *known;
  } else {
    const llhttp_errno_t result = read_head(HTTP_REQUEST, head_bytes, reading);
    if (!reading.has_ended) {
      if (result == HPE_INVALID_METHOD) {
        return refuse(501, "unknown_method", "the method is not known here");
      }
      return refuse(400, "refused_by_llhttp", "the head is malformed");
    }
    request_fields.keep(fields, state, reading);
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
  if (const HeadReading* known = answer_heads.find(head_bytes, 0)) {
    reading = *known;
  } else {
    read_head(HTTP_RESPONSE, head_bytes, reading);
    if (!reading.has_ended) {
      return refuse(502, "refused_by_llhttp", "the head is malformed");
    }
    answer_heads.keep(head_bytes, 0, reading);
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
