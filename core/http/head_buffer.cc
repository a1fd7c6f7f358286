// SPDX-License-Identifier: Apache-2.0
#include "core/http/head_buffer.h"

#include <algorithm>
#include <utility>

#include "core/base/vector16.h"

namespace banyan::http {
namespace {

// Where the line feeds are, one after another: lines are short, so a search for each from its start
// would be more calls than work.
class LineFeeds {
 public:
  LineFeeds(std::string_view bytes, std::size_t from)
      : bytes_(bytes), at_(std::min(from, bytes.size())) {}
  // The place of the next one; the size of the bytes behind the last.
  std::size_t next() {
#if BANYAN_HAS_VECTOR16
    while (found_ == 0 && bytes_.size() - at_ >= 16) {
      found_ = static_cast<unsigned>(
          _mm_movemask_epi8(_mm_cmpeq_epi8(load_16(bytes_.data() + at_), _mm_set1_epi8('\n'))));
      at_ += 16;
    }
    if (found_ != 0) {
      const std::size_t place = at_ - 16 + static_cast<std::size_t>(__builtin_ctz(found_));
      found_ &= found_ - 1;
      return place;
    }
#endif
    const std::size_t place = std::min(bytes_.find('\n', at_), bytes_.size());
    at_ = std::min(place + 1, bytes_.size());
    return place;
  }

 private:
  std::string_view bytes_;
  std::size_t at_;  // behind what was looked at
#if BANYAN_HAS_VECTOR16
  unsigned found_ = 0;  // bit i: a line feed at at_ - 16 + i that was not told yet
#endif
};

}  // namespace

HeadBuffer::Outcome HeadBuffer::find_end(std::string_view bytes, const Limits& limits,
                                         std::size_t& end) {
  LineFeeds feeds(bytes, scanned_);
  for (;;) {
    const std::size_t at = feeds.next();
    if (at == bytes.size()) {
      scanned_ = bytes.size();
      break;
    }
    std::size_t line_size = at - line_start_;
    if (line_size > 0 && bytes[at - 1] == '\r') {
      --line_size;
    } else if (limits.allows_bare_lf) {
      had_bare_lf_ = true;
    } else {
      return Outcome::kBareLf;
    }
    if (lines_ == 0) {
      first_line_size_ = line_size;
    } else if (line_size > limits.line_bytes_max) {
      return Outcome::kLineTooLong;
    }
    ++lines_;
    scanned_ = at + 1;
    line_start_ = at + 1;
    if (line_size == 0) {
      end = at + 1;
      return Outcome::kReady;
    }
  }
  // A CR at its end may be the line's own.
  if (lines_ > 0 && bytes.size() - line_start_ > limits.line_bytes_max + 1) {
    return Outcome::kLineTooLong;
  }
  return Outcome::kNeedMore;
}

HeadBuffer::Outcome HeadBuffer::take(std::string_view& input, const Limits& limits) {
  std::size_t end = 0;
  if (bytes_.empty()) {
    // The usual case: the whole head is in the input, and is copied once.
    const Outcome outcome = find_end(input.substr(0, limits.bytes_max), limits, end);
    if (outcome == Outcome::kReady) {
      bytes_.assign(input.data(), end);
      input.remove_prefix(end);
      if (had_bare_lf_) write_crlfs();
      return Outcome::kReady;
    }
    if (outcome != Outcome::kNeedMore) return outcome;
    if (input.size() >= limits.bytes_max) return Outcome::kTooLong;
    bytes_.assign(input);
    input = {};
    return Outcome::kNeedMore;
  }
  const std::size_t before = bytes_.size();
  bytes_.append(input.substr(0, limits.bytes_max - std::min(before, limits.bytes_max)));
  const Outcome outcome = find_end(bytes_, limits, end);
  if (outcome == Outcome::kReady) {
    input.remove_prefix(end - before);
    bytes_.resize(end);
    if (had_bare_lf_) write_crlfs();
    return Outcome::kReady;
  }
  if (outcome != Outcome::kNeedMore) return outcome;
  if (bytes_.size() >= limits.bytes_max) return Outcome::kTooLong;
  input = {};
  return Outcome::kNeedMore;
}

// Lines of bytes_ that end in LF alone get their CR, so that nobody behind here meets another form.
void HeadBuffer::write_crlfs() {
  std::string made;
  made.reserve(bytes_.size() + lines_);
  for (std::size_t i = 0; i < bytes_.size(); ++i) {
    if (bytes_[i] == '\n' && (i == 0 || bytes_[i - 1] != '\r')) made.push_back('\r');
    made.push_back(bytes_[i]);
  }
  bytes_ = std::move(made);
  if (first_line_size_ != std::string::npos) first_line_size_ = bytes_.find('\r');
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
  had_bare_lf_ = false;
}

}  // namespace banyan::http
