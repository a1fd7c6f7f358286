// SPDX-License-Identifier: Apache-2.0
//
// `log verify`: every byte of every stream, how segments and batches follow each other, and that
// the chain of those that are chained holds.
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
  Verifier(FileSystem& files, const VerifyOptions& options) : files_(files), options_(options) {}

  void count_total(const std::string& directory) {
    for (const std::string& path : segment_paths(directory)) total_ += size_of(path);
  }

  Status check_stream(const std::string& directory, const std::string& stream) {
    const auto paths = segment_paths(directory);
    stream_ = stream;
    previous_.reset();
    chain_.reset();
    for (std::size_t i = 0; i < paths.size(); ++i) {
      BANYAN_RETURN_IF_ERROR(check_segment(paths[i], i + 1 < paths.size() ? paths[i + 1] : ""));
    }
    check_end(directory);
    if (chain_ && previous_) {
      report_.heads.push_back(
          {stream, previous_->end, std::string(chain_->begin(), chain_->end())});
    }
    check_anchor(directory);
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
    const auto header = read_segment_header(files_, path);
    if (!header.ok()) {
      if (header.error().code == ErrorCode::kUnsupported) return header.error();
      problem(path, Position{0}, Offset{0}, Offset{0}, header.error().message);
      previous_.reset();
      chain_.reset();
      advance(size);
      return {};
    }
    if (header->is_damaged) {
      problem(path, Position{0}, header->base, header->base,
              "a part of its header is damaged; what it says stands there twice");
    }
    check_joint(path, *header);
    begin_chain(path, *header);
    // A segment ends at the latest where the next one begins to be right.
    Offset end{kOpenEnd};
    if (!next_path.empty()) {
      const auto next = read_segment_header(files_, next_path);
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
    auto segment = std::make_shared<Segment>(path, header, options_.keys);
    auto key = segment->data_key();
    if (!key.ok() && key.error().code != ErrorCode::kPermissionDenied) {
      problem(path, Position{0}, header.base, end, key.error().message);
      return {};
    }
    // Without its key the checksums of what is encrypted are all that can be told.
    const auto check = key.ok() ? SegmentReader::Check::kAll : SegmentReader::Check::kStored;
    auto opened = segment->open(files_);
    if (!opened.ok()) return opened.error();
    SegmentReader reader(*opened, header, key.ok() ? *key : nullptr);
    SegmentReader::Batch batch;
    Offset expected = header.base;
    std::uint64_t previous_hash = 0;
    std::uint64_t told = 0;
    while (expected < end) {
      const Position at = reader.position();
      const auto found = reader.next(batch, check);
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
        chain_.reset();
        continue;
      }
      if (batch.header.base != expected ||
          (previous_hash != 0 && batch.header.previous_hash != previous_hash)) {
        problem(path, at, expected, batch.header.base, "a batch is missing or out of place");
      }
      if (batch.header.base >= end) break;  // Superseded by the next segment.
      check_chain(path, batch);
      if (check == SegmentReader::Check::kAll) {
        check_records(path, batch);
      } else {
        ++report_.batches;
        ++report_.unread_batches;
      }
      previous_hash = batch.header.hash;
      expected = batch.header.end();
      advance(batch.end.value - told);
      told = batch.end.value;
    }
    if (end.value != kOpenEnd && expected < end) {
      problem(path, reader.position(), expected, end, "it ends too early");
    }
    check_footer(path, *segment, reader.position(), expected, size);
    advance(size - std::min(size, told));
    previous_ = Previous{expected, header.uuid};
    return {};
  }

  // A torn footer is no damage: the next start writes it anew. One that says something else than
  // the segment does is.
  void check_footer(const std::string& path, Segment& segment, Position at, Offset end,
                    std::uint64_t size) {
    if (at.value >= size) return;
    const auto footer = segment.footer(files_);
    const bool is_closed = !footer.ok() && footer.error().code == ErrorCode::kPermissionDenied;
    if (!footer.ok() && !is_closed) ++report_.broken_footers;
    if (!footer.ok() || footer->index.end == end) return;
    problem(path, at, end, footer->index.end, "its footer belongs to other records");
  }

  void begin_chain(const std::string& path, const SegmentHeader& header) {
    chain_key_ = nullptr;
    if (!header.is_chained()) {
      ++report_.unchained_segments;
      chain_.reset();
      return;
    }
    auto key = options_.keys->chain_key(header, path);
    if (key.ok()) chain_key_ = *std::move(key);
    Chain before;
    std::copy(header.chain.begin(), header.chain.end(), before.begin());
    // A segment that replaces a failed one begins where that one's durable part ended.
    const auto known = std::find_if(ends_.begin(), ends_.end(), [&](const End& held) {
      return held.end == header.previous_end && held.chain == before;
    });
    if (previous_ && chain_ && known == ends_.end()) {
      problem(path, Position{0}, header.base, header.base,
              "its chain does not go on where the segment before ends: history was changed");
    }
    chain_ = before;
    ends_ = {End{header.previous_end, before}};
  }

  void check_chain(const std::string& path, const SegmentReader::Batch& batch) {
    if (chain_ && batch.header.is_chained && chain_key_ != nullptr) {
      const Chain expected = next_chain(*chain_key_, *chain_, batch.header, batch.stored);
      if (expected != batch.header.chain) {
        problem(path, batch.position, batch.header.base, batch.header.end(),
                "its chain does not follow from what stands before: history was changed");
      }
      ++report_.chained_batches;
    }
    if (chain_) {
      chain_ = batch.header.chain;
      ends_.push_back({batch.header.end(), *chain_});
      const auto& anchor = options_.anchor;
      if (anchor && anchor->stream == stream_ && anchor->end == batch.header.end()) {
        is_anchor_met_ = anchor->chain == std::string_view(chain_->data(), chain_->size());
        is_anchor_seen_ = true;
      }
    }
  }

  void check_anchor(const std::string& directory) {
    const auto& anchor = options_.anchor;
    if (!anchor || anchor->stream != stream_ || is_anchor_met_) return;
    problem(directory, Position{0}, anchor->end, anchor->end,
            is_anchor_seen_
                ? "the chain at the anchor is another one: history was changed"
                : "the log does not hold the anchor: it was cut short, or retention took it");
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
    if (options_.progress) options_.progress(report_.bytes, total_);
  }

  FileSystem& files_;
  const VerifyOptions& options_;
  VerifyReport report_;
  std::uint64_t total_ = 0;
  std::string stream_;
  std::optional<Previous> previous_;
  // Of what was read last; unset where it is not chained, or behind damage.
  std::optional<Chain> chain_;
  std::shared_ptr<const crypto::KeyedHash> chain_key_;
  struct End {
    Offset end;
    Chain chain;
  };
  std::vector<End> ends_;  // of the batches of the segment that was read last
  bool is_anchor_met_ = false;
  bool is_anchor_seen_ = false;
};

}  // namespace

Result<VerifyReport> verify_log(FileSystem& files, const std::string& directory,
                                const VerifyOptions& options) {
  if (const auto names = files.list(directory); !names.ok()) {
    return make_error(names.error().code, ErrorOrigin::kDisk,
                      "there is no log to verify: " + names.error().message);
  }
  Verifier verifier(files, options);
  const auto streams = list_streams(files, directory);
  for (const std::string& stream : streams) verifier.count_total(directory + "/" + stream);
  for (const std::string& stream : streams) {
    BANYAN_RETURN_IF_ERROR(verifier.check_stream(directory + "/" + stream, stream));
  }
  return verifier.take();
}

}  // namespace banyan::recorder
