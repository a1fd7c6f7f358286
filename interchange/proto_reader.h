// SPDX-License-Identifier: Apache-2.0
//
// The wire form of Protocol Buffers, as far as the capture lines need it: fields one after the
// other. Unknown ones are for the caller to pass over. Views point into the input. Any thread.
#pragma once

#include <cstdint>
#include <string_view>

namespace banyan::interchange {

struct ProtoField {
  std::uint32_t number = 0;
  bool is_bytes = false;    // a string, bytes or message: `bytes`; else `value`
  std::uint64_t value = 0;  // varint, fixed32 or fixed64
  std::string_view bytes;
};

class ProtoReader {
 public:
  explicit ProtoReader(std::string_view input) : input_(input) {}

  // False at the end and behind what is malformed; ok() tells which.
  bool next(ProtoField& field);
  bool ok() const { return ok_; }

 private:
  bool take_varint(std::uint64_t& value);
  bool take_fixed(std::size_t size, std::uint64_t& value);
  bool fail();

  std::string_view input_;
  bool ok_ = true;
};

}  // namespace banyan::interchange
