// SPDX-License-Identifier: Apache-2.0
#include "recorder/catalog.h"

#include <algorithm>
#include <utility>

#include "core/obs/log.h"

namespace banyan::recorder {
namespace {

// An exchange that was open at a time and ended so many segments later is found by its index only.
constexpr std::size_t kFootersAskedMax = 16;

// Hops over the headers from where `index` ends.
Status scan_headers(SegmentReader& reader, SparseIndex& index) {
  SegmentReader::Batch batch;
  while (true) {
    const auto found = reader.next(batch, SegmentReader::Check::kHeader);
    if (!found.ok()) return found.error();
    if (*found == SegmentReader::Found::kEnd) return {};
    if (*found == SegmentReader::Found::kBatch) {
      index.add(batch.header, batch.position);
      continue;
    }
    const auto goes_on = reader.resync(index.end);
    if (!goes_on.ok()) return goes_on.error();
    if (!*goes_on) return {};
  }
}

}  // namespace

Result<std::shared_ptr<const File>> Segment::open(FileSystem& files) {
  MutexLock lock(mutex_);
  if (auto file = file_.lock()) return file;
  auto opened = files.open(path_, FileSystem::Mode::kReadOnly);
  if (!opened.ok()) return opened.error();
  (void)(*opened)->go_direct();  // Readers that catch up leave the page cache to others.
  std::shared_ptr<const File> file = *std::move(opened);
  file_ = file;
  return file;
}

Result<std::shared_ptr<const DataKey>> Segment::data_key() {
  MutexLock lock(mutex_);
  if (data_key_ == nullptr && header_.is_encrypted()) {
    auto key = keys_->unwrap(header_, path_);
    if (!key.ok()) return key.error();
    data_key_ = *std::move(key);
  }
  return data_key_;
}

Result<std::unique_ptr<SegmentReader>> Segment::open_reader(FileSystem& files) {
  auto file = open(files);
  if (!file.ok()) return file.error();
  auto key = data_key();
  if (!key.ok()) return key.error();
  return std::make_unique<SegmentReader>(*std::move(file), header_, *std::move(key));
}

Result<SegmentFooter> Segment::footer(FileSystem& files) {
  const auto none = [this](const char* why) {
    return make_error(ErrorCode::kNotFound, ErrorOrigin::kDisk, path_ + " has no footer: " + why);
  };
  if (header_.version == 1) return none("its format is older than footers");
  auto file = open(files);
  if (!file.ok()) return file.error();
  const auto size = (*file)->size();
  if (!size.ok()) return size.error();
  if (*size < kSegmentHeaderBytes + kFooterPointerBytes) return none("it holds nothing");
  std::string bytes;
  BANYAN_RETURN_IF_ERROR(
      (*file)->read_at(Position{*size - kFooterPointerBytes}, kFooterPointerBytes, bytes));
  const auto position = decode_footer_pointer(bytes);
  if (!position || *position < Position{kSegmentHeaderBytes} || position->value >= *size) {
    return none("it was not sealed");
  }
  auto reader = open_reader(files);
  if (!reader.ok()) return reader.error();
  (*reader)->seek(*position);
  const auto payload = (*reader)->footer();
  if (!payload.ok()) return payload.error();
  return decode_footer(*payload);
}

void Segment::lend(std::shared_ptr<const File> file) {
  MutexLock lock(mutex_);
  file_ = file;
  has_index_ = true;
  is_written_here_ = true;
  index_.end = header_.base;
  notes_ = std::make_unique<SegmentNotes>();
  noted_ = header_.base;
}

void Segment::note_batch(const BatchHeader& header, Position position) {
  MutexLock lock(mutex_);
  index_.add(header, position);
  if (notes_ != nullptr) notes_->footer.index.add(header, position);
}

// What a failed segment held is written here without its records being looked at again: then there
// is a part that was not noted.
void Segment::note_records(const RecordRow& cut) {
  MutexLock lock(mutex_);
  if (noted_ != cut.base || notes_ == nullptr) return;
  for (const IndexedRecord& record : cut.records) {
    notes_->footer.add_record(noted_, record);
    noted_ = noted_.next();
  }
}

std::unique_ptr<SegmentNotes> Segment::take_notes() {
  MutexLock lock(mutex_);
  if (notes_ == nullptr || noted_ != notes_->footer.index.end) return nullptr;
  return std::move(notes_);
}

std::optional<std::vector<std::pair<Offset, Offset>>> Segment::find_noted(
    const model::LogKey& key) const {
  MutexLock lock(mutex_);
  if (notes_ == nullptr) return std::nullopt;
  auto ranges = notes_->footer.find(key);
  const Offset end = notes_->footer.index.end;
  if (noted_ < end) ranges.emplace_back(noted_, end);
  return ranges;
}

SparseIndex Segment::index_snapshot() const {
  MutexLock lock(mutex_);
  return index_;
}

Status Segment::load_index(FileSystem& files) {
  {
    MutexLock lock(mutex_);
    // A segment that may still grow elsewhere is scanned anew, from where the last scan ended.
    if (is_written_here_ || (has_index_ && end().value != kOpenEnd)) return {};
  }
  SparseIndex index;
  index.end = header_.base;
  bool is_loaded = false;
  if (end().value != kOpenEnd) {
    auto closed = footer(files);
    is_loaded = closed.ok();
    if (is_loaded) index = std::move(closed->index);
  }
  if (!is_loaded) {
    // Headers are not encrypted, so no key is needed.
    auto file = open(files);
    if (!file.ok()) return file.error();
    SegmentReader reader(*std::move(file), header_, nullptr);
    BANYAN_RETURN_IF_ERROR(scan_headers(reader, index));
  }
  MutexLock lock(mutex_);
  index_ = std::move(index);
  has_index_ = true;
  return {};
}

Result<SparseIndex> Segment::index(FileSystem& files) {
  BANYAN_RETURN_IF_ERROR(load_index(files));
  return index_snapshot();
}

Result<Position> Segment::position_of(FileSystem& files, Offset offset) {
  if (offset <= header_.base) return Position{kSegmentHeaderBytes};
  BANYAN_RETURN_IF_ERROR(load_index(files));
  MutexLock lock(mutex_);
  return index_.position_of(offset);
}

Status Catalog::refresh(FileSystem& files) {
  auto names = files.list(directory_);
  if (!names.ok()) return names.error();
  const auto known = segments();
  std::vector<std::shared_ptr<Segment>> fresh;
  for (const std::string& name : *names) {
    const auto base = parse_segment_name(name);
    if (!base) continue;
    const std::string path = directory_ + "/" + name;
    const auto held = std::find_if(known.begin(), known.end(),
                                   [&](const auto& segment) { return segment->path() == path; });
    if (held != known.end()) {
      fresh.push_back(*held);
      continue;
    }
    auto header = read_segment_header(files, path);
    if (!header.ok()) {
      // Damage is reported by recovery and verify, and retention may have been faster. But a disk
      // that fails now says nothing about what is in the segment.
      const ErrorCode code = header.error().code;
      if (code != ErrorCode::kDamaged && code != ErrorCode::kNotFound) return header.error();
      continue;
    }
    if (header->base != *base) continue;
    if (!fresh.empty() && header->uuid != fresh.front()->header().uuid) continue;
    fresh.push_back(std::make_shared<Segment>(path, *std::move(header), keys_));
    if (const auto file = files.open(path, FileSystem::Mode::kReadOnly); file.ok()) {
      if (const auto size = (*file)->size(); size.ok()) fresh.back()->set_bytes(*size);
    }
  }
  for (std::size_t i = 0; i + 1 < fresh.size(); ++i) {
    fresh[i]->set_end(fresh[i + 1]->header().previous_end);
  }
  MutexLock lock(mutex_);
  segments_ = std::move(fresh);
  return {};
}

void Catalog::add(std::shared_ptr<Segment> segment) {
  MutexLock lock(mutex_);
  segments_.push_back(std::move(segment));
}

void Catalog::remove(const Segment& segment) {
  MutexLock lock(mutex_);
  std::erase_if(segments_, [&](const auto& held) { return held.get() == &segment; });
}

std::vector<std::shared_ptr<Segment>> Catalog::segments() const {
  MutexLock lock(mutex_);
  return segments_;
}

Catalog::Place Catalog::locate(Offset offset) const {
  MutexLock lock(mutex_);
  Place place;
  place.offset = offset;
  if (segments_.empty()) return place;
  const auto after =
      std::upper_bound(segments_.begin(), segments_.end(), offset,
                       [](Offset wanted, const auto& segment) { return wanted < segment->base(); });
  if (after != segments_.begin() && offset < (*std::prev(after))->end()) {
    place.segment = *std::prev(after);
    return place;
  }
  if (after == segments_.end()) return place;  // Behind the end of a sealed last segment.
  // Between two segments, or before the first: a jump of the numbering, and perhaps a loss.
  place.segment = *after;
  place.offset = (*after)->base();
  place.has_hole = offset < (*after)->header().previous_end;
  place.hole_begin = offset;
  place.hole_cause = after == segments_.begin() ? "retention" : "damaged";
  return place;
}

void Catalog::set_live(Offset end, std::uint64_t tail_bytes_max) {
  is_live_ = true;
  tail_.set_bytes_max(tail_bytes_max);
  set_written(end);
  set_durable(end);
}

Offset Catalog::begin() const {
  MutexLock lock(mutex_);
  return segments_.empty() ? Offset{0} : segments_.front()->base();
}

Result<Offset> Catalog::end(FileSystem& files) const {
  if (is_live_) return fence(model::Fence::kWritten);
  const auto held = segments();
  if (held.empty()) return Offset{0};
  const auto index = held.back()->index(files);
  if (!index.ok()) return index.error();
  return index->end;
}

Result<Offset> Catalog::find_time(FileSystem& files, std::int64_t wall_ns) const {
  const auto held = segments();
  if (held.empty()) return Offset{0};
  // The last segment that began before; its predecessors hold nothing as late.
  auto segment = held.front();
  for (const auto& candidate : held) {
    if (candidate->header().created_wall_ns < wall_ns) segment = candidate;
  }
  const auto index = segment->index(files);
  if (!index.ok()) return index.error();
  return index->offset_before(wall_ns, segment->base());
}

Result<std::vector<model::LogSpan>> Catalog::find_key(FileSystem& files,
                                                      const model::LogKey& key) const {
  std::vector<model::LogSpan> spans;
  const auto add = [&](Offset first, Offset end) {
    if (!spans.empty() && spans.back().end >= first) {
      spans.back().end = end;
    } else {
      spans.push_back({stream_, first, end});
    }
  };
  for (const auto& segment : segments()) {
    if (const auto noted = segment->find_noted(key)) {
      for (const auto& [first, end] : *noted) add(first, end);
      continue;
    }
    const auto footer = segment->footer(files);
    if (!footer.ok()) {
      // A disk that fails says nothing about what is in the segment; else it is to be read whole.
      const ErrorCode code = footer.error().code;
      if (code != ErrorCode::kNotFound && code != ErrorCode::kDamaged) return footer.error();
      add(segment->base(), segment->end());
      continue;
    }
    for (const auto& [first, end] : footer->find(key)) add(first, end);
  }
  return spans;
}

std::int64_t Catalog::longest_exchange_ns(FileSystem& files, std::int64_t wall_ns) const {
  // What was open then ended then or later, so it is the footers from there on that know.
  std::int64_t longest = 0;
  std::size_t left = kFootersAskedMax;
  const auto held = segments();
  for (std::size_t i = 0; i < held.size() && left > 0; ++i) {
    const bool is_before = i + 1 < held.size() && held[i + 1]->header().created_wall_ns <= wall_ns;
    if (is_before) continue;
    --left;
    if (const auto footer = held[i]->footer(files); footer.ok()) {
      longest = std::max(longest, footer->longest_exchange_ns);
    }
  }
  return longest;
}

Result<Catalog::Oldest> Catalog::oldest(FileSystem& files) const {
  const auto held = segments();
  auto names = files.list(directory_);
  if (!names.ok()) return names.error();
  for (const std::string& name : *names) {
    const auto base = parse_segment_name(name);
    if (!base || (!held.empty() && *base >= held.front()->base())) continue;
    return make_error(ErrorCode::kDamaged, ErrorOrigin::kDisk,
                      directory_ + "/" + name +
                          " lies before the first record that can be read: its header is damaged, "
                          "or it could not be deleted");
  }
  if (held.empty()) {
    return make_error(ErrorCode::kNotFound, ErrorOrigin::kDisk, directory_ + " holds no segment");
  }
  Oldest oldest{held.front()->header().epoch, held.front()->header().created_wall_ns};
  for (const auto& segment : held) {
    oldest.epoch = std::min(oldest.epoch, segment->header().epoch);
    oldest.append_wall_ns = std::min(oldest.append_wall_ns, segment->header().created_wall_ns);
  }
  return oldest;
}

std::vector<std::string> list_streams(FileSystem& files, const std::string& log_directory) {
  std::vector<std::string> streams;
  auto names = files.list(log_directory);
  if (!names.ok()) return streams;
  for (std::string& name : *names) {
    if (!is_stream_name(name)) continue;
    const auto inside = files.list(log_directory + "/" + name);
    const bool has_segment =
        inside.ok() && std::any_of(inside->begin(), inside->end(), [](const std::string& file) {
          return parse_segment_name(file).has_value();
        });
    if (has_segment) streams.push_back(std::move(name));
  }
  return streams;
}

}  // namespace banyan::recorder
