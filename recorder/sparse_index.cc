// SPDX-License-Identifier: Apache-2.0
#include "recorder/sparse_index.h"

#include <algorithm>

#include "core/base/bytes.h"
#include "core/base/hash.h"

namespace banyan::recorder {
namespace {

constexpr std::string_view kMagic = "BANYANIX";
constexpr std::size_t kEntryBytes = 24;

}  // namespace

void SparseIndex::add(const BatchHeader& header, Position position) {
  end = header.end();
  last_append_wall_ns = header.append_wall_ns;
  if (entries.empty() || position.value >= entries.back().position.value + kIndexStepBytes) {
    entries.push_back(IndexEntry{header.base, position, header.append_wall_ns});
  }
}

Position SparseIndex::position_of(Offset offset) const {
  const auto after =
      std::upper_bound(entries.begin(), entries.end(), offset,
                       [](Offset wanted, const IndexEntry& entry) { return wanted < entry.base; });
  return after == entries.begin() ? Position{kSegmentHeaderBytes} : std::prev(after)->position;
}

Offset SparseIndex::offset_before(std::int64_t wall_ns, Offset fallback) const {
  const auto after = std::partition_point(
      entries.begin(), entries.end(),
      [wall_ns](const IndexEntry& entry) { return entry.append_wall_ns < wall_ns; });
  return after == entries.begin() ? fallback : std::prev(after)->base;
}

std::string index_path_of(const std::string& segment_path) {
  return segment_path.substr(0, segment_path.size() - 4) + ".idx";
}

std::string encode(const SparseIndex& index, const SegmentHeader& header) {
  std::string out;
  ByteWriter writer(out);
  writer.raw(kMagic);
  writer.u16(kFormatVersion);
  writer.u64(header.uid);
  writer.u64(index.end.value);
  writer.i64(index.last_append_wall_ns);
  writer.u32(static_cast<std::uint32_t>(index.entries.size()));
  for (const IndexEntry& entry : index.entries) {
    writer.u64(entry.base.value);
    writer.u64(entry.position.value);
    writer.i64(entry.append_wall_ns);
  }
  writer.u64(xxh3_64(out, header.seed()));
  return out;
}

Result<SparseIndex> decode_index(std::string_view bytes, const SegmentHeader& header) {
  const auto wrong = [] {
    return make_error(ErrorCode::kDamaged, ErrorOrigin::kDisk,
                      "the index does not fit its segment");
  };
  if (bytes.size() < 8) return wrong();
  ByteReader tail(bytes.substr(bytes.size() - 8));
  if (tail.u64() != xxh3_64(bytes.substr(0, bytes.size() - 8), header.seed())) return wrong();
  ByteReader reader(bytes.substr(0, bytes.size() - 8));
  if (reader.raw(kMagic.size()) != kMagic || reader.u16() != kFormatVersion ||
      reader.u64() != header.uid) {
    return wrong();
  }
  SparseIndex index;
  index.end.value = reader.u64();
  index.last_append_wall_ns = reader.i64();
  const std::uint32_t count = reader.u32();
  if (std::uint64_t{count} * kEntryBytes != reader.remaining()) return wrong();
  index.entries.resize(count);
  for (IndexEntry& entry : index.entries) {
    entry.base.value = reader.u64();
    entry.position.value = reader.u64();
    entry.append_wall_ns = reader.i64();
  }
  const bool is_ordered =
      std::is_sorted(index.entries.begin(), index.entries.end(),
                     [](const IndexEntry& a, const IndexEntry& b) { return a.base < b.base; });
  if (!reader.ok() || !is_ordered) return wrong();
  return index;
}

}  // namespace banyan::recorder
