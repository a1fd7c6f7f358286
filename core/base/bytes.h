// SPDX-License-Identifier: Apache-2.0
//
// Little-endian encoding for on-disk formats, and shared immutable bytes.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

namespace banyan {

// Bytes of an integer of this machine as they stand on disk, and back; a plain copy nearly
// anywhere.
template <typename T>
T little_endian(T value) {
  if constexpr (std::endian::native == std::endian::big) {
    T swapped = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      swapped = static_cast<T>(swapped << 8 | (value >> (8 * i) & 0xff));
    }
    return swapped;
  }
  return value;
}

// One immutable body with several readers. Copying is cheap. Any thread.
class SharedBytes {
 public:
  SharedBytes() = default;
  explicit SharedBytes(std::string bytes)
      : bytes_(std::make_shared<const std::string>(std::move(bytes))) {}
  std::string_view view() const { return bytes_ ? std::string_view(*bytes_) : std::string_view(); }
  std::size_t size() const { return view().size(); }
  bool empty() const { return view().empty(); }

 private:
  std::shared_ptr<const std::string> bytes_;
};

// A varint where it is to stand, and how many bytes that takes (at most kVarintBytesMax).
inline constexpr std::size_t kVarintBytesMax = 10;
constexpr std::size_t varint_bytes(std::uint64_t value) {
  std::size_t size = 1;
  for (; value >= 0x80; value >>= 7) ++size;
  return size;
}
[[gnu::always_inline]] inline char* put_varint(char* to, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) {
    *to++ = static_cast<char>(static_cast<std::uint8_t>(value) | 0x80);
  }
  *to++ = static_cast<char>(value);
  return to;
}

// Appends to a string it borrows. Integers are little-endian; varints are LEB128 (at most 10
// bytes).
class ByteWriter {
 public:
  explicit ByteWriter(std::string& out) : out_(out) {}

  void u8(std::uint8_t value) { out_.push_back(static_cast<char>(value)); }
  void u16(std::uint16_t value) { fixed(value); }
  void u32(std::uint32_t value) { fixed(value); }
  void u64(std::uint64_t value) { fixed(value); }
  void i64(std::int64_t value) { fixed(static_cast<std::uint64_t>(value)); }
  void varint(std::uint64_t value) {
    char buffer[kVarintBytesMax];
    out_.append(buffer, put_varint(buffer, value));
  }
  void raw(std::string_view bytes) { out_.append(bytes); }
  // varint length, then the bytes.
  void bytes(std::string_view value) {
    varint(value.size());
    raw(value);
  }
  std::size_t size() const { return out_.size(); }

 private:
  template <typename T>
  void fixed(T value) {
    value = little_endian(value);
    char buffer[sizeof(T)];
    std::memcpy(buffer, &value, sizeof(T));
    out_.append(buffer, sizeof(T));
  }
  std::string& out_;
};

// Reads what ByteWriter wrote. After the first failure every read answers zero or empty and ok() is
// false, so a decoder may check once at the end. Returned views live as long as the input.
class ByteReader {
 public:
  explicit ByteReader(std::string_view input) : input_(input) {}

  std::uint8_t u8() { return fixed<std::uint8_t>(); }
  std::uint16_t u16() { return fixed<std::uint16_t>(); }
  std::uint32_t u32() { return fixed<std::uint32_t>(); }
  std::uint64_t u64() { return fixed<std::uint64_t>(); }
  std::int64_t i64() { return static_cast<std::int64_t>(fixed<std::uint64_t>()); }
  std::uint64_t varint() {
    // Most are short lengths and small numbers.
    if (at_ < input_.size() && static_cast<std::uint8_t>(input_[at_]) < 0x80) {
      return static_cast<std::uint8_t>(input_[at_++]);
    }
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at_ >= input_.size()) return fail();
      const auto byte = static_cast<std::uint8_t>(input_[at_++]);
      if (shift == 63 && byte > 1) return fail();
      value |= std::uint64_t{byte & 0x7fU} << shift;
      if ((byte & 0x80) == 0) return value;
    }
    return fail();
  }
  std::string_view raw(std::uint64_t size) {
    if (size > remaining()) {
      fail();
      return {};
    }
    const auto view = input_.substr(at_, size);
    at_ += size;
    return view;
  }
  std::string_view bytes() { return raw(varint()); }

  bool ok() const { return ok_; }
  std::size_t remaining() const { return input_.size() - at_; }
  std::size_t consumed() const { return at_; }
  // Marks the input as malformed (for semantic checks of a decoder).
  std::uint64_t fail() {
    ok_ = false;
    at_ = input_.size();  // So that every later read fails as well.
    return 0;
  }

 private:
  template <typename T>
  T fixed() {
    if (sizeof(T) > remaining()) return static_cast<T>(fail());
    T value;
    std::memcpy(&value, input_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return little_endian(value);
  }

  std::string_view input_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

}  // namespace banyan
