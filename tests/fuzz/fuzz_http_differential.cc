// SPDX-License-Identifier: Apache-2.0
//
// The first byte says what follows: a request, an answer to GET or to HEAD, and which leniencies
// are on. What the strict reader accepts is forwarded by the proxy's own code, and what leaves must
// be one message that the strict reader and llhttp both read with the same line, fields and body.
// Nothing of the message may be left over for a second one.
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/check.h"
#include "core/base/text.h"
#include "core/http/llhttp_check.h"
#include "core/http/message_writer.h"
#include "proxy/answer_head.h"
#include "proxy/field_store.h"
#include "proxy/forward_head.h"
#include "tests/core/http/reading.h"

namespace banyan::http {
namespace {

constexpr std::uint8_t kIsAnswer = 1;
constexpr std::uint8_t kAnswersHead = 2;
constexpr std::uint8_t kIsLenient = 4;
constexpr std::uint8_t kClientIs10 = 8;

ReadLimits limits_of(std::uint8_t mode) {
  ReadLimits limits;
  if ((mode & kIsLenient) != 0) {
    for (std::size_t i = 0; i < kLeniencyCount; ++i) limits.lenient.add(static_cast<Leniency>(i));
  }
  return limits;
}

// For reading what we wrote: nothing excused but bytes that are forwarded as they came, and room
// for the fields that we add.
ReadLimits limits_behind_us() {
  ReadLimits limits;
  limits.fields_max = 200;
  limits.head_bytes_max = limits.line_bytes_max = 1 << 20;
  limits.target_bytes_max = 1 << 20;
  for (const Leniency one :
       {Leniency::kHighBytesInTarget, Leniency::kUnknownMethods, Leniency::kUnderscoreNames}) {
    limits.lenient.add(one);
  }
  return limits;
}

bool llhttp_can_read(const Leniencies& excused) {
  return !excused.has(Leniency::kHighBytesInTarget) && !excused.has(Leniency::kUnknownMethods);
}

// Our own and the framing fields aside, what leaves is a part of what came, in its order.
template <typename Head>
void check_fields(const Head& before, const Reading& after) {
  std::size_t at = 0;
  for (const auto& [name, value] : after.fields) {
    CHECK(!is_hop_by_hop(name) || equal_ignoring_case(name, "Transfer-Encoding") ||
          equal_ignoring_case(name, "Connection"));
    std::size_t found = at;
    while (found < before.fields.size() &&
           (before.fields[found].name != name || before.fields[found].value != value)) {
      ++found;
    }
    if (found < before.fields.size()) at = found + 1;
  }
}

void append_body(std::string& out, bool is_chunked, const Reading& reading,
                 const HeaderList& trailers) {
  if (!is_chunked) {
    out.append(reading.body);
    return;
  }
  if (!reading.body.empty()) {
    write_chunk_head(out, reading.body.size());
    out.append(reading.body).append(kChunkEnd);
  }
  write_last_chunk(out, trailers);
}

void run_request(std::string_view message, std::uint8_t mode) {
  RequestReader reader(limits_of(mode));
  const Reading whole = read_message(reader, message, std::string::npos, std::string::npos);
  if (whole.last != ReadEvent::kComplete) return;
  const RequestHead& head = reader.head();

  const std::string_view accepted = message.substr(0, whole.consumed);
  const auto line_end = accepted.find("\r\n", accepted.front() == '\r' ? 2 : 0);
  const bool is_plain = head.lenient.is_empty() && !head.wants_upgrade &&
                        accepted[line_end - 1] <= '1';  // llhttp knows no version above
  if (is_plain) {
    const LlhttpReading theirs = read_request_with_llhttp(accepted);
    // Of a chunked body llhttp refuses quoted extensions and odd trailers, which we drop.
    CHECK(theirs.is_accepted || head.framing == BodyFraming::kChunked);
    CHECK(std::string_view(whole.body).substr(0, theirs.body.size()) == theirs.body);
    if (theirs.is_accepted) CHECK(theirs.body == whole.body);
  }

  const bool is_chunked = head.framing == BodyFraming::kChunked;
  static const proxy::NetworkSet kNoNetworks;
  const proxy::Peer peer = proxy::make_peer("192.0.2.1", kNoNetworks, false);
  proxy::ForwardFacts facts;
  facts.peer = &peer;
  facts.log_uuid = "0123456789abcdef0123456789abcdef";
  facts.host = head.authority.empty() ? std::string_view("system") : head.authority;
  facts.framing = is_chunked ? proxy::RequestFraming::kChunked
                  : head.framing == BodyFraming::kContentLength
                      ? proxy::RequestFraming::kContentLength
                      : proxy::RequestFraming::kNone;
  facts.content_length = whole.body.size();
  proxy::ForwardHead forward;
  forward.build(head, facts);
  std::string out;
  forward.write(head, false, out);
  proxy::FieldStore trailers;
  trailers.assign_trailers(reader.trailers());
  append_body(out, is_chunked, whole, trailers.fields());

  RequestReader again_reader(limits_behind_us());
  const Reading again = read_message(again_reader, out, std::string::npos, std::string::npos);
  CHECK(again.last == ReadEvent::kComplete);
  CHECK(again.consumed == out.size());
  CHECK(again.body == whole.body);
  CHECK(again_reader.head().method == head.method && again_reader.head().target == head.target);
  CHECK(again_reader.head().authority == facts.host);
  CHECK((again_reader.head().framing == BodyFraming::kChunked) == is_chunked);
  CHECK(!again_reader.head().wants_upgrade);
  check_fields(head, again);
  if (llhttp_can_read(again_reader.head().lenient)) {
    const LlhttpReading theirs = read_request_with_llhttp(out);
    CHECK(theirs.is_accepted);
    CHECK(theirs.body == whole.body);
  }
}

void run_answer(std::string_view message, std::uint8_t mode) {
  const bool answers_head = (mode & kAnswersHead) != 0;
  const std::string_view method = answers_head ? "HEAD" : "GET";
  ResponseReader reader(limits_of(mode));
  reader.expect_answer_to(method);
  Reading whole = read_message(reader, message, std::string::npos, std::string::npos);
  if (whole.last == ReadEvent::kNeedMore) whole.last = reader.finish_at_close();
  if (whole.last != ReadEvent::kComplete) return;
  const ResponseHead& head = reader.head();
  if (head.status < 200) return;  // Forwarded by write_informational(), which has no body.

  const bool client_is_1_0 = (mode & kClientIs10) != 0;
  proxy::FieldStore fields, trailers;
  fields.assign_end_to_end(head.fields);
  trailers.assign_trailers(reader.trailers());
  const proxy::ClientHead client = proxy::client_head(head, fields.fields(), answers_head);
  proxy::Http1Facts facts;
  facts.client_is_1_0 = client_is_1_0;
  facts.framing = proxy::client_framing(client, client_is_1_0);
  facts.keeps_alive = facts.framing != proxy::ClientFraming::kUntilClose;
  std::string out;
  proxy::write_client_head(client, facts, out);
  if (facts.framing != proxy::ClientFraming::kNoBody) {
    append_body(out, facts.framing == proxy::ClientFraming::kChunked, whole, trailers.fields());
  }

  ResponseReader again_reader(limits_behind_us());
  again_reader.expect_answer_to(method);
  Reading again = read_message(again_reader, out, std::string::npos, std::string::npos);
  const bool lasts_until_close = facts.framing == proxy::ClientFraming::kUntilClose;
  if (lasts_until_close && again.last == ReadEvent::kNeedMore) {
    again.last = again_reader.finish_at_close();
    again.consumed = out.size();
  }
  CHECK(again.last == ReadEvent::kComplete);
  CHECK(again.consumed == out.size());
  CHECK(again.body == whole.body);
  CHECK(again_reader.head().status == head.status);
  check_fields(head, again);
  // llhttp reads a body behind a 204 with a length, and frames answers to HEAD in its own way.
  if (facts.framing == proxy::ClientFraming::kNoBody) return;
  const LlhttpReading theirs = read_response_with_llhttp(out, answers_head);
  CHECK(theirs.is_accepted);
  CHECK(theirs.body == whole.body);
}

}  // namespace
}  // namespace banyan::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view message(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::uint8_t mode = data[0];
  if ((mode & banyan::http::kIsAnswer) != 0) {
    banyan::http::run_answer(message, mode);
  } else {
    banyan::http::run_request(message, mode);
  }
  return 0;
}
