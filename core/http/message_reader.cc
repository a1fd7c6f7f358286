// SPDX-License-Identifier: Apache-2.0
#include "core/http/message_reader.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "core/http/body_reader.h"
#include "core/http/char_classes.h"
#include "core/http/head_buffer.h"
#include "core/http/head_parser.h"
#include "core/http/masked_sample.h"

namespace banyan::http {
namespace {

// Empty lines before a request line that are skipped (RFC 9112 section 2.2 asks for at least one;
// old clients send one after a body).
constexpr int kLeadingEmptyLinesMax = 1;

// Room for the head that a reader keeps from one message to the next. Who is idle for long drops
// the reader.
constexpr std::size_t kKeptHeadBytesMax = 4096;
constexpr std::size_t kKeptFieldsMax = 128;

template <typename Head>
void renew(Head& head) {
  HeaderList room = std::move(head.fields);
  room.clear();
  head = Head();
  if (room.capacity() <= kKeptFieldsMax) head.fields = std::move(room);
}

enum class Phase { kHead, kBody, kDone, kError };

// What both readers share.
struct Machine {
  explicit Machine(const ReadLimits& the_limits) : limits(the_limits) {}

  ReadLimits limits;
  Phase phase = Phase::kHead;
  HeadBuffer head_bytes;
  BodyReader body;
  std::uint64_t body_bytes = 0;  // read of it, framing included
  ReadError error;

  // `bytes` are those that were judged; why.at points into them, else `position` says where.
  ReadEvent fail(ReadError why, std::string_view bytes, std::size_t position = 0) {
    error = std::move(why);
    if (error.at.data() != nullptr && error.at.data() >= bytes.data() &&
        error.at.data() <= bytes.data() + bytes.size()) {
      position = static_cast<std::size_t>(error.at.data() - bytes.data());
    }
    error.at = {};
    error.position = position;
    error.sample = masked_sample(bytes, position);
    phase = Phase::kError;
    return ReadEvent::kError;
  }
  // What the head's buffer cannot take: of it, or of the input where it holds nothing yet.
  ReadEvent fail_in_head(ReadError why, std::string_view input) {
    const std::string_view bytes = head_bytes.is_empty() ? input : head_bytes.bytes();
    return fail(std::move(why), bytes, head_bytes.line_start());
  }
  HeadBuffer::Limits head_limits() const {
    return {limits.head_bytes_max, limits.line_bytes_max, false};
  }
  ReadEvent start_body(BodyFraming framing, std::uint64_t content_length) {
    body.start(framing, content_length);
    body_bytes = 0;
    phase = Phase::kBody;
    return ReadEvent::kHead;
  }
  // Of the phases behind the head.
  ReadEvent next_of_body(std::string_view& input) {
    if (phase == Phase::kError) return ReadEvent::kError;
    if (phase == Phase::kDone) return ReadEvent::kComplete;
    const std::string_view before = input;
    const ReadEvent event = body.next(input, limits);
    const std::size_t taken = before.size() - input.size();
    if (event == ReadEvent::kError) {
      ReadError why = body.error();
      why.at = {};
      fail(std::move(why), before, taken == 0 ? 0 : taken - 1);
      error.position += body_bytes;
      return event;
    }
    body_bytes += taken;
    if (event == ReadEvent::kComplete) phase = Phase::kDone;
    return event;
  }
  bool is_mid_message() const {
    return (phase == Phase::kHead && !head_bytes.is_empty()) || phase == Phase::kBody;
  }
  bool has_head() const { return phase == Phase::kBody || phase == Phase::kDone; }
  void reset(std::size_t kept_bytes_max = 0) {
    if (phase == Phase::kError) return;  // What follows a refused message is never parsed.
    phase = Phase::kHead;
    head_bytes.clear(kept_bytes_max);
    body.clear();
  }
};

}  // namespace

struct RequestReader::State : Machine {
  using Machine::Machine;
  RequestHead head;
  int empty_lines = 0;
  bool has_checked_line = false;

  ReadEvent next(std::string_view& input) {
    return phase == Phase::kHead ? next_of_head(input) : next_of_body(input);
  }

  ReadEvent next_of_head(std::string_view& input) {
    for (;;) {
      if (input.empty()) return ReadEvent::kNeedMore;
      if (head_bytes.is_empty() && !is_token_start(input.front())) {
        return fail(refuse(400, "not_http", "the bytes do not begin an HTTP/1 request"), input);
      }
      switch (head_bytes.take(input, head_limits())) {
        case HeadBuffer::Outcome::kNeedMore: return check_early();
        case HeadBuffer::Outcome::kBareLf:
          return fail_in_head(refuse(400, "bare_lf", "a line feed without a carriage return"),
                              input);
        case HeadBuffer::Outcome::kTooLong: return fail_too_long(input);
        case HeadBuffer::Outcome::kLineTooLong:
          return fail_in_head(refuse(431, "line_too_long", "a field line is over its limit"),
                              input);
        case HeadBuffer::Outcome::kReady: break;
      }
      if (!head_bytes.is_one_empty_line()) return parse();
      if (++empty_lines > kLeadingEmptyLinesMax) {
        return fail(refuse(400, "empty_lines", "more than one empty line before a request"), input);
      }
      head_bytes.clear();
    }
  }

  static bool is_token_start(char c) { return c == '\r' || internal::is_of(c, internal::kToken); }

  ReadEvent fail_too_long(std::string_view input) {
    return fail_in_head(head_bytes.first_line_size() == std::string::npos
                            ? refuse(414, "target_too_long", "the request line is over its limit")
                            : refuse(431, "head_too_large", "the head is over its limit"),
                        input);
  }

  // Judges a request line as soon as it is whole, so that HTTP/0.9 and others who will never send
  // an empty line get an answer, and one without an end as soon as it is too long.
  ReadEvent check_early() {
    if (has_checked_line) return ReadEvent::kNeedMore;
    const std::size_t size = head_bytes.first_line_size();
    const std::string_view bytes = head_bytes.bytes();
    if (size == std::string::npos) {
      constexpr std::size_t kLineBesidesTarget = 64;  // method, version, spaces
      if (bytes.size() > limits.target_bytes_max + kLineBesidesTarget) {
        return fail(refuse(414, "target_too_long", "the request target is over its limit"), bytes);
      }
      return ReadEvent::kNeedMore;
    }
    has_checked_line = true;
    RequestLine line;
    if (auto refused = parse_request_line(bytes.substr(0, size), limits, line)) {
      return fail(*std::move(refused), bytes);
    }
    return ReadEvent::kNeedMore;
  }

  ReadEvent parse() {
    if (auto refused =
            parse_request_head(head_bytes.bytes(), head_bytes.line_count(), limits, head)) {
      return fail(*std::move(refused), head_bytes.bytes());
    }
    return start_body(head.framing, head.content_length);
  }

  void reset_all() {
    reset(kKeptHeadBytesMax);
    renew(head);
    empty_lines = 0;
    has_checked_line = false;
  }
};

RequestReader::RequestReader(const ReadLimits& limits) : state_(std::make_unique<State>(limits)) {}
RequestReader::~RequestReader() = default;
RequestReader::RequestReader(RequestReader&&) noexcept = default;

ReadEvent RequestReader::next(std::string_view& input) { return state_->next(input); }
const RequestHead& RequestReader::head() const { return state_->head; }
std::string_view RequestReader::body() const { return state_->body.piece(); }
const HeaderList& RequestReader::trailers() const { return state_->body.trailers(); }
const ReadError& RequestReader::error() const { return state_->error; }
bool RequestReader::is_mid_message() const { return state_->is_mid_message(); }
bool RequestReader::has_head() const { return state_->has_head(); }
void RequestReader::reset() { state_->reset_all(); }

struct ResponseReader::State : Machine {
  using Machine::Machine;
  ResponseHead head;
  bool answers_head = false;
  bool may_upgrade = false;

  ReadEvent next(std::string_view& input) {
    return phase == Phase::kHead ? next_of_head(input) : next_of_body(input);
  }

  ReadEvent next_of_head(std::string_view& input) {
    if (input.empty()) return ReadEvent::kNeedMore;
    if (head_bytes.is_empty() && input.front() != 'H') {
      return fail(refuse(502, "not_http", "the bytes do not begin an HTTP/1 answer"), input);
    }
    HeadBuffer::Limits bounds = head_limits();
    bounds.allows_bare_lf = limits.lenient.has(Leniency::kBareLfInAnswers);
    switch (head_bytes.take(input, bounds)) {
      case HeadBuffer::Outcome::kNeedMore: return ReadEvent::kNeedMore;
      case HeadBuffer::Outcome::kBareLf:
        return fail_in_head(refuse(502, "bare_lf", "a line feed without a carriage return"), input);
      case HeadBuffer::Outcome::kTooLong:
        return fail_in_head(refuse(502, "head_too_large", "the answer's head is over its limit"),
                            input);
      case HeadBuffer::Outcome::kLineTooLong:
        return fail_in_head(refuse(502, "line_too_long", "a field line is over its limit"), input);
      case HeadBuffer::Outcome::kReady: break;
    }
    if (head_bytes.is_one_empty_line()) {
      return fail(refuse(502, "not_http", "an empty line where an answer should begin"),
                  head_bytes.bytes());
    }
    if (auto refused = parse_response_head(head_bytes.bytes(), head_bytes.line_count(), limits,
                                           answers_head, head)) {
      return fail(*std::move(refused), head_bytes.bytes());
    }
    if (head.status == 101 && !may_upgrade) {
      return fail(
          refuse(502, "unasked_upgrade", "the system switched protocols without being asked"),
          head_bytes.bytes());
    }
    if (head_bytes.had_bare_lf()) head.lenient.add(Leniency::kBareLfInAnswers);
    return start_body(head.framing, head.content_length);
  }

  ReadEvent finish() {
    if (phase == Phase::kError) return ReadEvent::kError;
    if (phase == Phase::kDone) return ReadEvent::kComplete;
    if (phase == Phase::kBody) {
      if (body.is_until_close()) {
        phase = Phase::kDone;
        return ReadEvent::kComplete;
      }
      return fail(refuse(502, "cut_body", "the connection closed inside the answer's body"), {});
    }
    return head_bytes.is_empty()
               ? fail(refuse(502, "no_answer", "the connection closed before an answer"), {})
               : fail(refuse(502, "cut_head", "the connection closed inside the answer's head"),
                      head_bytes.bytes(), head_bytes.bytes().size());
  }

  // Connections to systems are few and busy, so the room of a usual head stays for the next one.
  void reset_all() {
    reset(kKeptHeadBytesMax);
    renew(head);
  }
};

ResponseReader::ResponseReader(const ReadLimits& limits)
    : state_(std::make_unique<State>(limits)) {}
ResponseReader::~ResponseReader() = default;
ResponseReader::ResponseReader(ResponseReader&&) noexcept = default;

void ResponseReader::expect_answer_to(std::string_view method, bool may_upgrade) {
  state_->may_upgrade = may_upgrade;
  state_->answers_head = method == "HEAD";
}

ReadEvent ResponseReader::next(std::string_view& input) {
  const ReadEvent event = state_->next(input);
  // All that is wrong with an answer is the system's fault, whatever a request would have got.
  if (event == ReadEvent::kError) state_->error.status = 502;
  return event;
}
ReadEvent ResponseReader::finish_at_close() { return state_->finish(); }
const ResponseHead& ResponseReader::head() const { return state_->head; }
std::string_view ResponseReader::body() const { return state_->body.piece(); }
bool ResponseReader::is_last_piece() const { return state_->body.is_last_piece(); }
const HeaderList& ResponseReader::trailers() const { return state_->body.trailers(); }
const ReadError& ResponseReader::error() const { return state_->error; }
bool ResponseReader::is_mid_message() const { return state_->is_mid_message(); }
bool ResponseReader::has_head() const { return state_->has_head(); }
void ResponseReader::reset() { state_->reset_all(); }

}  // namespace banyan::http
