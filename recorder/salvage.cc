// SPDX-License-Identifier: Apache-2.0
#include "recorder/salvage.h"

#include <algorithm>

#include "core/model/record_codec.h"
#include "recorder/segment_reader.h"

namespace banyan::recorder {
namespace {

// Where the header is lost, the first valid batch is looked for so far: more than one batch of the
// usual size.
constexpr std::uint64_t kGuessBytesMax = 4U << 20;

class Salvager {
 public:
  Salvager(const SegmentHeader& header, Offset limit,
           const std::function<Status(const SalvagedRecord&)>& take)
      : expected_(header.base), limit_(limit), take_(take) {}

  Status take_batch(const SegmentReader::Batch& batch) {
    PayloadReader payload(batch.payload);
    std::string_view record;
    Offset offset = batch.header.base;
    for (; offset < batch.header.end() && payload.next(record); offset = offset.next()) {
      // One that is none costs its own offset only.
      if (offset < expected_ || offset >= limit_ || !model::decode(record).ok()) continue;
      note_hole(offset);
      expected_ = offset.next();
      ++salvage_.records;
      BANYAN_RETURN_IF_ERROR(take_({offset, batch.header.append_wall_ns, record}));
    }
    return {};
  }

  void note_damage(Position begin, Position end) {
    if (begin < end) salvage_.damaged.push_back({begin, end});
  }

  bool is_over() const { return expected_ >= limit_; }
  Offset expected() const { return expected_; }
  void note_whole_end() { salvage_.ends_whole = true; }
  Salvage finish() {
    note_hole(limit_);
    return std::move(salvage_);
  }

 private:
  void note_hole(Offset end) {
    if (expected_ < end) salvage_.holes.emplace_back(expected_, end);
  }

  Offset expected_;
  const Offset limit_;
  const std::function<Status(const SalvagedRecord&)>& take_;
  Salvage salvage_;
};

}  // namespace

Result<Salvage> salvage_segment(const std::shared_ptr<const File>& file,
                                const SegmentHeader& header,
                                const std::shared_ptr<const DataKey>& key, Offset limit,
                                const std::function<Status(const SalvagedRecord&)>& take) {
  const auto size = file->size();
  if (!size.ok()) return size.error();
  Salvager salvager(header, limit, take);
  SegmentReader reader(file, header, key);
  SegmentReader::Batch batch;
  while (!salvager.is_over()) {
    const Position at = reader.position();
    const auto found = reader.next(batch);
    if (!found.ok()) return found.error();
    if (*found == SegmentReader::Found::kBatch) {
      if (batch.header.base >= limit) break;  // Superseded by the next segment.
      BANYAN_RETURN_IF_ERROR(salvager.take_batch(batch));
      continue;
    }
    if (*found == SegmentReader::Found::kEnd) {
      salvager.note_whole_end();
      break;
    }
    const auto goes_on = reader.resync(salvager.expected());
    if (!goes_on.ok()) return goes_on.error();
    salvager.note_damage(at, *goes_on ? reader.position() : Position{*size});
    if (!*goes_on) break;
  }
  return salvager.finish();
}

Result<std::optional<SegmentHeader>> guess_header(const File& file, const std::string& uuid,
                                                  Offset base) {
  SegmentHeader header;
  header.uuid = uuid;
  header.base = base;
  header.previous_end = base;
  std::string bytes;
  BANYAN_RETURN_IF_ERROR(file.read_at(Position{kSegmentHeaderBytes}, kGuessBytesMax, bytes));
  for (std::size_t at = 0; at < bytes.size(); at += kBatchAlignment) {
    const std::string_view rest = std::string_view(bytes).substr(at);
    if (!rest.starts_with("BN")) continue;
    for (header.version = kFormatVersion; header.version > 0; --header.version) {
      const auto batch = decode_batch_header(rest, header.seed(), header.version);
      if (!batch || batch->base < base || batch->is_encrypted || batch->is_footer) continue;
      header.uid = batch->segment_uid;
      header.created_wall_ns = batch->append_wall_ns;
      return std::optional<SegmentHeader>(std::move(header));
    }
  }
  return std::optional<SegmentHeader>();
}

}  // namespace banyan::recorder
