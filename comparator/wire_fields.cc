// SPDX-License-Identifier: Apache-2.0
#include "comparator/wire_fields.h"

#include "core/base/bytes.h"

namespace banyan::comparator {
namespace {

constexpr unsigned kEndOfGroup = 4;

class FieldReader {
 public:
  explicit FieldReader(std::string_view message) : message_(message), reader_(message) {}

  bool is_at_end() const { return reader_.remaining() == 0; }
  std::size_t at() const { return reader_.consumed(); }

  // False where there is none.
  bool next(WireField& out) {
    out = WireField();
    if (!read_tag(out)) return false;
    if (out.wire == Wire::kGroup) return read_group(out);
    return read_content(out);
  }

 private:
  bool read_tag(WireField& out) {
    const std::uint64_t tag = reader_.varint();
    out.number = tag >> 3;
    out.wire = static_cast<Wire>(tag & 7);
    return reader_.ok() && out.number != 0 && out.number <= kWireNumberMax;
  }

  bool read_content(WireField& out) {
    switch (out.wire) {
      case Wire::kVarint: out.value = reader_.varint(); break;
      case Wire::kFixed64: out.value = reader_.u64(); break;
      case Wire::kFixed32: out.value = reader_.u32(); break;
      case Wire::kBytes: out.bytes = reader_.bytes(); break;
      default: return false;
    }
    return reader_.ok();
  }

  // Up to its end, whatever stands in it.
  bool read_group(WireField& out) {
    const std::size_t begin = reader_.consumed();
    std::vector<std::uint64_t> open = {out.number};
    WireField field;
    while (!open.empty()) {
      const std::size_t end = reader_.consumed();
      if (++group_fields_ > kWireGroupFieldsMax || !read_tag(field)) return false;
      if (field.wire == Wire::kGroup) {
        if (open.size() == kWireGroupDepthMax) return false;
        open.push_back(field.number);
      } else if (static_cast<unsigned>(field.wire) == kEndOfGroup) {
        if (field.number != open.back()) return false;
        open.pop_back();
        out.bytes = message_.substr(begin, end - begin);
      } else if (!read_content(field)) {
        return false;
      }
    }
    return true;
  }

  const std::string_view message_;
  ByteReader reader_;
  std::size_t group_fields_ = 0;
};

}  // namespace

std::optional<std::vector<WireField>> fields_of(std::string_view message, std::size_t* damaged_at) {
  std::vector<WireField> fields;
  FieldReader reader(message);
  while (!reader.is_at_end()) {
    const std::size_t at = reader.at();
    if (reader.next(fields.emplace_back())) continue;
    if (damaged_at != nullptr) *damaged_at = at;
    return std::nullopt;
  }
  return fields;
}

}  // namespace banyan::comparator
