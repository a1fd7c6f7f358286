// SPDX-License-Identifier: Apache-2.0
#include "comparator/wire_fields.h"

#include "core/base/bytes.h"

namespace banyan::comparator {

std::optional<std::vector<WireField>> fields_of(std::string_view message) {
  std::vector<WireField> fields;
  ByteReader reader(message);
  while (reader.ok() && reader.remaining() > 0) {
    WireField field;
    const std::uint64_t tag = reader.varint();
    field.number = tag >> 3;
    field.wire = static_cast<Wire>(tag & 7);
    if (field.number == 0 || field.number > kWireNumberMax) return std::nullopt;
    switch (field.wire) {
      case Wire::kVarint: field.value = reader.varint(); break;
      case Wire::kFixed64: field.value = reader.u64(); break;
      case Wire::kFixed32: field.value = reader.u32(); break;
      case Wire::kBytes: field.bytes = reader.bytes(); break;
      default: return std::nullopt;
    }
    fields.push_back(field);
  }
  if (!reader.ok()) return std::nullopt;
  return fields;
}

}  // namespace banyan::comparator
