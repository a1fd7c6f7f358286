// SPDX-License-Identifier: Apache-2.0
//
// One cut of all lanes: batches of one append time, numbered in a row. Recorder thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "recorder/batch_buffer.h"
#include "recorder/format.h"
#include "recorder/lane.h"
#include "recorder/log_keys.h"
#include "recorder/options.h"
#include "recorder/tail.h"

namespace banyan::recorder {

// It is kept until it is durable, so that it can be written again elsewhere: the headers are
// stamped by each write.
class Cut {
 public:
  // How payloads are stored. `key` null: not encrypted.
  struct Storing {
    std::string uuid;  // of the log
    RecorderOptions::Compression compression = RecorderOptions::Compression::kNone;
    std::shared_ptr<const DataKey> key;
  };
  Cut(Offset base, std::int64_t append_wall_ns, Storing storing, BufferPool& pool);

  // Adds what a lane held: `lane` is its number, `last` the ticket of the last record. The buffer
  // is not written to any more but for its headers.
  void add(std::shared_ptr<BatchBuffer> buffer, std::uint16_t lane, std::uint64_t last);

  bool empty() const { return batches_.empty(); }
  Offset base() const { return base_; }
  Offset end() const { return end_; }
  std::uint64_t records() const { return end_.value - base_.value; }
  std::uint64_t bytes() const { return bytes_; }          // in the file
  std::uint64_t raw_bytes() const { return raw_bytes_; }  // of the payloads
  std::size_t batch_count() const { return batches_.size(); }

  // Indexes the records for readers. Beside a write as well: it touches nothing that one does.
  void index_records();
  // What was indexed, now if it was not. The first call gives them, later ones null.
  std::shared_ptr<const TailBatch> take_tail_batch();

  // The last tickets that this cut holds.
  std::vector<std::pair<std::shared_ptr<Lane>, std::uint64_t>> lane_ends;

 private:
  friend class SegmentWriter;
  struct Batch {
    BatchHeader header;
    std::size_t buffer = 0;  // of stored_, which holds it
    std::size_t place = 0;   // of the header in that buffer
    std::uint64_t at = 0;    // of the header in the cut
  };
  bool stores_as_is() const {
    return storing_.compression == RecorderOptions::Compression::kNone && storing_.key == nullptr;
  }
  void store(std::string_view payload, BatchHeader& header, BatchBuffer& stored) const;

  Offset base_;
  Offset end_;
  std::int64_t append_wall_ns_;
  Storing storing_;
  std::uint64_t seed_;
  BufferPool* pool_;
  std::vector<std::shared_ptr<BatchBuffer>> raw_;     // for readers
  std::vector<std::shared_ptr<BatchBuffer>> stored_;  // for the file; the same if stored as is
  std::shared_ptr<const TailBatch> indexed_;
  std::uint64_t bytes_ = 0;
  std::uint64_t raw_bytes_ = 0;
  std::vector<Batch> batches_;
};

}  // namespace banyan::recorder
