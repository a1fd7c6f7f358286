// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "core/base/text.h"
#include "core/http/message.h"
#include "core/http/message_writer.h"
#include "interchange/exchange_writer.h"
#include "interchange/gor_payload.h"

namespace banyan::interchange {
namespace {

struct Message {
  const Fields& fields;
  const Fields& trailers;
  const StoredBody& body;
};

bool has_length(const Fields& fields) { return !value_of(fields, "Content-Length").empty(); }

// A message that says nothing of its length ends with the payload in an answer, and has no body in
// a request.
bool must_be_chunked(const Message& message, bool is_request) {
  if (has_length(message.fields)) return false;
  return !message.trailers.empty() || (is_request && !message.body.bytes.empty());
}

// Tokens have another length than what they stand for, and nobody could read such a message.
bool write_fields(const Message& message, std::string& out) {
  if (!message.body.is_redacted) return http::write_fields(out, views_of(message.fields));
  bool is_clean = true;
  for (const Field& field : message.fields) {
    const bool is_length = equal_ignoring_case(field.name, "Content-Length");
    is_clean &= http::write_field(
        out, field.name, is_length ? std::to_string(message.body.bytes.size()) : field.value);
  }
  return is_clean;
}

// False where a field holds bytes that no message may carry.
bool append_message(const Message& message, bool is_request, std::string& out) {
  bool is_clean = write_fields(message, out);
  if (!must_be_chunked(message, is_request)) {
    http::write_end_of_head(out);
    out += message.body.bytes;
    return is_clean;
  }
  is_clean &= http::write_field(out, "Transfer-Encoding", "chunked");
  http::write_end_of_head(out);
  if (!message.body.bytes.empty()) {
    http::write_chunk_head(out, message.body.bytes.size());
    out.append(message.body.bytes).append(http::kChunkEnd);
  }
  // A body that was cut stays one: it has no last chunk.
  if (message.body.held == Held::kAll) {
    http::write_last_chunk(out, views_of(message.trailers));
  }
  return is_clean;
}

class GorWriter final : public ExchangeWriter {
 public:
  bool write(const Exchange& exchange, std::string& out) override {
    std::string payloads;
    if (!append_request(exchange, payloads)) return false;
    if (exchange.answer &&
        !append_answer(exchange, *exchange.answer, GorType::kResponse, payloads)) {
      losses_.count(
          "answers cannot be written (their bytes hold the separator); only requests are");
    }
    if (exchange.shadow && exchange.shadow->status != 0 &&
        !append_answer(exchange, *exchange.shadow, GorType::kReplayed, payloads)) {
      losses_.count("copies' answers cannot be written (their bytes hold the separator)");
    }
    out += payloads;
    count_losses(exchange);
    return true;
  }

 private:
  bool append_request(const Exchange& exchange, std::string& out) {
    std::string payload;
    bool is_clean = http::write_request_line(payload, exchange.method, exchange.target);
    is_clean &= append_message({exchange.fields, exchange.trailers, exchange.body}, true, payload);
    if (!is_clean) {
      losses_.count("exchanges hold bytes that no HTTP/1.1 message may carry; not written");
      return false;
    }
    if (!append_payload(exchange, GorType::kRequest, 0, payload, out)) {
      losses_.count("exchanges hold the separator of payloads in their request; not written");
      return false;
    }
    return true;
  }

  static bool append_answer(const Exchange& exchange, const StoredAnswer& answer, GorType type,
                            std::string& out) {
    std::string payload;
    bool is_clean =
        http::write_status_line(payload, answer.status, http::reason_phrase(answer.status));
    is_clean &= append_message({answer.fields, answer.trailers, answer.body}, false, payload);
    const std::int64_t latency = answer.ended.mono_ns - exchange.started.mono_ns;
    return is_clean &&
           append_payload(exchange, type, std::max<std::int64_t>(latency, 0), payload, out);
  }

  // The bytes that a reader looks for may also begin in the head's end or end in the separator.
  static bool append_payload(const Exchange& exchange, GorType type, std::int64_t latency_ns,
                             const std::string& payload, std::string& out) {
    std::string framed = payload;
    framed += kGorSeparator;
    if (framed.find(kGorSeparator) != payload.size()) return false;
    out.push_back(static_cast<char>(type));
    out.append(" ").append(exchange.id.to_string());
    out.append(" ").append(std::to_string(exchange.started.wall_ns));
    out.append(" ").append(std::to_string(latency_ns)).append("\n").append(framed);
    return true;
  }

  void count_losses(const Exchange& exchange) {
    count_bodies(exchange);
    losses_.count(
        "exchanges lose what .gor has no place for: route, session, verdict, who answered");
    if (exchange.body.is_redacted || (exchange.answer && exchange.answer->body.is_redacted)) {
      losses_.count("exchanges have tokens in a body; their Content-Length is written anew");
    }
    if (exchange.http_version != 1) {
      losses_.count("requests did not come as HTTP/1.1; they are written as if they had");
    }
    if (!exchange.trailers.empty() && has_length(exchange.fields)) {
      losses_.count("messages have trailers and a Content-Length; the trailers are left out");
    }
    if (!exchange.answer) {
      losses_.count("exchanges have no answer of a system; only requests are written");
    } else if (!exchange.answer->trailers.empty() && has_length(exchange.answer->fields)) {
      losses_.count("messages have trailers and a Content-Length; the trailers are left out");
    } else if (exchange.answer->body.held != Held::kAll && !has_length(exchange.answer->fields) &&
               exchange.answer->trailers.empty()) {
      losses_.count("answers were cut and have no Content-Length; they will read as whole");
    }
  }
};

}  // namespace

std::unique_ptr<ExchangeWriter> make_gor_writer() { return std::make_unique<GorWriter>(); }

}  // namespace banyan::interchange
