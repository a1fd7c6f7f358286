// SPDX-License-Identifier: Apache-2.0
#include "interchange/byte_input.h"

#include <algorithm>

namespace banyan::interchange {
namespace {

// Consumed bytes stay at the front of the buffer until it is worth moving the rest.
constexpr std::size_t kCompactBytes = 1 << 20;

}  // namespace

Result<bool> BufferedInput::fill() {
  if (is_at_end_) return false;
  auto more = input_.read(piece_);
  if (!more.ok()) return more.error();
  if (!*more) {
    is_at_end_ = true;
    return false;
  }
  if (at_ >= kCompactBytes || at_ == buffer_.size()) {
    buffer_.erase(0, at_);
    at_ = 0;
  }
  buffer_.append(piece_);
  return true;
}

Result<std::string_view> BufferedInput::look() { return look_ahead(1); }

Result<std::string_view> BufferedInput::look_ahead(std::size_t size) {
  while (buffer_.size() - at_ < size) {
    auto more = fill();
    if (!more.ok()) return more.error();
    if (!*more) break;
  }
  return std::string_view(buffer_).substr(at_);
}

void BufferedInput::consume(std::size_t size) {
  const auto begin = buffer_.begin() + static_cast<std::ptrdiff_t>(at_);
  line_ += static_cast<std::uint64_t>(
      std::count(begin, begin + static_cast<std::ptrdiff_t>(size), '\n'));
  at_ += size;
  position_ += size;
}

Result<BufferedInput::Cut> BufferedInput::take_until(std::string_view separator,
                                                     std::size_t bytes_max, std::string_view& out) {
  out = {};
  std::size_t searched = 0;  // before it no separator begins
  bool is_too_long = false;
  for (;;) {
    const std::string_view held = std::string_view(buffer_).substr(at_);
    const std::size_t found = held.find(separator, searched);
    const std::size_t size = std::min(found, held.size());
    is_too_long |= size > bytes_max;
    if (found != std::string_view::npos) {
      // Consuming leaves the bytes in place until the next fill().
      if (!is_too_long) out = held.substr(0, found);
      consume(found + separator.size());
      return is_too_long ? Cut::kTooLong : Cut::kFound;
    }
    searched = held.size() - std::min(held.size(), separator.size() - 1);
    if (is_too_long) {
      consume(searched);
      searched = 0;
    }
    auto more = fill();
    if (!more.ok()) return more.error();
    if (*more) continue;
    const std::string_view rest = std::string_view(buffer_).substr(at_);
    if (!is_too_long) out = rest;
    consume(rest.size());
    return is_too_long ? Cut::kTooLong : Cut::kEnd;
  }
}

}  // namespace banyan::interchange
