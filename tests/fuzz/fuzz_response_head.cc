// SPDX-License-Identifier: Apache-2.0
//
// Answers: the first byte says whether they are to a HEAD; the result does not depend on how the
// bytes are split, and llhttp reads every accepted answer with a body alike.
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/check.h"
#include "core/http/llhttp_check.h"
#include "tests/core/http/reading.h"

namespace banyan::http {
namespace {

Reading read(std::string_view message, bool answers_head, std::size_t first, std::size_t further,
             ResponseHead* head) {
  ResponseReader reader(ReadLimits{});
  reader.expect_answer_to(answers_head ? "HEAD" : "GET");
  Reading result = read_message(reader, message, first, further);
  if (result.last == ReadEvent::kNeedMore) {
    result.last = reader.finish_at_close();
    if (result.last == ReadEvent::kComplete) result.consumed = message.size();
  }
  if (head != nullptr) {
    head->status = reader.head().status;
    head->framing = reader.head().framing;
  }
  return result;
}

// Where a message has several faults, the pieces decide which one is named first.
bool is_same(const Reading& a, const Reading& b) {
  return a == b || (a.last == ReadEvent::kError && b.last == ReadEvent::kError);
}

void run(std::string_view message, bool answers_head) {
  ResponseHead head;
  const Reading whole = read(message, answers_head, std::string::npos, std::string::npos, &head);
  CHECK(is_same(read(message, answers_head, 1, 1, nullptr), whole));
  CHECK(
      is_same(read(message, answers_head, message.size() / 2, std::string::npos, nullptr), whole));
  // llhttp reads a body behind a 204 with a length and frames HEAD its own way; those are ours
  // alone.
  if (whole.last != ReadEvent::kComplete || head.framing == BodyFraming::kNone) return;
  const std::string_view accepted = message.substr(0, whole.consumed);
  if (accepted.size() < 8 || accepted[7] > '1') return;
  const LlhttpReading theirs = read_response_with_llhttp(accepted, answers_head);
  CHECK(!theirs.is_accepted || theirs.body == whole.body);
}

}  // namespace
}  // namespace banyan::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  banyan::http::run(bytes.substr(1), bytes.front() == 'h');
  return 0;
}
