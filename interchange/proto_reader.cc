// SPDX-License-Identifier: Apache-2.0
#include "interchange/proto_reader.h"

namespace banyan::interchange {
namespace {

enum WireType : std::uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

}  // namespace

bool ProtoReader::fail() {
  ok_ = false;
  input_ = {};
  return false;
}

bool ProtoReader::take_varint(std::uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 64 && !input_.empty(); shift += 7) {
    const auto byte = static_cast<std::uint8_t>(input_.front());
    input_.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7fU} << shift;
    if ((byte & 0x80) == 0) return true;
  }
  return fail();
}

bool ProtoReader::take_fixed(std::size_t size, std::uint64_t& value) {
  if (input_.size() < size) return fail();
  value = 0;
  for (std::size_t i = 0; i < size; ++i) {
    value |= std::uint64_t{static_cast<std::uint8_t>(input_[i])} << (8 * i);
  }
  input_.remove_prefix(size);
  return true;
}

bool ProtoReader::next(ProtoField& field) {
  if (input_.empty()) return false;
  std::uint64_t tag = 0;
  if (!take_varint(tag)) return false;
  field = ProtoField();
  if (tag >> 3 == 0 || tag >> 3 > 0x1fff'ffff) return fail();
  field.number = static_cast<std::uint32_t>(tag >> 3);
  switch (static_cast<std::uint32_t>(tag & 7)) {
    case kVarint: return take_varint(field.value);
    case kFixed64: return take_fixed(8, field.value);
    case kFixed32: return take_fixed(4, field.value);
    case kBytes: {
      std::uint64_t size = 0;
      if (!take_varint(size)) return false;
      if (size > input_.size()) return fail();
      field.is_bytes = true;
      field.bytes = input_.substr(0, size);
      input_.remove_prefix(size);
      return true;
    }
    default: return fail();  // groups went out of use before this format was made
  }
}

}  // namespace banyan::interchange
