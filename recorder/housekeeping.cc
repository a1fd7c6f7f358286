// SPDX-License-Identifier: Apache-2.0
//
// The sequencer's slower duties: retention and figures.
#include <string>
#include <utility>
#include <vector>

#include "core/obs/log.h"
#include "recorder/retention.h"
#include "recorder/sequencer.h"

namespace banyan::recorder {

void Sequencer::apply_retention() {
  // What is being removed would still count as used. Whose disk removes more slowly than it is
  // written waits here, within the bound of the log.
  remover_.wait();
  RetentionInput input;
  input.segments = catalog_->segments();
  if (input.segments.size() < 2) return;
  input.now_wall_ns = clock_.wall_ns();
  input.pinned = cursors_.pinned(catalog_->stream());
  if (const auto space = files_.space(catalog_->directory()); space.ok()) input.space = *space;
  const std::size_t count = count_expired(input, options_);
  if (count == 0) return;
  std::vector<std::string> paths;
  for (std::size_t i = 0; i < count; ++i) {
    const Segment& oldest = *input.segments[i];
    {
      MutexLock lock(listener_mutex_);
      if (retention_listener_) retention_listener_(catalog_->stream(), oldest.base(), oldest.end());
    }
    // Readers look here before they open a file, so the entries go first.
    catalog_->tail().forget_before(oldest.end());
    catalog_->remove(oldest);
    paths.push_back(oldest.path());
  }
  remover_.start([this, paths = std::move(paths)] {
    for (const std::string& path : paths) remove_segment(path);
  });
}

// On the remover's thread.
void Sequencer::remove_segment(const std::string& path) {
  if (const auto status = files_.remove(path); !status.ok()) {
    obs::log_warning("recorder", status.error().message);
  }
  // Segments of format version 1 had their index beside them.
  (void)files_.remove(path.substr(0, path.size() - 4) + ".idx");
  MutexLock lock(stats_mutex_);
  ++stats_.segments_removed;
}

RecorderStats Sequencer::stats() const {
  RecorderStats copy;
  {
    MutexLock lock(stats_mutex_);
    copy = stats_;
  }
  copy.records_refused = refused_.load(std::memory_order_relaxed);
  copy.accepted = copy.records_appended + copy.records_refused;
  copy.written_offset = catalog_->fence(model::Fence::kWritten).value;
  copy.durable_offset = catalog_->fence(model::Fence::kDurable).value;
  copy.has_failed = has_failed();
  copy.is_direct = writer_.is_direct();
  const Tail::Stats tail = catalog_->tail().stats();
  copy.tail_bytes = tail.bytes;
  copy.tail_hits = tail.hits;
  copy.tail_misses = tail.misses;
  copy.readers_rested_ns = catalog_->rested_ns();
  const Sealer::Stats sealer = writer_.sealer_stats();
  copy.segments_sealed = sealer.sealed;
  copy.segments_unsealed = sealer.waiting + sealer.left_out;
  const auto segments = catalog_->segments();
  copy.segments = segments.size();
  for (const auto& segment : segments) copy.log_bytes += segment->bytes();
  if (!segments.empty()) {
    copy.oldest_append_wall_ns =
        static_cast<std::uint64_t>(segments.front()->header().created_wall_ns);
  }
  return copy;
}

}  // namespace banyan::recorder
