// SPDX-License-Identifier: Apache-2.0
//
// `log verify`: every byte of every stream, and how segments and batches follow each other.
#include <algorithm>
#include <utility>

#include "core/model/record_codec.h"
#include "recorder/catalog.h"
#include "recorder/meta.h"
#include "recorder/recorder.h"
#include "recorder/segment_reader.h"

namespace banyan::recorder {
namespace {

// A report that names more places helps nobody.
constexpr std::size_t kProblemsMax = 1000;

class Verifier {
 public:
  Verifier(FileSystem& files, const std::function<void(std::uint64_t, std::uint64_t)>& progress)
      : files_(files), progress_(progress) {}

  void count_total(const std::string& directory) {
    for (const std::string& path : segment_paths(directory)) total_ += size_of(path);
  }

  Status check_stream(const std::string& directory) {
    const auto paths = segment_paths(directory);
    previous_.reset();
    for (std::size_t i = 0; i < paths.size(); ++i) {
      BANYAN_RETURN_IF_ERROR(check_segment(paths[i], i + 1 < paths.size() ? paths[i + 1] : ""));
    }
    check_end(directory);
    return {};
  }

  VerifyReport take() { return std::move(report_); }

 private:
  struct Previous {
    Offset end;  // as its bytes say
    std::string uuid;
  };

  std::vector<std::string> segment_paths(const std::string& directory) {
    std::vector<std::string> paths;
    const auto names = files_.list(directory);
    if (!names.ok()) return paths;
    for (const std::string& name : *names) {
      if (parse_segment_name(name)) paths.push_back(directory + "/" + name);
    }
    return paths;
  }

  std::uint64_t size_of(const std::string& path) {
    const auto file = files_.open(path, FileSystem::Mode::kReadOnly);
    if (!file.ok()) return 0;
    const auto size = (*file)->size();
    return size.ok() ? *size : 0;
  }

  void problem(const std::string& path, Position at, Offset first, Offset end, std::string what) {
    if (report_.problems.size() >= kProblemsMax) return;
    report_.problems.push_back({path, at.value, first, end, std::move(what)});
  }

  Result<SegmentHeader> header_of(const std::string& path) {
    const auto file = files_.open(path, FileSystem::Mode::kReadOnly);
    if (!file.ok()) return file.error();
    std::string bytes;
    BANYAN_RETURN_IF_ERROR((*file)->read_at(Position{0}, kSegmentHeaderBytes, bytes));
    return decode_segment_header(bytes, path);
  }

  // A stream that was stopped in order says where it ends.
  void check_end(const std::string& directory) {
    const auto meta = load_stream_meta(files_, directory);
    if (!meta.ok() || !meta->is_clean) return;
    const Offset end = previous_ ? previous_->end : Offset{0};
    if (previous_ && end >= meta->end) return;
    problem(directory + "/meta", Position{0}, end, meta->end,
            "the last records before an orderly stop are missing");
  }

  Status check_segment(const std::string& path, const std::string& next_path) {
    ++report_.segments;
    const std::uint64_t size = size_of(path);
    const auto header = header_of(path);
    if (!header.ok()) {
      if (header.error().code == ErrorCode::kUnsupported) return header.error();
      problem(path, Position{0}, Offset{0}, Offset{0}, header.error().message);
      previous_.reset();
      advance(size);
      return {};
    }
    check_joint(path, *header);
    // A segment ends at the latest where the next one begins to be right.
    Offset end{kOpenEnd};
    if (!next_path.empty()) {
      const auto next = header_of(next_path);
      if (next.ok()) end = next->previous_end;
    }
    return check_batches(path, *header, end, size);
  }

  void check_joint(const std::string& path, const SegmentHeader& header) {
    const auto slash = path.rfind('/');
    if (segment_name(header.base) != path.substr(slash + 1)) {
      problem(path, Position{0}, header.base, header.base,
              "its name is not that of its first offset");
    }
    if (!previous_) return;
    if (previous_->uuid != header.uuid) {
      problem(path, Position{0}, header.base, header.base, "it belongs to another log");
    } else if (previous_->end < header.previous_end) {
      problem(path, Position{0}, previous_->end, header.previous_end,
              "records before this segment are missing");
    }
  }

  Status check_batches(const std::string& path, const SegmentHeader& header, Offset end,
                       std::uint64_t size) {
    auto opened = files_.open(path, FileSystem::Mode::kReadOnly);
    if (!opened.ok()) return opened.error();
    SegmentReader reader(std::shared_ptr<const File>(*std::move(opened)), header);
    SegmentReader::Batch batch;
    Offset expected = header.base;
    std::uint64_t previous_hash = 0;
    std::uint64_t told = 0;
    while (expected < end) {
      const Position at = reader.position();
      const auto found = reader.next(batch);
      if (!found.ok()) return found.error();
      if (*found == SegmentReader::Found::kEnd) break;
      if (*found == SegmentReader::Found::kBad) {
        const auto goes_on = reader.resync(expected);
        if (!goes_on.ok()) return goes_on.error();
        if (!*goes_on && end.value == kOpenEnd) {
          report_.torn_tail_bytes += size - std::min(size, at.value);
          break;
        }
        problem(path, at, expected, *goes_on ? expected : end, "bytes that are no valid batch");
        if (!*goes_on) break;
        previous_hash = 0;
        continue;
      }
      if (batch.header.base != expected ||
          (previous_hash != 0 && batch.header.previous_hash != previous_hash)) {
        problem(path, at, expected, batch.header.base, "a batch is missing or out of place");
      }
      check_records(path, batch);
      previous_hash = batch.header.hash;
      expected = batch.header.end();
      advance(batch.end.value - told);
      told = batch.end.value;
    }
    if (end.value != kOpenEnd && expected < end) {
      problem(path, reader.position(), expected, end, "it ends too early");
    }
    advance(size - std::min(size, told));
    previous_ = Previous{expected, header.uuid};
    return {};
  }

  void check_records(const std::string& path, const SegmentReader::Batch& batch) {
    ++report_.batches;
    PayloadReader payload(batch.payload);
    std::string_view record;
    Offset offset = batch.header.base;
    while (payload.next(record)) {
      ++report_.records;
      const auto decoded = model::decode(record);
      if (!decoded.ok())
        problem(path, batch.position, offset, offset.next(), decoded.error().message);
      offset = offset.next();
    }
    if (payload.is_damaged() || offset != batch.header.end()) {
      problem(path, batch.position, offset, batch.header.end(),
              "a batch does not hold as many records as it says");
    }
  }

  void advance(std::uint64_t bytes) {
    report_.bytes += bytes;
    if (progress_) progress_(report_.bytes, total_);
  }

  FileSystem& files_;
  const std::function<void(std::uint64_t, std::uint64_t)>& progress_;
  VerifyReport report_;
  std::uint64_t total_ = 0;
  std::optional<Previous> previous_;
};

}  // namespace

Result<VerifyReport> verify_log(FileSystem& files, const std::string& directory,
                                const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  if (const auto names = files.list(directory); !names.ok()) {
    return make_error(names.error().code, ErrorOrigin::kDisk,
                      "there is no log to verify: " + names.error().message);
  }
  Verifier verifier(files, progress);
  const auto streams = list_streams(files, directory);
  for (const std::string& stream : streams) verifier.count_total(directory + "/" + stream);
  for (const std::string& stream : streams) {
    BANYAN_RETURN_IF_ERROR(verifier.check_stream(directory + "/" + stream));
  }
  return verifier.take();
}

}  // namespace banyan::recorder
