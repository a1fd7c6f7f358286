// SPDX-License-Identifier: Apache-2.0
#include "recorder/segment_footer.h"

#include <algorithm>
#include <array>
#include <utility>
#include <variant>

#include "core/base/bytes.h"
#include "core/base/hash.h"
#include "core/model/record_codec.h"

namespace banyan::recorder {
namespace {

constexpr std::uint8_t kFooterVersion = 1;
constexpr std::string_view kPointerMagic = "BNYFOOT2";
constexpr std::uint64_t kEntriesMax = 1U << 20;

std::uint32_t short_hash(std::uint64_t hash) { return static_cast<std::uint32_t>(hash >> 32); }

// Of the entry that the offset belongs to; mostly the last one.
std::uint32_t part_of(const SparseIndex& index, Offset offset) {
  const auto& entries = index.entries;
  auto after = entries.end();
  if (offset < entries.back().base) {
    after = std::upper_bound(
        entries.begin(), entries.end(), offset,
        [](Offset wanted, const IndexEntry& entry) { return wanted < entry.base; });
  }
  return after == entries.begin() ? 0 : static_cast<std::uint32_t>(after - entries.begin() - 1);
}

// Numbers that grow are stored as their steps.
void write_steps(ByteWriter& writer, const std::vector<Offset>& offsets) {
  writer.varint(offsets.size());
  std::uint64_t last = 0;
  for (const Offset offset : offsets) {
    writer.varint(offset.value - last);
    last = offset.value;
  }
}

bool read_steps(ByteReader& reader, std::vector<Offset>& offsets) {
  const std::uint64_t count = reader.varint();
  if (count > kRareRecordsMax) return false;
  std::uint64_t last = 0;
  for (std::uint64_t i = 0; i < count && reader.ok(); ++i) {
    last += reader.varint();
    offsets.push_back(Offset{last});
  }
  return reader.ok();
}

void write_index(ByteWriter& writer, const SparseIndex& index) {
  writer.u64(index.end.value);
  writer.i64(index.last_append_wall_ns);
  writer.varint(index.entries.size());
  for (const IndexEntry& entry : index.entries) {
    writer.u64(entry.base.value);
    writer.u64(entry.position.value);
    writer.i64(entry.append_wall_ns);
  }
}

bool read_index(ByteReader& reader, SparseIndex& index) {
  index.end.value = reader.u64();
  index.last_append_wall_ns = reader.i64();
  const std::uint64_t count = reader.varint();
  if (count > kEntriesMax || count * 24 > reader.remaining()) return false;
  for (std::uint64_t i = 0; i < count; ++i) {
    IndexEntry entry;
    entry.base.value = reader.u64();
    entry.position.value = reader.u64();
    entry.append_wall_ns = reader.i64();
    const bool is_behind = index.entries.empty() || index.entries.back().base < entry.base;
    if (!is_behind || !(entry.base < index.end)) return false;
    index.entries.push_back(entry);
  }
  return reader.ok();
}

}  // namespace

void KeyIndex::add(std::uint64_t key_hash, std::uint32_t part) {
  if (is_left_out_) return;
  const auto pair = std::make_pair(short_hash(key_hash), part);
  if (!pairs_.empty() && pairs_.back() == pair) return;  // the parts of one body in a row
  if (pairs_.size() >= kIndexedKeysMax) {
    is_left_out_ = true;
    pairs_ = {};
    return;
  }
  pairs_.push_back(pair);
}

// By hash, then by part. Most come by part already, so they are sorted by the hash's digits, from
// the last to the first, each time keeping the order within one digit: a fifth of the work of
// comparing, for hundreds of thousands at the end of each segment.
void KeyIndex::sort() {
  constexpr unsigned kDigitBits = 11;
  constexpr std::size_t kDigits = std::size_t{1} << kDigitBits;
  const auto by_part = [](const auto& a, const auto& b) { return a.second < b.second; };
  if (pairs_.size() < kDigits || !std::is_sorted(pairs_.begin(), pairs_.end(), by_part)) {
    std::sort(pairs_.begin(), pairs_.end());
    return;
  }
  std::vector<std::pair<std::uint32_t, std::uint32_t>> other(pairs_.size());
  for (unsigned shift = 0; shift < 32; shift += kDigitBits) {
    std::array<std::uint32_t, kDigits> places{};
    const auto digit = [shift](std::uint32_t hash) { return hash >> shift & (kDigits - 1); };
    for (const auto& [hash, part] : pairs_) ++places[digit(hash)];
    std::uint32_t place = 0;
    for (std::uint32_t& count : places) place += std::exchange(count, place);
    for (const auto& pair : pairs_) other[places[digit(pair.first)]++] = pair;
    pairs_.swap(other);
  }
}

void KeyIndex::finish() {
  sort();
  pairs_.erase(std::unique(pairs_.begin(), pairs_.end()), pairs_.end());
}

std::vector<std::uint32_t> KeyIndex::find(std::uint64_t key_hash, std::uint32_t parts) const {
  std::vector<std::uint32_t> found;
  if (is_left_out_) {
    for (std::uint32_t part = 0; part < parts; ++part) found.push_back(part);
    return found;
  }
  // One pass, as it may not be sorted yet; reading it from a footer took longer.
  const std::uint32_t hash = short_hash(key_hash);
  for (const auto& [of, part] : pairs_) {
    if (of == hash && part < parts) found.push_back(part);
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

void KeyIndex::write(ByteWriter& writer) const {
  writer.u8(is_left_out_ ? 1 : 0);
  writer.varint(pairs_.size());
  std::uint32_t last = 0;
  for (const auto& [hash, part] : pairs_) {
    writer.varint(hash - last);
    writer.varint(part);
    last = hash;
  }
}

bool KeyIndex::read(ByteReader& reader, std::uint64_t parts) {
  is_left_out_ = reader.u8() != 0;
  const std::uint64_t count = reader.varint();
  if (count > kIndexedKeysMax || (is_left_out_ && count > 0)) return false;
  std::uint64_t hash = 0;
  for (std::uint64_t i = 0; i < count && reader.ok(); ++i) {
    hash += reader.varint();
    const std::uint64_t part = reader.varint();
    if (hash > 0xffffffff || part >= parts) return false;
    pairs_.emplace_back(static_cast<std::uint32_t>(hash), static_cast<std::uint32_t>(part));
  }
  return reader.ok() && std::is_sorted(pairs_.begin(), pairs_.end());
}

std::vector<std::pair<Offset, Offset>> SegmentFooter::find(const model::LogKey& key) const {
  using Kind = model::LogKey::Kind;
  std::vector<std::pair<Offset, Offset>> ranges;
  const auto& entries = index.entries;
  if (key.kind == Kind::kRoutes || key.kind == Kind::kGaps) {
    const auto& places = key.kind == Kind::kRoutes ? routes : gaps;
    for (const Offset place : places) ranges.emplace_back(place, place.next());
    // Past the bound only the first ones are known.
    if (places.size() >= kRareRecordsMax) ranges.emplace_back(places.back().next(), index.end);
    return ranges;
  }
  const bool is_session = key.kind == Kind::kSession;
  const std::uint64_t hash =
      is_session ? hash_of_session(key.session) : hash_of_exchange(key.exchange);
  const auto parts = static_cast<std::uint32_t>(entries.size());
  for (const std::uint32_t part : (is_session ? sessions : exchanges).find(hash, parts)) {
    ranges.emplace_back(entries[part].base, part + 1 < parts ? entries[part + 1].base : index.end);
  }
  return ranges;
}

void SegmentFooter::add_record(Offset offset, const IndexedRecord& record) {
  const std::string_view encoded = record.encoded;
  if (encoded.empty()) {
    ++counts[0];
    return;
  }
  ++counts[static_cast<std::size_t>(record.type) % counts.size()];
  const std::uint32_t part = part_of(index, offset);
  if (!record.exchange.is_null()) exchanges.add(hash_of_exchange(record.exchange), part);
  switch (record.type) {
    case model::RecordType::kRequest:
    case model::RecordType::kResponse: {
      model::RecordNote note;
      if (!model::note_of(record.type, encoded, note)) break;
      longest_exchange_ns = std::max(longest_exchange_ns, note.lasted_ns);
      if (record.type == model::RecordType::kResponse) break;
      if (!note.session.empty()) sessions.add(hash_of_session(note.session), part);
      if (first_started_wall_ns == 0 || note.started_wall_ns < first_started_wall_ns) {
        first_started_wall_ns = note.started_wall_ns;
      }
      break;
    }
    case model::RecordType::kRoute:
      if (routes.size() < kRareRecordsMax) routes.push_back(offset);
      break;
    case model::RecordType::kGap:
      if (gaps.size() < kRareRecordsMax) gaps.push_back(offset);
      break;
    default: break;
  }
}

void SegmentFooter::finish() {
  exchanges.finish();
  sessions.finish();
}

std::uint64_t hash_of_exchange(ExchangeId exchange) {
  const std::array<std::uint64_t, 2> words{little_endian(exchange.high),
                                           little_endian(exchange.low)};
  return xxh3_64(std::string_view(reinterpret_cast<const char*>(words.data()), sizeof words));
}

std::uint64_t hash_of_session(std::string_view token) { return xxh3_64(token); }

std::string encode(const SegmentFooter& footer) {
  std::string out;
  ByteWriter writer(out);
  writer.u8(kFooterVersion);
  write_index(writer, footer.index);
  for (const std::uint64_t count : footer.counts) writer.varint(count);
  writer.i64(footer.longest_exchange_ns);
  writer.i64(footer.first_started_wall_ns);
  footer.exchanges.write(writer);
  footer.sessions.write(writer);
  write_steps(writer, footer.routes);
  write_steps(writer, footer.gaps);
  return out;
}

Result<SegmentFooter> decode_footer(std::string_view bytes) {
  const Error damaged = make_error(ErrorCode::kDamaged, ErrorOrigin::kDisk,
                                   "the footer of a log segment is malformed");
  ByteReader reader(bytes);
  SegmentFooter footer;
  if (reader.u8() != kFooterVersion || !read_index(reader, footer.index)) return damaged;
  for (std::uint64_t& count : footer.counts) count = reader.varint();
  footer.longest_exchange_ns = reader.i64();
  footer.first_started_wall_ns = reader.i64();
  const std::uint64_t parts = footer.index.entries.size();
  if (!footer.exchanges.read(reader, parts) || !footer.sessions.read(reader, parts)) return damaged;
  if (!read_steps(reader, footer.routes) || !read_steps(reader, footer.gaps)) return damaged;
  if (!reader.ok() || reader.remaining() != 0) return damaged;
  return footer;
}

std::string encode_footer_pointer(Position footer) {
  std::string out;
  ByteWriter writer(out);
  writer.u64(footer.value);
  writer.raw(kPointerMagic);
  return out;
}

std::optional<Position> decode_footer_pointer(std::string_view bytes) {
  ByteReader reader(bytes);
  const Position position{reader.u64()};
  if (reader.raw(kPointerMagic.size()) != kPointerMagic || reader.remaining() != 0) {
    return std::nullopt;
  }
  return position;
}

}  // namespace banyan::recorder
