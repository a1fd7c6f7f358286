// SPDX-License-Identifier: Apache-2.0
//
// What a sealed segment says of itself at its end, so that nobody has to read it to find a place in
// it: by offset, time, exchange and session. Derived from the records; believed only where it is
// whole and belongs to the segment.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/model/record_io.h"
#include "recorder/format.h"
#include "recorder/sparse_index.h"
#include "recorder/tail.h"

namespace banyan::recorder {

// Behind the footer's batch, at the very end of the file: where that batch begins, and a magic.
inline constexpr std::size_t kFooterPointerBytes = 16;
// A key index past this is left out: then every part of the segment may hold the key.
inline constexpr std::size_t kIndexedKeysMax = 1'000'000;
inline constexpr std::size_t kRareRecordsMax = 10'000;

// Which parts (entries of the sparse index) may hold records of a key. Keys are hashed to 32 bits,
// so a part may be named that holds none.
class KeyIndex {
 public:
  void add(std::uint64_t key_hash, std::uint32_t part);
  // Sorts, drops repetitions. Before encoding.
  void finish();
  // The parts, ascending; all of `parts` where the index was left out.
  std::vector<std::uint32_t> find(std::uint64_t key_hash, std::uint32_t parts) const;

  bool operator==(const KeyIndex&) const = default;

  void write(ByteWriter& writer) const;
  // False where it is malformed, or names a part that is not among `parts`.
  bool read(ByteReader& reader, std::uint64_t parts);

 private:
  void sort();

  bool is_left_out_ = false;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> pairs_;
};

struct SegmentFooter {
  SparseIndex index;
  std::array<std::uint64_t, 16> counts{};  // of records by type; 0: of no known type
  // Of the exchanges that ended here: the longest; and of those that began here the first.
  std::int64_t longest_exchange_ns = 0;
  std::int64_t first_started_wall_ns = 0;  // 0: none
  KeyIndex exchanges;
  KeyIndex sessions;
  // Offsets of ROUTE and GAP records, at most kRareRecordsMax of each, the first ones.
  std::vector<Offset> routes;
  std::vector<Offset> gaps;
  bool operator==(const SegmentFooter&) const = default;

  // Ranges [first, end) of offsets outside of which no record of the segment has that key.
  std::vector<std::pair<Offset, Offset>> find(const model::LogKey& key) const;

  // Notes one record; its batch stands in `index`.
  void add_record(Offset offset, const IndexedRecord& record);
  void finish();
};

// A segment's footer in the making, and where it goes.
struct SegmentNotes {
  SegmentFooter footer;         // not finished
  std::uint64_t last_hash = 0;  // of the last batch's header
  Position end;                 // behind that batch
};

std::uint64_t hash_of_exchange(ExchangeId exchange);
std::uint64_t hash_of_session(std::string_view token);

std::string encode(const SegmentFooter& footer);
// kDamaged where it is not exactly one well-formed footer.
Result<SegmentFooter> decode_footer(std::string_view bytes);

std::string encode_footer_pointer(Position footer);
// nullopt where the bytes are none.
std::optional<Position> decode_footer_pointer(std::string_view bytes);

}  // namespace banyan::recorder
