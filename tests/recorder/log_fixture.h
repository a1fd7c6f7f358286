// SPDX-License-Identifier: Apache-2.0
//
// A recorder on a disk in memory, and short ways to write to and read from it.
#pragma once

#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/model/record_codec.h"
#include "core/model/record_io.h"
#include "recorder/recorder.h"
#include "tests/support/memory_file_system.h"

namespace banyan::recorder {

inline constexpr std::int64_t kPatienceNs = 20'000'000'000;

inline ExchangeId id_of(std::uint64_t number) { return ExchangeId::make(1, Epoch{1}, 1, number); }

// A record of about `bytes` bytes that names `number`.
inline std::string record_of(std::uint64_t number, std::size_t bytes = 0) {
  const std::string filler(bytes, 'x');
  model::ChunkRecord chunk;
  chunk.exchange = id_of(number);
  chunk.side = model::Side::kPrimary;
  chunk.bytes = filler;
  std::string out;
  model::encode(chunk, out);
  return out;
}

// Polls until the condition holds; false past the deadline.
inline bool wait_until(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

struct Item {
  model::SourcedRecord::Kind kind = model::SourcedRecord::Kind::kRecord;
  std::string stream;
  Offset offset;
  Offset hole_end;
  std::string cause;
  model::RecordType type = model::RecordType::kCheckpoint;
  std::uint64_t number = 0;  // of record_of()
  std::string encoded;
};

// Everything that can be read now.
inline std::vector<Item> drain(model::RecordSource& source) {
  std::vector<Item> items;
  model::SourcedRecord record;
  while (true) {
    const auto more = source.next(record);
    EXPECT_TRUE(more.ok()) << more.error().message;
    if (!more.ok() || !*more) return items;
    items.push_back({record.kind, std::string(record.stream), record.offset, record.hole_end,
                     std::string(record.hole_cause), record.type,
                     record.exchange.low & 0xffff'ffff'ffffULL, std::string(record.encoded)});
  }
}

inline std::vector<Item> read_all(model::LogAccess& log,
                                  model::Fence fence = model::Fence::kWritten,
                                  const model::Cursor& from = {}) {
  auto source = log.open_source(from, fence);
  EXPECT_TRUE(source.ok()) << source.error().message;
  return source.ok() ? drain(**source) : std::vector<Item>();
}

inline std::vector<std::uint64_t> numbers_of(const std::vector<Item>& items) {
  std::vector<std::uint64_t> numbers;
  for (const Item& item : items) {
    if (item.kind == model::SourcedRecord::Kind::kRecord &&
        item.type == model::RecordType::kChunk) {
      numbers.push_back(item.number);
    }
  }
  return numbers;
}

inline std::size_t count_type(const std::vector<Item>& items, model::RecordType type) {
  std::size_t count = 0;
  for (const Item& item : items) {
    if (item.kind == model::SourcedRecord::Kind::kRecord && item.type == type) ++count;
  }
  return count;
}

inline std::size_t count_holes(const std::vector<Item>& items) {
  std::size_t count = 0;
  for (const Item& item : items) {
    if (item.kind == model::SourcedRecord::Kind::kHole) ++count;
  }
  return count;
}

class LogTest : public testing::Test {
 protected:
  static constexpr const char* kDirectory = "/data/log";

  RecorderOptions options() const {
    RecorderOptions result;
    result.directory = kDirectory;
    result.segment_bytes = 64U << 10;
    result.min_free_ratio = 0;
    return result;
  }

  Result<std::unique_ptr<Recorder>> try_open() { return Recorder::open(files_, clock_, options_); }
  void open() {
    auto opened = try_open();
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    recorder_ = *std::move(opened);
    lane_ = recorder_->open_lane();
  }
  void close() {
    lane_ = nullptr;
    recorder_ = nullptr;
  }
  // The process dies and the machine with it: what was not synced is gone.
  void crash() {
    files_.fail_any_change(1, EIO, 1'000'000);
    close();
    files_.clear_failures();
    files_.drop_unsynced();
  }
  void append(std::uint64_t first, std::uint64_t count, std::size_t bytes = 100) {
    for (std::uint64_t i = 0; i < count; ++i) {
      ASSERT_FALSE(lane_->append(record_of(first + i, bytes)).is_refused()) << first + i;
    }
  }
  void flush() {
    const auto status = recorder_->flush(kPatienceNs);
    ASSERT_TRUE(status.ok()) << status.error().message;
  }
  std::vector<std::string> segment_files(const std::string& stream = "main") {
    std::vector<std::string> paths;
    const std::string directory = std::string(kDirectory) + "/" + stream;
    const auto names = files_.list(directory);
    if (!names.ok()) return paths;
    for (const std::string& name : *names) {
      if (name.ends_with(".seg")) paths.push_back(directory + "/" + name);
    }
    return paths;
  }
  // Both places where its header says all: nothing of it can be read.
  void damage_header(const std::string& segment) {
    for (const std::size_t at : {40U, 2088U}) files_.flip_byte(segment, at);
  }

  support::MemoryFileSystem files_;
  ManualClock clock_;
  RecorderOptions options_ = options();
  std::unique_ptr<Recorder> recorder_;
  std::unique_ptr<model::RecordSink> lane_;
};

// Every test of reading runs twice: with readers that follow in memory, and by the files alone.
class BothWaysTest : public LogTest, public testing::WithParamInterface<std::uint64_t> {
 protected:
  BothWaysTest() { options_.tail_bytes_max = GetParam(); }
  bool has_tail() const { return GetParam() > 0; }
};

inline const auto kBothWays = testing::Values(std::uint64_t{0}, RecorderOptions().tail_bytes_max);
inline std::string name_of_way(const testing::TestParamInfo<std::uint64_t>& info) {
  return info.param == 0 ? "ByFiles" : "InMemory";
}

inline std::vector<std::uint64_t> sequence(std::uint64_t first, std::uint64_t count) {
  std::vector<std::uint64_t> numbers(count);
  for (std::uint64_t i = 0; i < count; ++i) numbers[i] = first + i;
  return numbers;
}

}  // namespace banyan::recorder
