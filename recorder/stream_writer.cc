// SPDX-License-Identifier: Apache-2.0
#include "recorder/stream_writer.h"

#include <algorithm>
#include <utility>

#include "core/base/text.h"
#include "core/model/record_codec.h"
#include "core/obs/log.h"

namespace banyan::recorder {
namespace {

constexpr std::int64_t kRollAgeNsMax = 24LL * 3600 * 1'000'000'000;

}  // namespace

Status StreamWriter::start(const Recovered& recovered) {
  meta_ = recovered.meta;
  ++meta_.epoch.value;
  meta_.is_clean = false;
  meta_.end = Offset{0};
  next_ = recovered.next;
  meta_.reserved = Offset{next_.value + kReserveStep};
  chain_ = recovered.chain;
  BANYAN_RETURN_IF_ERROR(store_stream_meta(files_, catalog_->directory(), meta_));
  catalog_->set_live(next_, options_.tail_bytes_max);
  BANYAN_RETURN_IF_ERROR(clear_the_way(next_));
  auto sealed_before = catalog_->segments();
  BANYAN_RETURN_IF_ERROR(create_segment(next_, recovered.previous_end, false));
  std::vector<std::string> records{checkpoint_record()};
  if (recovered.report.was_unclean) {
    model::GapRecord gap;
    gap.first.wall_ns = recovered.last_append_wall_ns;
    gap.last = clock_.now();
    gap.cause = "unclean_stop";
    model::encode(gap, records.emplace_back());
  }
  auto status = append(cut_of(records));
  if (status.ok()) status = sync([](const Cut&) {});
  // A file whose sync failed must not be taken for whole by the next start.
  if (!status.ok()) {
    (void)files_.remove(writer_->segment()->path());
    return status;
  }
  tell_way();
  sealer_.start(std::move(sealed_before));
  return {};
}

void StreamWriter::tell_way() const {
  obs::log_info(
      "recorder",
      writer_->is_direct()
          ? "large writes to " + catalog_->directory() + " go around the page cache (direct I/O)"
          : "all writes to " + catalog_->directory() +
                " go through the page cache: its file system has no direct I/O");
}

std::string StreamWriter::checkpoint_record() const {
  model::CheckpointRecord checkpoint;
  checkpoint.at = clock_.now();
  checkpoint.epoch = meta_.epoch;
  checkpoint.routing_epoch = routing_epoch_.load(std::memory_order_relaxed);
  checkpoint.rules_version = rules_version_.load(std::memory_order_relaxed);
  checkpoint.version = BANYAN_VERSION;
  std::string encoded;
  model::encode(checkpoint, encoded);
  return encoded;
}

std::int64_t StreamWriter::append_time() {
  last_append_wall_ns_ = std::max(last_append_wall_ns_, clock_.wall_ns());
  return last_append_wall_ns_;
}

Cut StreamWriter::begin_cut() {
  return Cut(next_, append_time(), {meta_.uuid, options_.compression, data_key_}, *buffers_);
}

Cut StreamWriter::cut_of(const std::vector<std::string>& records) {
  auto buffer = buffers_->take();
  for (const std::string& record : records) buffer->add(record);
  Cut cut = begin_cut();
  cut.add(std::move(buffer), 0, 0);
  return cut;
}

// What replaces a failed segment holds the batches that were encrypted for that one, whatever was
// configured since.
void StreamWriter::set_keys(SegmentHeader& header, bool replaces) {
  if (!replaces) {
    keys_ = options_.keys;
    is_chaining_ = options_.chains;
    data_key_ = options_.encrypts ? keys_->make_data_key(header) : nullptr;
  } else if (data_key_ != nullptr) {
    keys_->wrap(*data_key_, header);
  }
  if (!is_chaining_) return;
  header.key_id = keys_->current_id();
  header.chain.assign(chain_.begin(), chain_.end());
}

bool StreamWriter::has_other_keys(const SegmentHeader& header) const {
  if (header.is_encrypted() != options_.encrypts || header.is_chained() != options_.chains) {
    return true;
  }
  return (options_.encrypts || options_.chains) && header.key_id != options_.keys->current_id();
}

Status StreamWriter::create_segment(Offset base, Offset previous_end, bool replaces) {
  SegmentHeader header;
  header.uuid = meta_.uuid;
  header.uid = random_u64();
  header.epoch = meta_.epoch;
  header.base = base;
  header.previous_end = previous_end;
  header.created_wall_ns = append_time();
  set_keys(header, replaces);
  auto created =
      SegmentWriter::create(files_, catalog_->directory(), header, keys_, options_.segment_bytes);
  if (!created.ok()) return created.error();
  if (writer_) writer_->segment()->set_end(base);
  writer_ = *std::move(created);
  is_direct_.store(writer_->is_direct(), std::memory_order_relaxed);
  catalog_->add(writer_->segment());
  return {};
}

bool StreamWriter::is_roll_due() const {
  const std::int64_t roll_age_ns = std::min(kRollAgeNsMax, options_.retention_age_ns / 2);
  const std::int64_t age_ns = clock_.wall_ns() - writer_->segment()->header().created_wall_ns;
  return writer_->bytes() >= options_.segment_bytes || age_ns >= roll_age_ns ||
         has_other_keys(writer_->segment()->header());
}

// The operator's log is kept elsewhere, so that the head there vouches for the files here.
void StreamWriter::tell_chain() const {
  if (!is_chaining_) return;
  obs::log_info("recorder", "the audit chain stands at " + catalog_->stream() + ":" +
                                std::to_string(next_.value) + ":" +
                                hex_of_bytes(std::string_view(chain_.data(), chain_.size())));
}

Status StreamWriter::roll() {
  CHECK(pending_.empty());  // So that a failure leaves only the new segment to try again.
  chain_ = writer_->durable_chain();
  tell_chain();
  writer_->seal();
  const auto sealed = writer_->segment();
  auto notes = writer_->take_notes();
  BANYAN_RETURN_IF_ERROR(create_segment(next_, next_, false));
  sealer_.add(sealed, std::move(notes));
  return append(cut_of({checkpoint_record()}));
}

Status StreamWriter::reserve_offsets(Offset end) {
  if (end.value + kReserveStep / 2 <= meta_.reserved.value) return {};
  StreamMeta ahead = meta_;
  ahead.reserved = Offset{end.value + kReserveStep};
  auto status = store_stream_meta(files_, catalog_->directory(), ahead);
  if (status.ok()) {
    meta_ = ahead;
  } else if (end <= meta_.reserved) {
    return {};  // There is room left; the next cut tries again.
  }
  return status;
}

void StreamWriter::hold(Cut cut) {
  next_ = cut.end();
  pending_bytes_ += cut.bytes();
  pending_.push_back(std::move(cut));
}

Status StreamWriter::write_pending(Cut& cut) {
  BANYAN_RETURN_IF_ERROR(reserve_offsets(cut.end()));
  BANYAN_RETURN_IF_ERROR(writer_->write(cut));
  batches_ += cut.batch_count();
  return {};
}

// The disk and this thread work side by side.
Status StreamWriter::write_large(Cut& cut) {
  Status status;
  side_thread_.start([&] { status = write_pending(cut); });
  cut.index_records();
  side_thread_.wait();
  return status;
}

void StreamWriter::give_to_tail(Cut& cut) {
  auto batch = cut.take_tail_batch();
  if (batch == nullptr) return;
  published_kinds_ = {};
  for (const KindSpan& span : batch->spans) published_kinds_ = published_kinds_ | span.kinds;
  writer_->segment()->note_records(*batch);
  catalog_->tail().add(std::move(batch));
}

Status StreamWriter::append(Cut cut) {
  hold(std::move(cut));
  Cut& held = pending_.back();
  BANYAN_RETURN_IF_ERROR(held.bytes() >= kLargeCutBytes ? write_large(held) : write_pending(held));
  give_to_tail(pending_.back());
  catalog_->set_written(next_);
  return {};
}

// The first `cuts` of what is pending became durable.
void StreamWriter::settle(std::size_t cuts, const OnDurable& on_durable) {
  if (cuts == 0) return;
  catalog_->set_durable(pending_[cuts - 1].end());
  for (; cuts > 0; --cuts) {
    on_durable(pending_.front());
    pending_bytes_ -= pending_.front().bytes();
    pending_.pop_front();
  }
  has_pending_checkpoint_ = false;
}

Status StreamWriter::sync(const OnDurable& on_durable) {
  CHECK(!is_syncing());
  if (pending_.empty()) return {};
  BANYAN_RETURN_IF_ERROR(writer_->sync());
  settle(pending_.size(), on_durable);
  return {};
}

void StreamWriter::begin_sync(std::function<void()> on_end) {
  CHECK(!is_syncing() && !pending_.empty());
  syncing_cuts_ = pending_.size();
  writer_->begin_sync();
  sync_thread_.start([this, file = writer_->file(), on_end = std::move(on_end)] {
    sync_status_ = file->sync();
    on_end();
  });
}

Status StreamWriter::end_sync(const OnDurable& on_durable) {
  if (!is_syncing()) return {};
  sync_thread_.wait();
  const std::size_t cuts = std::exchange(syncing_cuts_, 0);
  BANYAN_RETURN_IF_ERROR(std::exchange(sync_status_, {}));
  writer_->end_sync();
  settle(cuts, on_durable);
  return {};
}

// A file that already has the name of the segment to come holds nothing durable.
Status StreamWriter::clear_the_way(Offset base) {
  const std::string name = segment_name(base);
  const std::string path = catalog_->directory() + "/" + name;
  if (!files_.exists(path)) return {};
  if (quarantine_file(files_, catalog_->directory(), path, name + ".failed").ok()) return {};
  return files_.remove(path);
}

Status StreamWriter::fail_over(const OnDurable& on_durable) {
  // A sync that still runs in the segment that failed may save what it covers; if not, that is
  // written again with the rest.
  (void)end_sync(on_durable);
  const Offset base = pending_.empty() ? next_ : pending_.front().base();
  // Readers wait at what is durable until the rest stands in its new place.
  catalog_->set_written(base);
  if (writer_) {
    chain_ = writer_->durable_chain();
    const auto& suspect = writer_->segment();
    suspect->set_end(base);
    if (suspect->base() >= base) catalog_->remove(*suspect);
    writer_ = nullptr;
  }
  BANYAN_RETURN_IF_ERROR(clear_the_way(base));
  if (!has_pending_checkpoint_) {
    hold(cut_of({checkpoint_record()}));
    has_pending_checkpoint_ = true;
  }
  BANYAN_RETURN_IF_ERROR(create_segment(base, base, true));
  for (Cut& cut : pending_) BANYAN_RETURN_IF_ERROR(write_pending(cut));
  BANYAN_RETURN_IF_ERROR(writer_->sync());
  for (Cut& cut : pending_) give_to_tail(cut);  // Those that were not written before.
  catalog_->set_written(next_);
  settle(pending_.size(), on_durable);
  return {};
}

Status StreamWriter::finish() {
  CHECK(pending_.empty());
  chain_ = writer_->durable_chain();
  tell_chain();
  writer_->seal();
  writer_->segment()->set_end(next_);
  sealer_.add(writer_->segment(), writer_->take_notes());
  sealer_.stop();
  meta_.is_clean = true;
  meta_.end = next_;
  meta_.chain = chain_;
  return store_stream_meta(files_, catalog_->directory(), meta_);
}

}  // namespace banyan::recorder
