// SPDX-License-Identifier: Apache-2.0
//
// The archives a record's layout is written for: Packer appends it, into the room that Measurer
// found, and Unpacker reads it. Integers are little-endian, varints LEB128, as in
// core/base/bytes.h. For record_codec.cc alone.
#pragma once

#include <concepts>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/vector16.h"
#include "core/model/types.h"

namespace banyan::model {

constexpr bool is_skip_reason(SkipReason reason) {
  return reason <= SkipReason::kRouteOff ||
         (reason >= SkipReason::kQueueFull && reason <= SkipReason::kErased);
}

// Longer texts are not gathered but appended.
inline constexpr std::size_t kGatheredBytesMax = 4096;

// How much room a record may take, so that Packer need not look. Never too little, and a few bytes
// too much for each number.
class Measurer {
 public:
  Measurer() = default;
  Measurer(std::size_t gathered, std::size_t appended) : gathered_(gathered), appended_(appended) {}

  void number(std::uint64_t) { gathered_ += kVarintBytesMax; }
  void fixed64(std::uint64_t) { gathered_ += sizeof(std::uint64_t); }
  void time(std::int64_t) { gathered_ += sizeof(std::int64_t); }
  void text(std::string_view value) {
    gathered_ += kVarintBytesMax;
    (value.size() > kGatheredBytesMax ? appended_ : gathered_) += value.size();
  }
  void flag(bool) { ++gathered_; }
  template <typename Enum>
  void choice(Enum, Enum) {
    ++gathered_;
  }
  void reason(SkipReason) { ++gathered_; }
  template <typename T, typename Each>
  void list(const std::vector<T>& items, Each each) {
    number(items.size());
    for (const T& item : items) each(*this, item);
  }

  std::size_t gathered() const { return gathered_; }
  std::size_t appended() const { return appended_; }

 private:
  std::size_t gathered_ = 0;
  std::size_t appended_ = 0;
};

// Writes in place into room that was made for the whole record.
class Packer {
 public:
  // `room` is what the same layout measured.
  Packer(std::string& out, const Measurer& room) : out_(out) {
    const std::size_t before = out.size();
    if (room.appended() > 0) out.reserve(before + room.gathered() + room.appended());
    out.resize(before + room.gathered());
    at_ = out.data() + before;
  }
  ~Packer() { out_.resize(static_cast<std::size_t>(at_ - out_.data())); }
  Packer(const Packer&) = delete;
  Packer& operator=(const Packer&) = delete;

  [[gnu::always_inline]] void number(std::uint64_t value) { at_ = put_varint(at_, value); }
  void fixed64(std::uint64_t value) {
    value = little_endian(value);
    std::memcpy(at_, &value, sizeof(value));
    at_ += sizeof(value);
  }
  void time(std::int64_t value) { fixed64(static_cast<std::uint64_t>(value)); }
  [[gnu::always_inline]] void text(std::string_view value) {
    number(value.size());
    if (value.size() > kGatheredBytesMax) return append(value);
    copy_short(at_, value.data(), value.size());
    at_ += value.size();
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
  void byte(std::uint8_t value) { *at_++ = static_cast<char>(value); }

 private:
  // The rest of the room moves behind it.
  void append(std::string_view value) {
    const auto used = static_cast<std::size_t>(at_ - out_.data());
    const std::size_t rest = out_.size() - used;
    out_.resize(used);
    out_.append(value);
    out_.resize(used + value.size() + rest);
    at_ = out_.data() + used + value.size();
  }

  std::string& out_;
  char* at_ = nullptr;
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
  void skip_text() {
    const std::uint64_t size = varint();
    if (size > remaining()) return fail();
    at_ += size;
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

  // A value that no writer writes.
  void reject() { fail(); }
  bool is_ok() const { return is_ok_; }
  std::string_view rest() const { return std::string_view(at_, remaining()); }
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
  [[gnu::always_inline]] std::uint64_t varint() {
    if (at_ != end_ && static_cast<std::uint8_t>(*at_) < 0x80) {
      return static_cast<std::uint8_t>(*at_++);
    }
    return long_varint();
  }
  [[gnu::noinline]] std::uint64_t long_varint() {
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

// A number of a record, and one that came with a later version: bit 16 of the first says that it
// follows, so that older records are read, and those without it (0) stay as short.
template <typename Archive, typename First, typename Later>
void layout_with_later(Archive& a, First& first, Later& later) {
  constexpr std::uint64_t kFollows = 1ULL << 16;
  if constexpr (std::same_as<Archive, Unpacker>) {
    std::uint64_t read = 0;
    a.number(read);
    first = static_cast<std::uint16_t>(read);
    later = 0;
    if (read < kFollows) return;
    a.number(later);
    if (read >= 2 * kFollows || later == 0) a.reject();
  } else {
    a.number(first | (later != 0 ? kFollows : 0));
    if (later != 0) a.number(later);
  }
}

}  // namespace banyan::model
