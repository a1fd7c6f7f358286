// SPDX-License-Identifier: Apache-2.0
//
// Collects the bytes of one head, up to and with its empty line. Lines end in CRLF; anything else
// is noticed at the LF itself, not at a timeout.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace banyan::http {

class HeadBuffer {
 public:
  enum class Outcome {
    kNeedMore,
    kReady,    // bytes() is a whole head
    kBareLf,   // an LF without a CR before it
    kTooLong,  // over the limit without an end
  };

  // Consumes from the front of `input`; what follows the head stays in it.
  Outcome take(std::string_view& input, std::size_t bytes_max);
  // Drops a head that was one empty line (before a request line, RFC 9112 section 2.2).
  bool is_one_empty_line() const { return bytes_.size() == 2; }

  std::string& bytes() { return bytes_; }
  std::size_t line_count() const { return lines_; }
  // Without its CRLF; npos while it is not complete.
  std::size_t first_line_size() const { return first_line_size_; }
  bool is_empty() const { return bytes_.empty(); }
  // Ready for the next head. Gives the memory back where it is more than `kept_bytes_max`, so that
  // an idle connection of a client owns none.
  void clear(std::size_t kept_bytes_max = 0);

 private:
  // Looks for the end from `scanned_` on; the size of the head, or 0.
  std::size_t find_end(std::string_view bytes, bool& has_bare_lf);

  std::string bytes_;
  std::size_t scanned_ = 0;     // before it every LF was seen
  std::size_t line_start_ = 0;  // of the line that `scanned_` is in
  std::size_t lines_ = 0;
  std::size_t first_line_size_ = std::string::npos;
};

}  // namespace banyan::http
