// SPDX-License-Identifier: Apache-2.0
#include "core/net/http2_stream.h"

#include "core/base/text.h"
#include "core/http/char_classes.h"
#include "core/http/framing.h"

namespace banyan::net {
namespace {

// RFC 9113 section 6.5.2: what one field line counts beyond its bytes.
constexpr std::size_t kLineOverheadBytes = 32;

bool is_left_out(std::string_view name) {
  return http::is_hop_by_hop(name) || name == "host" || name == "http2-settings";
}

bool is_grpc(std::string_view content_type) {
  return starts_with_ignoring_case(content_type, "application/grpc");
}

// The next line of `head` without its CRLF; false at the empty one or the end.
bool next_line(std::string_view& head, std::string_view& line) {
  const auto end = head.find("\r\n");
  if (end == std::string_view::npos || end == 0) return false;
  line = head.substr(0, end);
  head.remove_prefix(end + 2);
  return true;
}

}  // namespace

bool Http2Fields::add(std::string_view name, std::string_view value,
                      const http::ReadLimits& limits) {
  if (lines_.size() >= limits.fields_max) return false;
  const std::size_t counted =
      bytes_.size() + name.size() + value.size() + kLineOverheadBytes * (lines_.size() + 1);
  if (counted > limits.head_bytes_max) return false;
  lines_.push_back({bytes_.size(), name.size(), value.size()});
  bytes_.append(name).append(value);
  return true;
}

void Http2Fields::list(http::HeaderList& out) const {
  out.clear();
  out.reserve(lines_.size());
  const std::string_view bytes = bytes_;
  for (const Line& line : lines_) {
    out.push_back({bytes.substr(line.name_at, line.name_bytes),
                   bytes.substr(line.name_at + line.name_bytes, line.value_bytes)});
  }
}

void Http2Fields::clear() {
  bytes_.clear();
  lines_.clear();
}

bool Http2RequestFields::assign(std::string_view head, bool is_secure, bool accepts_trailers) {
  std::string_view line;
  if (!next_line(head, line)) return false;
  const auto method_end = line.find(' ');
  const auto target_end = line.rfind(' ');
  if (method_end == std::string_view::npos || target_end <= method_end) return false;
  fields = {{":method", line.substr(0, method_end)},
            {":scheme", is_secure ? "https" : "http"},
            {":authority", {}},
            {":path", line.substr(method_end + 1, target_end - method_end - 1)}};
  lowered.clear();
  lowered.reserve(head.size());  // Never more than that, so that views of it stay.
  while (next_line(head, line)) {
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) return false;
    std::string_view value = line.substr(colon + 1);
    while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
    const std::size_t at = lowered.size();
    for (const char c : line.substr(0, colon)) {
      lowered.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c);
    }
    const std::string_view name = std::string_view(lowered).substr(at);
    if (name == "host") fields[2].second = value;
    if (name == "content-type") accepts_trailers |= is_grpc(value);
    if (!is_left_out(name)) fields.emplace_back(name, value);
  }
  if (fields[2].second.empty()) fields.erase(fields.begin() + 2);
  if (accepts_trailers) fields.emplace_back("te", "trailers");
  return true;
}

void Http2Stream::refuse(std::string why) {
  if (!is_bad) why_bad = std::move(why);
  is_bad = true;
}

bool Http2Stream::finish_head(const http::ReadLimits& limits, bool is_end) {
  fields.list(head.fields);
  head.version_major = head.version_minor = 1;  // For the rules below.
  head.reason = http::reason_phrase(head.status);
  if (head.status < 100 || head.status > 599 || head.status == 101) {
    refuse(head.status == 101 ? "101 over HTTP/2" : "the status is not from 100 to 599");
    return false;
  }
  const bool is_informational = head.status < 200;
  if (is_informational && is_end) {
    refuse("the answer ends with an interim one");
    return false;
  }
  // The same rules for Content-Length as over HTTP/1.
  const auto error = http::apply_response_framing(http::find_framing_fields(head.fields), limits,
                                                  answers_head_method, head);
  if (error) {
    refuse(error->message);
    return false;
  }
  head.keep_alive = true;
  head.version_major = 2;
  head.version_minor = 0;
  if (head.framing == http::BodyFraming::kUntilClose) {
    head.framing = is_end ? http::BodyFraming::kNone : http::BodyFraming::kChunked;
    head.content_length = 0;
  }
  return true;
}

}  // namespace banyan::net
