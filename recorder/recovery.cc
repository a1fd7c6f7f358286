// SPDX-License-Identifier: Apache-2.0
#include "recorder/recovery.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/base/clock.h"
#include "core/obs/log.h"
#include "recorder/segment_reader.h"

namespace banyan::recorder {
namespace {

constexpr std::uint64_t kTailCopyBytesMax = 64ULL << 20;

Status make_quarantine(FileSystem& files, const std::string& stream_directory) {
  const std::string directory = stream_directory + "/quarantine";
  BANYAN_RETURN_IF_ERROR(files.make_directories(directory));
  const auto names = files.list(directory);
  if (!names.ok()) return names.error();
  // Names begin with offsets, so the first ones are the oldest.
  for (std::size_t i = 0; i + kQuarantineFilesMax <= names->size(); ++i) {
    BANYAN_RETURN_IF_ERROR(files.remove(directory + "/" + (*names)[i]));
  }
  return {};
}

// Keeps the bytes from `from` on aside, then cuts them off.
Status cut_tail(FileSystem& files, const std::string& stream_directory, const Segment& segment,
                Position from, std::uint64_t size) {
  auto file = files.open(segment.path(), FileSystem::Mode::kReadWriteExisting);
  if (!file.ok()) return file.error();
  std::string tail;
  BANYAN_RETURN_IF_ERROR(
      (*file)->read_at(from, std::min(size - from.value, kTailCopyBytesMax), tail));
  BANYAN_RETURN_IF_ERROR(make_quarantine(files, stream_directory));
  const std::string name = segment_name(segment.base());
  BANYAN_RETURN_IF_ERROR(files.write_file_atomically(
      stream_directory + "/quarantine/" + name + "-" + std::to_string(from.value) + ".tail", tail));
  BANYAN_RETURN_IF_ERROR((*file)->truncate(from.value));
  return (*file)->sync();
}

// Writes the bytes from `from` on once more, and syncs them. They may lie in memory alone because a
// sync of the process before us failed: the system takes them for clean since then, and a sync
// without new writes would answer yes and do nothing.
Status write_again(FileSystem& files, const std::string& path, Position from) {
  auto file = files.open(path, FileSystem::Mode::kReadWriteExisting);
  if (!file.ok()) return file.error();
  std::string bytes;
  while (true) {
    BANYAN_RETURN_IF_ERROR((*file)->read_at(from, kCopyStepBytes, bytes));
    if (bytes.empty()) return (*file)->sync();
    BANYAN_RETURN_IF_ERROR((*file)->write_at(from, bytes));
    from.value += bytes.size();
  }
}

struct Scan {
  SparseIndex index;
  Chain chain{};  // of the last batch
  std::uint64_t records = 0;
  std::uint64_t damaged_ranges = 0;
  Position durable;
  bool is_torn = false;
  Position torn_at;
};

// The largest durable position that a valid header of the file names. Payloads are not read: from
// header to header, except where the way is lost.
Result<Position> find_durable(const std::shared_ptr<const File>& file,
                              const SegmentHeader& header) {
  Position durable;
  Offset end = header.base;
  SegmentReader reader(file, header, nullptr);
  SegmentReader::Batch batch;
  while (true) {
    const auto found = reader.next(batch, SegmentReader::Check::kHeader);
    if (!found.ok()) return found.error();
    if (*found == SegmentReader::Found::kEnd) return durable;
    if (*found == SegmentReader::Found::kBad) {
      const auto goes_on = reader.resync(end);
      if (!goes_on.ok()) return goes_on.error();
      if (!*goes_on) return durable;
      continue;
    }
    durable = std::max(durable, batch.header.durable);
    end = batch.header.end();
  }
}

// What is durable was checked when it was synced, and is again by whoever reads it: of it only the
// headers are read, so that a start need not wait for a whole segment. Payloads are from `durable`
// on, where the end may be torn.
Result<SegmentReader::Found> next_batch(SegmentReader& reader, Position durable,
                                        std::uint64_t file_bytes, SegmentReader::Batch& out) {
  const Position at = reader.position();
  const auto found = reader.next(out, SegmentReader::Check::kHeader);
  if (!found.ok() || *found != SegmentReader::Found::kBatch) return found;
  if (out.end <= durable && out.end.value <= file_bytes) return found;
  reader.seek(at);
  return reader.next(out, SegmentReader::Check::kStored);
}

Result<Scan> scan_segment(const std::shared_ptr<const File>& file, std::uint64_t file_bytes,
                          const SegmentHeader& header) {
  struct Bad {
    Position at;
    Offset index_end;
    std::uint64_t records;
    SparseIndex index;
    Chain chain;
  };
  Scan scan;
  scan.index.end = header.base;
  // Of a segment that holds no batch yet the chain is that of what it follows.
  std::copy(header.chain.begin(), header.chain.end(), scan.chain.begin());
  std::vector<Bad> bad_places;
  const auto durable = find_durable(file, header);
  if (!durable.ok()) return durable.error();
  scan.durable = *durable;
  SegmentReader reader(file, header, nullptr);
  SegmentReader::Batch batch;
  while (true) {
    const auto found = next_batch(reader, scan.durable, file_bytes, batch);
    if (!found.ok()) return found.error();
    if (*found == SegmentReader::Found::kEnd) break;
    if (*found == SegmentReader::Found::kBad) {
      bad_places.push_back(
          Bad{reader.position(), scan.index.end, scan.records, scan.index, scan.chain});
      const auto goes_on = reader.resync(scan.index.end);
      if (!goes_on.ok()) return goes_on.error();
      if (!*goes_on) break;
      continue;
    }
    scan.index.add(batch.header, batch.position);
    scan.records += batch.header.record_count;
    scan.chain = batch.header.chain;
  }
  for (Bad& bad : bad_places) {
    if (bad.at < scan.durable) {
      ++scan.damaged_ranges;
      continue;
    }
    // The first bad place that was never durable: all behind it goes, by the prefix rule.
    scan.is_torn = true;
    scan.torn_at = bad.at;
    scan.records = bad.records;
    scan.index = std::move(bad.index);
    scan.chain = bad.chain;
    break;
  }
  return scan;
}

Status recover_last_segment(FileSystem& files, Catalog& catalog, Recovered& recovered) {
  const auto segment = catalog.segments().back();
  auto file = segment->open(files);
  if (!file.ok()) return file.error();
  const auto size = (*file)->size();
  if (!size.ok()) return size.error();
  auto scan = scan_segment(*file, *size, segment->header());
  if (!scan.ok()) return scan.error();
  if (scan->is_torn) {
    BANYAN_RETURN_IF_ERROR(cut_tail(files, catalog.directory(), *segment, scan->torn_at, *size));
    recovered.report.torn_tail_bytes = *size - scan->torn_at.value;
    segment->set_bytes(scan->torn_at.value);
  }
  // What is kept may so far lie in the page cache alone; the next segment will build on it.
  BANYAN_RETURN_IF_ERROR(write_again(files, segment->path(), scan->durable));
  recovered.report.records_kept = scan->records;
  recovered.report.damaged_ranges = scan->damaged_ranges;
  recovered.previous_end = scan->index.end;
  recovered.last_append_wall_ns = scan->index.last_append_wall_ns;
  recovered.chain = scan->chain;
  return {};
}

// A newest segment without a valid header and without data was being created when the process died:
// nothing in it was ever published. One with data, and older ones, stay where they are. True where
// the newest one that stays cannot be read.
Result<bool> set_aside_unborn_segment(FileSystem& files, const std::string& directory) {
  auto names = files.list(directory);
  if (!names.ok()) return names.error();
  std::erase_if(*names, [](const std::string& name) { return !parse_segment_name(name); });
  if (names->empty()) return false;
  const std::string path = directory + "/" + names->back();
  auto file = files.open(path, FileSystem::Mode::kReadOnly);
  if (!file.ok()) return file.error();
  std::string bytes;
  BANYAN_RETURN_IF_ERROR((*file)->read_at(Position{0}, kSegmentHeaderBytes, bytes));
  const auto header = decode_segment_header(bytes, path);
  if (header.ok() && !header->is_damaged) return false;
  if (!header.ok() && header.error().code == ErrorCode::kUnsupported) return header.error();
  const auto size = (*file)->size();
  if (!size.ok()) return size.error();
  if (*size > kSegmentHeaderBytes + kBatchHeaderBytes) {
    if (header.ok()) return false;
    obs::log_error("recorder", header.error().message);
    return true;
  }
  BANYAN_RETURN_IF_ERROR(quarantine_file(files, directory, path, names->back()));
  return false;
}

// meta is gone or damaged: what it said is read off the segments, with a wide jump of the
// numbering.
StreamMeta rebuild_meta(const Catalog& catalog) {
  StreamMeta meta = make_stream_meta();
  const auto segments = catalog.segments();
  if (segments.empty()) return meta;
  const SegmentHeader& last = segments.back()->header();
  meta.uuid = last.uuid;
  for (const auto& segment : segments) {
    meta.epoch = std::max(meta.epoch, segment->header().epoch);
  }
  meta.epoch.value += 1;  // The lost meta may have counted a start that left no segment.
  meta.reserved = Offset{last.base.value + 256 * kReserveStep};
  return meta;
}

}  // namespace

Status quarantine_file(FileSystem& files, const std::string& stream_directory,
                       const std::string& path, const std::string& name) {
  BANYAN_RETURN_IF_ERROR(make_quarantine(files, stream_directory));
  const std::string target = stream_directory + "/quarantine/" + name;
  BANYAN_RETURN_IF_ERROR(files.rename(path, files.exists(target) ? target + ".again" : target));
  return files.sync_directory(stream_directory);
}

Result<Recovered> recover_stream(FileSystem& files, Catalog& catalog) {
  const std::int64_t began = SystemClock::instance().mono_ns();
  Recovered recovered;
  auto meta = load_stream_meta(files, catalog.directory());
  if (!meta.ok() && meta.error().code == ErrorCode::kUnsupported) return meta.error();
  const bool is_new = !meta.ok() && meta.error().code == ErrorCode::kNotFound;
  if (!meta.ok() && !is_new && meta.error().code != ErrorCode::kDamaged) return meta.error();
  const auto is_newest_lost = set_aside_unborn_segment(files, catalog.directory());
  if (!is_newest_lost.ok()) return is_newest_lost.error();
  BANYAN_RETURN_IF_ERROR(catalog.refresh(files));
  const auto segments = catalog.segments();
  if (!meta.ok() && !(is_new && segments.empty())) {
    obs::log_warning("recorder", "rebuilding " + catalog.directory() +
                                     "/meta from the segments: " + meta.error().message);
  }
  for (const auto& segment : segments) {
    if (!segment->header().is_damaged) continue;
    obs::log_warning("recorder", "a part of the header of " + segment->path() +
                                     " is damaged, and nothing is lost: `banyan log repair` writes "
                                     "it anew while the server is stopped");
  }
  recovered.meta = meta.ok() ? *meta : rebuild_meta(catalog);
  if (!segments.empty() && segments.front()->header().uuid != recovered.meta.uuid) {
    return make_error(ErrorCode::kDamaged, ErrorOrigin::kDisk,
                      segments.front()->path() +
                          " belongs to another log than the meta file beside it; restore the files "
                          "that belong together, or use an empty data directory");
  }
  recovered.report.previous_epoch = recovered.meta.epoch;
  if (recovered.meta.is_clean) {
    recovered.previous_end = recovered.meta.end;
    recovered.next = recovered.meta.end;
    recovered.chain = recovered.meta.chain;
    if (!segments.empty()) segments.back()->set_end(recovered.meta.end);
    return recovered;
  }
  recovered.report.was_unclean = meta.ok() || !segments.empty();
  recovered.next = recovered.meta.reserved;
  if (!segments.empty()) {
    BANYAN_RETURN_IF_ERROR(recover_last_segment(files, catalog, recovered));
    recovered.next = std::max(recovered.next, recovered.previous_end);
    segments.back()->set_end(recovered.previous_end);
  }
  if (*is_newest_lost) {
    // What it held is not known; readers are told that all up to the new segment is missing.
    recovered.previous_end = recovered.next;
    ++recovered.report.damaged_ranges;
  }
  recovered.report.seconds_ms =
      static_cast<std::uint64_t>(SystemClock::instance().mono_ns() - began) / 1'000'000;
  return recovered;
}

}  // namespace banyan::recorder
