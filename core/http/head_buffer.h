// SPDX-License-Identifier: Apache-2.0
//
// Collects the bytes of one head, up to and with its empty line. Lines end in CRLF; anything else
// is noticed at the LF itself, not at a timeout. Where bare LFs are allowed, bytes() has CRLFs all
// the same.
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
    kLineTooLong,
  };
  struct Limits {
    std::size_t bytes_max = 0;
    std::size_t line_bytes_max = 0;  // of a line behind the first, without its CRLF
    bool allows_bare_lf = false;
  };

  // Consumes from the front of `input`; what follows the head stays in it.
  Outcome take(std::string_view& input, const Limits& limits);
  // Whether bare LFs were made CRLFs.
  bool had_bare_lf() const { return had_bare_lf_; }
  // Drops a head that was one empty line (before a request line, RFC 9112 section 2.2).
  bool is_one_empty_line() const { return bytes_.size() == 2; }

  std::string& bytes() { return bytes_; }
  std::size_t line_count() const { return lines_; }
  // Without its CRLF; npos while it is not complete.
  std::size_t first_line_size() const { return first_line_size_; }
  bool is_empty() const { return bytes_.empty(); }
  // Of the line that is looked at, for who tells where a head went wrong.
  std::size_t line_start() const { return line_start_; }
  // Ready for the next head. Gives the memory back where it is more than `kept_bytes_max`, so that
  // an idle connection of a client owns none.
  void clear(std::size_t kept_bytes_max = 0);

 private:
  // Looks for the end from `scanned_` on; the size of the head where it is ready.
  Outcome find_end(std::string_view bytes, const Limits& limits, std::size_t& end);
  void write_crlfs();

  std::string bytes_;
  std::size_t scanned_ = 0;     // before it every LF was seen
  std::size_t line_start_ = 0;  // of the line that `scanned_` is in
  std::size_t lines_ = 0;
  std::size_t first_line_size_ = std::string::npos;
  bool had_bare_lf_ = false;
};

}  // namespace banyan::http
