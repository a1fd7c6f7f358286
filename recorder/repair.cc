// SPDX-License-Identifier: Apache-2.0
#include "recorder/repair.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "core/base/text.h"
#include "core/model/record_codec.h"
#include "recorder/catalog.h"
#include "recorder/cut.h"
#include "recorder/meta.h"
#include "recorder/recorder.h"
#include "recorder/salvage.h"
#include "recorder/segment_writer.h"

namespace banyan::recorder {
namespace {

constexpr std::size_t kCutBytesMax = 1U << 20;
// Each hole costs a file; a segment in more pieces is a task for a person.
constexpr std::size_t kHolesMax = 10'000;

// A segment file and what is known about it.
struct Known {
  std::string path;
  SegmentHeader header;
  bool has_header = false;   // a valid one; else it was guessed, or is made up
  bool has_batches = false;  // without a header: a batch told the uid
};

// Writes the runs of one segment into files of `directory`.
class PartWriter {
 public:
  PartWriter(FileSystem& files, std::string directory, std::shared_ptr<const LogKeys> keys,
             const SegmentHeader& like, Offset begin)
      : files_(files),
        directory_(std::move(directory)),
        keys_(std::move(keys)),
        like_(like),
        end_(begin),
        append_wall_ns_(like.created_wall_ns) {}

  Status take(const SalvagedRecord& record) {
    if (record.offset != end_) {
      BANYAN_RETURN_IF_ERROR(bridge(record.offset, record.append_wall_ns));
    } else if (writer_ == nullptr) {
      BANYAN_RETURN_IF_ERROR(begin_part(record.offset));
    }
    const bool is_new_cut = record.append_wall_ns != append_wall_ns_ ||
                            (buffer_ != nullptr && buffer_->bytes.size() >= kCutBytesMax);
    if (is_new_cut) BANYAN_RETURN_IF_ERROR(write_cut());
    append_wall_ns_ = record.append_wall_ns;
    add(record.encoded);
    return {};
  }

  // The names of the files, in order.
  Result<std::vector<std::string>> finish(Offset limit) {
    if (end_ != limit) BANYAN_RETURN_IF_ERROR(bridge(limit, append_wall_ns_));
    BANYAN_RETURN_IF_ERROR(end_part());
    return names_;
  }

 private:
  // The records of [end_, to) are gone: a new file, whose first record says so.
  Status bridge(Offset to, std::int64_t next_wall_ns) {
    BANYAN_RETURN_IF_ERROR(end_part());
    model::GapRecord gap;
    gap.first.wall_ns = append_wall_ns_;
    gap.last.wall_ns = next_wall_ns;
    gap.records_lost = to.value - end_.value;
    gap.cause = "damaged";
    std::string encoded;
    model::encode(gap, encoded);
    const Offset previous_end = end_;
    end_ = Offset{to.value - 1};
    BANYAN_RETURN_IF_ERROR(begin_part(previous_end));
    add(encoded);
    return write_cut();
  }

  Status begin_part(Offset previous_end) {
    SegmentHeader header = like_;
    header.version = kFormatVersion;
    header.is_damaged = false;
    header.key_id.clear();
    header.wrapped_key.clear();
    header.chain.clear();
    data_key_ = like_.is_encrypted() ? keys_->make_data_key(header) : nullptr;
    header.uid = random_u64();
    header.base = end_;
    // The first part follows what the segment followed.
    header.previous_end =
        names_.empty() ? std::min(like_.previous_end, previous_end) : previous_end;
    auto created = SegmentWriter::create(files_, directory_, header, keys_, kSegmentHeaderBytes);
    if (!created.ok()) return created.error();
    writer_ = *std::move(created);
    names_.push_back(segment_name(header.base));
    return {};
  }

  void add(std::string_view encoded) {
    if (buffer_ == nullptr) buffer_ = buffers_->take();
    buffer_->add(encoded);
    end_ = end_.next();
    ++waiting_;
  }

  Status write_cut() {
    if (buffer_ == nullptr) return {};
    Cut cut(Offset{end_.value - waiting_}, append_wall_ns_,
            {like_.uuid, RecorderOptions::Compression::kNone, data_key_}, *buffers_);
    cut.add(std::exchange(buffer_, nullptr), 0, 0);
    waiting_ = 0;
    return writer_->write(cut);
  }

  Status end_part() {
    if (writer_ == nullptr) return {};
    BANYAN_RETURN_IF_ERROR(write_cut());
    BANYAN_RETURN_IF_ERROR(writer_->sync());
    writer_->seal();
    writer_ = nullptr;
    return {};
  }

  FileSystem& files_;
  const std::string directory_;
  const std::shared_ptr<const LogKeys> keys_;
  const SegmentHeader like_;
  std::shared_ptr<const DataKey> data_key_;  // of the present part; null: not encrypted
  const std::shared_ptr<BufferPool> buffers_ = std::make_shared<BufferPool>();
  std::unique_ptr<SegmentWriter> writer_;
  std::shared_ptr<BatchBuffer> buffer_;
  std::uint64_t waiting_ = 0;  // records in buffer_
  Offset end_;                 // behind the last record
  std::int64_t append_wall_ns_;
  std::vector<std::string> names_;
};

class StreamRepair {
 public:
  StreamRepair(FileSystem& files, std::string directory, std::string stream,
               std::shared_ptr<const LogKeys> keys, bool is_dry_run,
               const std::set<std::string>& suspects, RepairReport& report)
      : files_(files),
        directory_(std::move(directory)),
        stream_(std::move(stream)),
        keys_(std::move(keys)),
        is_dry_run_(is_dry_run),
        suspects_(suspects),
        report_(report) {}

  Status run() {
    auto lock = files_.lock(directory_ + "/lock");
    if (!lock.ok()) return lock.error();
    const auto meta = load_stream_meta(files_, directory_);
    if (!meta.ok() && meta.error().code == ErrorCode::kUnsupported) return meta.error();
    if (!meta.ok()) {
      report_.left.push_back(meta.error().message +
                             "; the next start rebuilds it from the segments");
    }
    std::string uuid = meta.ok() ? meta->uuid : "";
    BANYAN_RETURN_IF_ERROR(find_segments(uuid));
    BANYAN_RETURN_IF_ERROR(guess_headers(uuid));
    for (std::size_t i = 0; i < segments_.size(); ++i) {
      const bool is_last = i + 1 == segments_.size();
      if (is_last && !(meta.ok() && meta->is_clean)) {
        if (!segments_[i].has_header) {
          report_.left.push_back(segments_[i].path +
                                 " is the newest and has no valid header; the next start sets it "
                                 "aside or names what is missing");
        }
        break;  // Its end is for a start to find, which cuts a torn tail and tells it from damage.
      }
      const Offset limit = is_last ? meta->end : segments_[i + 1].header.previous_end;
      BANYAN_RETURN_IF_ERROR(repair(segments_[i], limit, is_last ? nullptr : &segments_[i + 1]));
    }
    return {};
  }

 private:
  Status find_segments(std::string& uuid) {
    const auto names = files_.list(directory_);
    if (!names.ok()) return names.error();
    for (const std::string& name : *names) {
      const auto base = parse_segment_name(name);
      if (!base) continue;
      Known known;
      known.path = directory_ + "/" + name;
      auto file = files_.open(known.path, FileSystem::Mode::kReadOnly);
      if (!file.ok()) return file.error();
      std::string bytes;
      BANYAN_RETURN_IF_ERROR((*file)->read_at(Position{0}, kSegmentHeaderBytes, bytes));
      auto header = decode_segment_header(bytes, known.path);
      if (!header.ok() && header.error().code == ErrorCode::kUnsupported) return header.error();
      known.has_header = header.ok() && header->base == *base;
      if (known.has_header) {
        if (uuid.empty()) uuid = header->uuid;
        known.header = *std::move(header);
      } else {
        known.header.base = *base;
        known.header.previous_end = *base;
      }
      segments_.push_back(std::move(known));
    }
    return {};
  }

  Status guess_headers(const std::string& uuid) {
    for (std::size_t i = 0; i < segments_.size(); ++i) {
      Known& known = segments_[i];
      if (known.has_header) continue;
      auto file = files_.open(known.path, FileSystem::Mode::kReadOnly);
      if (!file.ok()) return file.error();
      auto guessed = guess_header(**file, uuid, known.header.base);
      if (!guessed.ok()) return guessed.error();
      known.has_batches = guessed->has_value();
      if (known.has_batches) known.header = **std::move(guessed);
      known.header.uuid = uuid;
      // What was open before it is not known better than this.
      known.header.epoch = i > 0 ? segments_[i - 1].header.epoch : Epoch{1};
      if (!known.has_batches && i > 0) {
        known.header.created_wall_ns = segments_[i - 1].header.created_wall_ns;
      }
    }
    return {};
  }

  // `limit` is where the segment ends; if the header of `next` is lost, at the latest.
  Status repair(const Known& known, Offset limit, Known* next) {
    auto opened = files_.open(known.path, FileSystem::Mode::kReadOnly);
    if (!opened.ok()) return opened.error();
    const std::shared_ptr<const File> file = *std::move(opened);
    auto found = examine(known, file, limit);
    if (!found.ok()) return found.error();
    if (next != nullptr && !next->has_header && found->ends_whole && !found->holes.empty() &&
        found->holes.back().second == limit) {
      // Whole up to its end: the numbering jumped, as far as anybody can tell.
      limit = found->holes.back().first;
      found->holes.pop_back();
      next->header.previous_end = limit;
    }
    const bool is_suspect =
        suspects_.contains(known.path) || !found->damaged.empty() || known.header.is_damaged;
    if (found->holes.empty() && known.has_header && !is_suspect) return {};
    tell(known, *found);
    if (found->holes.size() > kHolesMax) {
      report_.left.push_back(known.path + " has more than " + std::to_string(kHolesMax) +
                             " holes; it is left as it is, readers pass over them");
      return {};
    }
    RepairReport::Replaced replaced{known.path, "", found->records};
    if (!is_dry_run_) {
      auto parts = write_parts(known, file, limit);
      if (!parts.ok()) return parts.error();
      auto kept_as = install(known, *parts);
      if (!kept_as.ok()) return kept_as.error();
      replaced.kept_as = *std::move(kept_as);
    }
    report_.replaced.push_back(std::move(replaced));
    return {};
  }

  Result<Salvage> examine(const Known& known, const std::shared_ptr<const File>& file,
                          Offset limit) {
    if (known.has_header || known.has_batches) {
      const auto key = keys_->unwrap(known.header, known.path);
      if (!key.ok()) return key.error();
      return salvage_segment(file, known.header, *key, limit,
                             [](const SalvagedRecord&) { return Status(); });
    }
    const auto size = file->size();
    if (!size.ok()) return size.error();
    Salvage nothing;
    nothing.damaged.push_back({Position{0}, Position{*size}});
    if (known.header.base < limit) nothing.holes.emplace_back(known.header.base, limit);
    return nothing;
  }

  void tell(const Known& known, const Salvage& found) {
    if (!known.has_header || known.header.is_damaged) {
      report_.ranges.push_back({known.path, 0, kSegmentHeaderBytes});
    }
    for (const auto& range : found.damaged) {
      report_.ranges.push_back({known.path, range.begin.value, range.end.value});
    }
    for (const auto& [first, end] : found.holes) {
      report_.holes.push_back({stream_, first, end});
      report_.records_lost += end.value - first.value;
    }
  }

  // In a folder of their own, so that nobody takes them for the log before they are whole.
  Result<std::vector<std::string>> write_parts(const Known& known,
                                               const std::shared_ptr<const File>& file,
                                               Offset limit) {
    const std::string folder = directory_ + "/repair";
    BANYAN_RETURN_IF_ERROR(files_.make_directories(folder));
    const auto left_over = files_.list(folder);
    if (!left_over.ok()) return left_over.error();
    for (const std::string& name : *left_over) {
      BANYAN_RETURN_IF_ERROR(files_.remove(folder + "/" + name));
    }
    PartWriter writer(files_, folder, keys_, known.header, known.header.base);
    if (known.has_header || known.has_batches) {
      const auto key = keys_->unwrap(known.header, known.path);
      if (!key.ok()) return key.error();
      const auto done =
          salvage_segment(file, known.header, *key, limit,
                          [&writer](const SalvagedRecord& record) { return writer.take(record); });
      if (!done.ok()) return done.error();
    }
    return writer.finish(limit);
  }

  // Answers where the damaged file is kept.
  Result<std::string> install(const Known& known, const std::vector<std::string>& parts) {
    auto kept_as = keep_aside(known.path);
    if (!kept_as.ok()) return kept_as.error();
    const std::string folder = directory_ + "/repair/";
    bool is_replaced = false;
    for (std::size_t i = parts.size(); i > 0; --i) {
      const std::string path = directory_ + "/" + parts[i - 1];
      BANYAN_RETURN_IF_ERROR(files_.rename(folder + parts[i - 1], path));
      BANYAN_RETURN_IF_ERROR(files_.sync_directory(directory_));
      is_replaced = is_replaced || path == known.path;
    }
    if (!is_replaced) {
      BANYAN_RETURN_IF_ERROR(files_.remove(known.path));
      BANYAN_RETURN_IF_ERROR(files_.sync_directory(directory_));
    }
    return kept_as;
  }

  // A whole copy in damaged/, which nothing ever deletes but a person.
  Result<std::string> keep_aside(const std::string& path) {
    const std::string folder = directory_ + "/damaged";
    BANYAN_RETURN_IF_ERROR(files_.make_directories(folder));
    std::string target = folder + path.substr(path.rfind('/'));
    for (int i = 1; files_.exists(target); ++i) {
      target = folder + path.substr(path.rfind('/')) + "." + std::to_string(i);
    }
    const std::string temporary = folder + "/copy.tmp";
    if (files_.exists(temporary)) BANYAN_RETURN_IF_ERROR(files_.remove(temporary));
    const auto from = files_.open(path, FileSystem::Mode::kReadOnly);
    if (!from.ok()) return from.error();
    const auto to = files_.open(temporary, FileSystem::Mode::kCreateNew);
    if (!to.ok()) return to.error();
    std::string bytes;
    for (Position at;; at.value += bytes.size()) {
      BANYAN_RETURN_IF_ERROR((*from)->read_at(at, kCopyStepBytes, bytes));
      if (bytes.empty()) break;
      BANYAN_RETURN_IF_ERROR((*to)->write_at(at, bytes));
    }
    BANYAN_RETURN_IF_ERROR((*to)->sync());
    BANYAN_RETURN_IF_ERROR(files_.rename(temporary, target));
    BANYAN_RETURN_IF_ERROR(files_.sync_directory(folder));
    return target;
  }

  FileSystem& files_;
  const std::string directory_;
  const std::string stream_;
  const std::shared_ptr<const LogKeys> keys_;
  const bool is_dry_run_;
  const std::set<std::string>& suspects_;
  RepairReport& report_;
  std::vector<Known> segments_;
};

// Segments in whose bytes verify finds something wrong, be it that no record is lost by it.
Result<std::set<std::string>> find_suspects(FileSystem& files, const std::string& directory,
                                            const std::shared_ptr<const LogKeys>& keys) {
  VerifyOptions options;
  options.keys = keys;
  const auto verified = verify_log(files, directory, options);
  if (!verified.ok()) return verified.error();
  std::set<std::string> suspects;
  for (const auto& problem : verified->problems) {
    if (problem.position >= kSegmentHeaderBytes) suspects.insert(problem.file);
  }
  return suspects;
}

// The places of consumers are theirs: to guess one means to send copies again, or never.
void check_cursors(FileSystem& files, const std::string& directory, RepairReport& report) {
  const auto names = files.list(directory + "/cursors");
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    if (!is_consumer_name(name)) continue;
    const auto stored = load_cursor_file(files, directory, name);
    if (stored.ok()) continue;
    report.left.push_back(stored.error().message +
                          "; restore it from a copy, or remove it and the consumer begins anew");
  }
}

}  // namespace

Result<RepairReport> repair_log(FileSystem& files, const std::string& directory,
                                std::shared_ptr<const LogKeys> keys, bool is_dry_run) {
  if (const auto names = files.list(directory); !names.ok()) {
    return make_error(names.error().code, ErrorOrigin::kDisk,
                      "there is no log to repair: " + names.error().message);
  }
  const auto suspects = find_suspects(files, directory, keys);
  if (!suspects.ok()) return suspects.error();
  RepairReport report;
  for (const std::string& stream : list_streams(files, directory)) {
    StreamRepair repair(files, directory + "/" + stream, stream, keys, is_dry_run, *suspects,
                        report);
    BANYAN_RETURN_IF_ERROR(repair.run());
  }
  check_cursors(files, directory, report);
  return report;
}

}  // namespace banyan::recorder
