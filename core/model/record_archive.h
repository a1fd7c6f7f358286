// SPDX-License-Identifier: Apache-2.0
//
// The two archives a record's layout is written for: Packer appends it, Unpacker reads it. Integers
// are little-endian, varints LEB128, as in core/base/bytes.h. For record_codec.cc alone.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "core/model/types.h"

namespace banyan::model {

constexpr bool is_skip_reason(SkipReason reason) {
  return reason <= SkipReason::kRouteOff ||
         (reason >= SkipReason::kQueueFull && reason <= SkipReason::kGap);
}

constexpr std::uint64_t little_endian(std::uint64_t value) {
  return std::endian::native == std::endian::big ? __builtin_bswap64(value) : value;
}

// Most of a record is short pieces: they are gathered in a small buffer, so that the string is
// asked for room a few times only.
class Packer {
 public:
  explicit Packer(std::string& out) : out_(out) {}
  ~Packer() { flush(); }
  Packer(const Packer&) = delete;
  Packer& operator=(const Packer&) = delete;

  void number(std::uint64_t value) {
    make_room(kVarintBytesMax);
    while (value >= 0x80) {
      put(static_cast<std::uint8_t>(value) | 0x80);
      value >>= 7;
    }
    put(static_cast<std::uint8_t>(value));
  }
  void fixed64(std::uint64_t value) {
    make_room(sizeof(value));
    value = little_endian(value);
    std::memcpy(buffer_ + used_, &value, sizeof(value));
    used_ += sizeof(value);
  }
  void time(std::int64_t value) { fixed64(static_cast<std::uint64_t>(value)); }
  void text(std::string_view value) {
    number(value.size());
    if (value.size() > kBufferBytes - used_) flush();
    if (value.size() > kBufferBytes) {
      out_.append(value);
      return;
    }
    if (!value.empty()) std::memcpy(buffer_ + used_, value.data(), value.size());
    used_ += value.size();
  }
  void flag(bool value) { byte(value ? 1 : 0); }
  template <typename Enum>
  void choice(Enum value, Enum) {
    byte(static_cast<std::uint8_t>(value));
  }
  void reason(SkipReason value) { byte(static_cast<std::uint8_t>(value)); }
  template <typename T, typename Each>
  void list(const std::vector<T>& items, Each each) {
    number(items.size());
    for (const T& item : items) each(*this, item);
  }

 private:
  static constexpr std::size_t kBufferBytes = 512;
  static constexpr std::size_t kVarintBytesMax = 10;

  void make_room(std::size_t bytes) {
    if (bytes > kBufferBytes - used_) flush();
  }
  void put(std::uint8_t value) { buffer_[used_++] = static_cast<char>(value); }
  void byte(std::uint8_t value) {
    make_room(1);
    put(value);
  }
  void flush() {
    out_.append(buffer_, used_);
    used_ = 0;
  }

  std::string& out_;
  std::size_t used_ = 0;
  char buffer_[kBufferBytes];
};

// After the first failure nothing is left to read, so every further read fails too and the layout
// need not look.
class Unpacker {
 public:
  explicit Unpacker(std::string_view input) : at_(input.data()), end_(at_ + input.size()) {}

  template <std::unsigned_integral T>
  void number(T& value) {
    const std::uint64_t wide = varint();
    value = static_cast<T>(wide);
    if (value != wide) fail();
  }
  void fixed64(std::uint64_t& value) {
    value = 0;
    if (remaining() < sizeof(value)) return fail();
    std::memcpy(&value, at_, sizeof(value));
    value = little_endian(value);
    at_ += sizeof(value);
  }
  void time(std::int64_t& value) {
    std::uint64_t bits = 0;
    fixed64(bits);
    value = static_cast<std::int64_t>(bits);
  }
  void text(std::string_view& value) {
    const std::uint64_t size = varint();
    if (size > remaining()) {
      value = {};
      return fail();
    }
    value = std::string_view(at_, size);
    at_ += size;
  }
  void text(std::string& value) {
    std::string_view view;
    text(view);
    value.assign(view);
  }
  void flag(bool& value) {
    const std::uint8_t read = byte();
    if (read > 1) fail();
    value = read == 1;
  }
  template <typename Enum>
  void choice(Enum& value, Enum last) {
    const std::uint8_t read = byte();
    if (read > static_cast<std::uint8_t>(last)) return fail();
    value = static_cast<Enum>(read);
  }
  void reason(SkipReason& value) {
    const auto read = static_cast<SkipReason>(byte());
    if (!is_skip_reason(read)) return fail();
    value = read;
  }
  template <typename T, typename Each>
  void list(std::vector<T>& items, Each each) {
    items.clear();
    const std::uint64_t count = varint();
    // Each item takes at least two bytes, so a hostile count cannot make us reserve much.
    if (count > remaining() / 2) return fail();
    items.reserve(count);
    for (std::uint64_t i = 0; i < count && is_ok_; ++i) each(*this, items.emplace_back());
  }

  bool is_ok() const { return is_ok_; }
  bool is_done() const { return is_ok_ && at_ == end_; }

 private:
  std::size_t remaining() const { return static_cast<std::size_t>(end_ - at_); }
  void fail() {
    is_ok_ = false;
    at_ = end_;
  }
  std::uint8_t byte() {
    if (at_ == end_) {
      fail();
      return 0;
    }
    return static_cast<std::uint8_t>(*at_++);
  }
  // Nearly all of them take one byte.
  std::uint64_t varint() {
    if (at_ != end_ && static_cast<std::uint8_t>(*at_) < 0x80) {
      return static_cast<std::uint8_t>(*at_++);
    }
    return long_varint();
  }
  std::uint64_t long_varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const std::uint8_t read = byte();
      if (!is_ok_ || (shift == 63 && read > 1)) break;
      value |= std::uint64_t{read & 0x7fU} << shift;
      if (read < 0x80) return value;
    }
    fail();
    return 0;
  }

  const char* at_;
  const char* end_;
  bool is_ok_ = true;
};

}  // namespace banyan::model
