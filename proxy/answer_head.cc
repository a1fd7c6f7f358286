// SPDX-License-Identifier: Apache-2.0
#include "proxy/answer_head.h"

#include <utility>

#include "core/base/text.h"
#include "core/http/message_writer.h"

namespace banyan::proxy {
namespace {

constexpr std::string_view kContentLengthName = "content-length";

void write_connection(bool keeps_alive, bool client_is_1_0, std::string& out) {
  if (!keeps_alive) {
    http::write_field(out, "Connection", "close");
  } else if (client_is_1_0) {
    http::write_field(out, "Connection", "keep-alive");
  }
}

void write_fields_with_one_length(const http::HeaderList& fields, std::string& out) {
  bool has_length = false;
  for (const http::Header& field : fields) {
    if (is_content_length(field.name) && std::exchange(has_length, true)) continue;
    http::write_field(out, field.name, field.value);
  }
}

void append_json_text(std::string_view text, std::string& out) {
  static constexpr char kDigits[] = "0123456789abcdef";
  out.push_back('"');
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (byte < 0x20 || byte >= 0x7f) {
      out.append("\\u00");
      out.push_back(kDigits[byte >> 4]);
      out.push_back(kDigits[byte & 0xf]);
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
}

}  // namespace

bool is_content_length(std::string_view name) {
  return name.size() == kContentLengthName.size() && equal_ignoring_case(name, kContentLengthName);
}

ClientHead client_head(const http::ResponseHead& answer, const http::HeaderList& fields,
                       bool answers_head_method) {
  ClientHead head;
  head.status = answer.status;
  head.reason = answer.reason;
  head.fields = &fields;
  head.has_body = !answers_head_method && answer.status != 204 && answer.status != 304;
  head.is_length_known = answer.framing == http::BodyFraming::kNone ||
                         answer.framing == http::BodyFraming::kContentLength;
  head.content_length = answer.content_length;
  return head;
}

bool passes_length_field(const ClientHead& head) { return !head.has_body && head.status != 204; }

ClientFraming client_framing(const ClientHead& head, bool client_is_1_0) {
  if (!head.has_body) return ClientFraming::kNoBody;
  if (head.is_length_known) return ClientFraming::kContentLength;
  return client_is_1_0 ? ClientFraming::kUntilClose : ClientFraming::kChunked;
}

void write_client_head(const ClientHead& head, const Http1Facts& facts, std::string& out) {
  http::write_status_line(out, head.status, head.reason);
  if (passes_length_field(head)) {
    write_fields_with_one_length(*head.fields, out);
  } else {
    http::write_parsed_fields(out, *head.fields, kContentLengthName);
  }
  if (facts.writes_via) http::write_field(out, "Via", "1.1 banyan");
  if (facts.framing == ClientFraming::kContentLength) {
    http::write_content_length(out, head.content_length);
  } else if (facts.framing == ClientFraming::kChunked) {
    http::write_field(out, "Transfer-Encoding", "chunked");
  }
  write_connection(facts.keeps_alive, facts.client_is_1_0, out);
  http::write_end_of_head(out);
}

void write_informational(int status, std::string_view reason, const http::HeaderList& fields,
                         std::string& out) {
  http::write_status_line(out, status, reason);
  for (const http::Header& field : fields) {
    if (!http::is_connection_specific(fields, field.name) && !is_content_length(field.name)) {
      http::write_field(out, field.name, field.value);
    }
  }
  http::write_end_of_head(out);
}

std::string error_body(const ErrorAnswer& answer) {
  std::string body = "{\"error\":{\"code\":";
  append_json_text(answer.code, body);
  body.append(",\"message\":");
  append_json_text(answer.message, body);
  body.append(",\"exchange\":");
  append_json_text(answer.exchange, body);
  body.append("}}\n");
  return body;
}

void write_error_answer(const ErrorAnswer& answer, bool client_is_1_0, std::string& out) {
  const std::string body = error_body(answer);
  http::write_status_line(out, answer.status, http::reason_phrase(answer.status));
  http::write_field(out, "Content-Type", "application/json");
  http::write_content_length(out, body.size());
  if (!answer.request_id.empty()) http::write_field(out, "X-Request-Id", answer.request_id);
  if (answer.status == 503) http::write_field(out, "Retry-After", "1");
  write_connection(answer.keeps_alive, client_is_1_0, out);
  http::write_end_of_head(out);
  if (!answer.answers_head_method) out.append(body);
}

}  // namespace banyan::proxy
