// SPDX-License-Identifier: Apache-2.0
#include "core/http/head_buffer.h"

#include <algorithm>
#include <cstring>

namespace banyan::http {

std::size_t HeadBuffer::find_end(std::string_view bytes, bool& has_bare_lf) {
  while (scanned_ < bytes.size()) {
    const void* found = std::memchr(bytes.data() + scanned_, '\n', bytes.size() - scanned_);
    if (found == nullptr) {
      scanned_ = bytes.size();
      return 0;
    }
    const auto at = static_cast<std::size_t>(static_cast<const char*>(found) - bytes.data());
    if (at == line_start_ || bytes[at - 1] != '\r') {
      has_bare_lf = true;
      return 0;
    }
    const std::size_t line_size = at - 1 - line_start_;
    if (lines_ == 0) first_line_size_ = line_size;
    ++lines_;
    scanned_ = at + 1;
    line_start_ = at + 1;
    if (line_size == 0) return at + 1;
  }
  return 0;
}

HeadBuffer::Outcome HeadBuffer::take(std::string_view& input, std::size_t bytes_max) {
  bool has_bare_lf = false;
  if (bytes_.empty()) {
    // The usual case: the whole head is in the input, and is copied once.
    const std::size_t end = find_end(input.substr(0, bytes_max), has_bare_lf);
    if (end != 0) {
      bytes_.assign(input.data(), end);
      input.remove_prefix(end);
      return Outcome::kReady;
    }
    if (has_bare_lf) return Outcome::kBareLf;
    if (input.size() >= bytes_max) return Outcome::kTooLong;
    bytes_.assign(input);
    input = {};
    return Outcome::kNeedMore;
  }
  const std::size_t before = bytes_.size();
  bytes_.append(input.substr(0, bytes_max - std::min(before, bytes_max)));
  const std::size_t end = find_end(bytes_, has_bare_lf);
  if (end != 0) {
    input.remove_prefix(end - before);
    bytes_.resize(end);
    return Outcome::kReady;
  }
  if (has_bare_lf) return Outcome::kBareLf;
  if (bytes_.size() >= bytes_max) return Outcome::kTooLong;
  input = {};
  return Outcome::kNeedMore;
}

void HeadBuffer::clear(std::size_t kept_bytes_max) {
  if (bytes_.capacity() <= kept_bytes_max) {
    bytes_.clear();
  } else {
    bytes_ = std::string();
  }
  scanned_ = 0;
  line_start_ = 0;
  lines_ = 0;
  first_line_size_ = std::string::npos;
}

}  // namespace banyan::http
