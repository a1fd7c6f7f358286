// SPDX-License-Identifier: Apache-2.0
//
// Requests: the result does not depend on how the bytes are split, llhttp reads every accepted
// message alike, and what we write from a parsed head is read back the same.
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/check.h"
#include "core/base/text.h"
#include "core/http/llhttp_check.h"
#include "core/http/message_writer.h"
#include "tests/core/http/reading.h"

namespace banyan::http {
namespace {

std::string rewrite(std::string_view message, const Reading& reading) {
  RequestReader reader(ReadLimits{});
  std::string_view input = message;
  CHECK(reader.next(input) == ReadEvent::kHead);
  std::string out;
  CHECK(write_request_line(out, reader.head().method, reader.head().target));
  for (const Header& field : reader.head().fields) {
    if (is_connection_specific(reader.head().fields, field.name)) continue;
    if (equal_ignoring_case(field.name, "Content-Length")) continue;
    CHECK(write_field(out, field.name, field.value));
  }
  if (!find_header(reader.head().fields, "Host")) CHECK(write_field(out, "Host", "none"));
  write_content_length(out, reading.body.size());
  write_end_of_head(out);
  return out + reading.body;
}

// Where a message has several faults, the pieces decide which one is named first.
bool is_same(const Reading& a, const Reading& b) {
  return a == b || (a.last == ReadEvent::kError && b.last == ReadEvent::kError);
}

void run(std::string_view message) {
  RequestReader whole_reader(ReadLimits{});
  const Reading whole = read_message(whole_reader, message, std::string::npos, std::string::npos);
  RequestReader bytewise_reader(ReadLimits{});
  CHECK(is_same(read_message(bytewise_reader, message, 1, 1), whole));
  RequestReader split_reader(ReadLimits{});
  CHECK(is_same(read_message(split_reader, message, message.size() / 2, std::string::npos), whole));
  if (whole.last != ReadEvent::kComplete) return;

  const std::string_view accepted = message.substr(0, whole.consumed);
  const auto line_end = accepted.find("\r\n", accepted.front() == '\r' ? 2 : 0);
  // llhttp knows no version above 1.1, and treats what follows an Upgrade as raw bytes.
  const char minor = accepted[line_end - 1];
  const bool is_comparable = minor <= '1' && !whole_reader.head().wants_upgrade;
  if (is_comparable) {
    const LlhttpReading theirs = read_request_with_llhttp(accepted);
    // A chunked body may hold what llhttp refuses and we drop: quoted extensions, or a malformed
    // Content-Length among the trailers. What llhttp read until then must be the same bytes.
    const bool is_chunked = whole_reader.head().framing == BodyFraming::kChunked;
    CHECK(theirs.is_accepted || is_chunked);
    CHECK(theirs.is_accepted
              ? theirs.body == whole.body
              : std::string_view(whole.body).substr(0, theirs.body.size()) == theirs.body);
  }

  const std::string ours = rewrite(message, whole);
  RequestReader again_reader(ReadLimits{});
  const Reading again = read_message(again_reader, ours, std::string::npos, std::string::npos);
  CHECK(again.last == ReadEvent::kComplete || again.code == "conflicting_length" ||
        again.status == 431 || again.status == 417 || again.code == "no_host");
  if (again.last == ReadEvent::kComplete) CHECK(again.body == whole.body);
}

}  // namespace
}  // namespace banyan::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  banyan::http::run(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
