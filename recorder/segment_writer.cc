// SPDX-License-Identifier: Apache-2.0
#include "recorder/segment_writer.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

namespace banyan::recorder {

SegmentWriter::SegmentWriter(std::shared_ptr<File> file, std::shared_ptr<Segment> segment,
                             std::shared_ptr<const crypto::KeyedHash> chain_key, bool is_direct,
                             std::uint64_t reserved_bytes)
    : file_(std::move(file)),
      segment_(std::move(segment)),
      seed_(segment_->header().seed()),
      chain_key_(std::move(chain_key)),
      is_direct_(is_direct),
      reserved_bytes_(reserved_bytes) {
  const std::string& before = segment_->header().chain;
  std::copy(before.begin(), before.end(), chain_.begin());
  durable_chain_ = chain_;
}

Result<std::unique_ptr<SegmentWriter>> SegmentWriter::create(FileSystem& files,
                                                             const std::string& stream_directory,
                                                             SegmentHeader header,
                                                             std::shared_ptr<const LogKeys> keys,
                                                             std::uint64_t reserve_bytes) {
  const std::string path = stream_directory + "/" + segment_name(header.base);
  auto chain_key = keys->chain_key(header, path);
  if (!chain_key.ok()) return chain_key.error();
  auto opened = files.open(path, FileSystem::Mode::kCreateNew);
  if (!opened.ok()) return opened.error();
  const std::shared_ptr<File> file = *std::move(opened);
  // Behind a failure nothing was published, so the file may go at once; its name is needed again.
  const auto undo = [&](Error error) {
    (void)files.remove(path);
    return error;
  };
  if (auto status = file->reserve(reserve_bytes); !status.ok()) return undo(status.error());
  if (auto status = file->write_at(Position{0}, encode(header)); !status.ok()) {
    return undo(status.error());
  }
  // Durable before the first batch: a header that is not valid in front of batches is damage then,
  // and never just a power cut that took one sector of what nobody had synced.
  if (auto status = file->sync(); !status.ok()) return undo(status.error());
  if (auto status = files.sync_directory(stream_directory); !status.ok()) {
    return undo(status.error());
  }
  const bool is_direct = file->go_direct();
  auto segment = std::make_shared<Segment>(path, std::move(header), std::move(keys));
  segment->lend(file);
  segment->set_bytes(kSegmentHeaderBytes);
  return std::unique_ptr<SegmentWriter>(
      new SegmentWriter(file, std::move(segment), *std::move(chain_key), is_direct, reserve_bytes));
}

void SegmentWriter::stamp(Cut& cut) {
  for (Cut::Batch& batch : cut.batches_) {
    BatchBuffer& buffer = *cut.stored_[batch.buffer];
    char* const place = buffer.bytes.data() + batch.place;
    batch.header.segment_uid = segment_->header().uid;
    batch.header.durable = durable_;
    batch.header.previous_hash = previous_hash_;
    batch.header.is_chained = chain_key_ != nullptr;
    if (chain_key_ != nullptr) {
      const std::string_view stored(place + kBatchHeaderBytes, batch.header.stored_bytes);
      chain_ = next_chain(*chain_key_, chain_, batch.header, stored);
      batch.header.chain = chain_;
    }
    encode_batch_header(batch.header, seed_, place);
    previous_hash_ = batch.header.hash;
  }
}

Status SegmentWriter::write(Cut& cut) {
  stamp(cut);
  std::vector<std::string_view> pieces;
  for (const auto& buffer : cut.stored_) pieces.push_back(buffer->bytes);
  BANYAN_RETURN_IF_ERROR(file_->write_pieces_at(at_, pieces));
  for (const Cut::Batch& batch : cut.batches_) {
    segment_->note_batch(batch.header, Position{at_.value + batch.at});
  }
  at_.value += cut.bytes();
  segment_->set_bytes(at_.value);
  return {};
}

std::unique_ptr<SegmentNotes> SegmentWriter::take_notes() {
  auto notes = segment_->take_notes();
  if (notes == nullptr) return nullptr;
  notes->last_hash = previous_hash_;
  notes->end = at_;
  return notes;
}

Status SegmentWriter::sync() {
  begin_sync();
  BANYAN_RETURN_IF_ERROR(file_->sync());
  end_sync();
  return {};
}

void SegmentWriter::begin_sync() {
  syncing_ = at_;
  syncing_chain_ = chain_;
}

void SegmentWriter::end_sync() {
  durable_ = syncing_;
  durable_chain_ = syncing_chain_;
  forget_cached();
}

// Readers near the end take the tail in memory; without this the log would push what other programs
// of the machine need out of the page cache, and each of its pages would be a new one.
void SegmentWriter::forget_cached() {
  if (durable_.value < forgotten_.value + 2 * kCachedBytes) return;
  const Position end{durable_.value - kCachedBytes};
  file_->forget_cached(forgotten_, end);
  forgotten_ = end;
}

// It only saves space: a failure changes nothing for anybody. Where nothing is to be saved it would
// only hold up what comes next.
void SegmentWriter::seal() {
  if (at_.value < reserved_bytes_) (void)file_->truncate(at_.value);
}

}  // namespace banyan::recorder
