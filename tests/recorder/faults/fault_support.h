// SPDX-License-Identifier: Apache-2.0
//
// What the fault tests share: how much to try, which seed, what was promised, and whether it was
// kept.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "core/base/text.h"
#include "recorder/recorder.h"
#include "tests/recorder/log_fixture.h"
#include "tests/support/memory_file_system.h"

namespace banyan::recorder {

inline constexpr const char* kLog = "/data/log";

// A number from the environment: the long versions of these tests are asked for so.
inline std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : parse_u64(text).value_or(otherwise);
}

// BANYAN_FAULT_SEED repeats a run.
inline std::uint64_t fault_seed() {
  static const std::uint64_t seed = from_environment("BANYAN_FAULT_SEED", std::random_device()());
  return seed;
}

inline RecorderOptions fault_options() {
  RecorderOptions options;
  options.directory = kLog;
  options.segment_bytes = 64U << 10;
  options.min_free_ratio = 0;
  options.flush_interval_ns = 3600LL * 1'000'000'000;  // Who wants a sync asks for it.
  options.tail_bytes_max = 0;                          // Readers shall see the disk.
  return options;
}

// The same, encrypted and chained.
inline RecorderOptions secret_options() {
  RecorderOptions options = fault_options();
  auto keys = LogKeys::create({"the secret of this log, for tests"});
  EXPECT_TRUE(keys.ok());
  options.keys = *std::move(keys);
  options.encrypts = true;
  options.chains = true;
  return options;
}

// What a log has told the world, and when: in operations of the disk, or any other growing count.
struct Promises {
  struct Acknowledged {
    std::uint64_t at;
    std::uint64_t number;
  };
  struct Seen {
    std::uint64_t at;
    Offset offset;
    std::string encoded;
  };
  std::vector<Acknowledged> acknowledged;
  std::vector<Seen> seen;  // what readers were given

  void see(std::uint64_t at, const std::vector<Item>& items) {
    const std::size_t known = seen.size();
    for (const Item& item : items) {
      const bool is_new = known == 0 || item.offset > seen[known - 1].offset;
      if (is_new) seen.push_back({at, item.offset, item.encoded});
    }
  }
};

// Everything that can be read now; here, an error ends it without a word.
inline std::vector<Item> read_while_it_lasts(model::LogAccess& log) {
  std::vector<Item> items;
  auto source = log.open_source({}, model::Fence::kWritten);
  if (!source.ok()) return items;
  model::SourcedRecord record;
  for (auto more = (*source)->next(record); more.ok() && *more; more = (*source)->next(record)) {
    Item item;
    item.kind = record.kind;
    item.offset = record.offset;
    item.encoded = std::string(record.encoded);
    if (item.kind == model::SourcedRecord::Kind::kRecord) items.push_back(std::move(item));
  }
  return items;
}

// Opens the log on the disk, goes on writing, and compares all that can be read then with what was
// promised up to `at`. "" where every promise was kept, else what was not.
inline std::string broken_promise(FileSystem& files, const Promises& promises, std::uint64_t at,
                                  RecorderOptions options, bool may_have_holes = false) {
  constexpr std::uint64_t kNewNumber = 999'999;
  ManualClock clock;
  auto opened = Recorder::open(files, clock, options);
  if (!opened.ok()) return "the log does not open: " + opened.error().message;
  auto lane = (*opened)->open_lane();
  if (lane->append(record_of(kNewNumber)).is_refused()) return "the log takes no record";
  if (!(*opened)->flush(kPatienceNs).ok()) return "the log does not become durable";
  const auto items = read_all((*opened)->access());
  std::map<std::uint64_t, int> count;
  std::map<Offset, const Item*> by_offset;
  Offset fresh;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const Item& item = items[i];
    if (i > 0 && item.offset <= items[i - 1].offset) return "offsets do not grow";
    if (item.kind == model::SourcedRecord::Kind::kHole) {
      // What retention took is no loss.
      if (!may_have_holes && item.cause != "retention")
        return "a hole at offset " + std::to_string(item.offset.value);
      continue;
    }
    by_offset[item.offset] = &item;
    if (item.type != model::RecordType::kChunk) continue;
    ++count[item.number];
    if (item.number == kNewNumber) fresh = item.offset;
  }
  for (const auto& [number, times] : count) {
    if (times > 1) return "record " + std::to_string(number) + " is there twice";
  }
  for (const auto& acknowledged : promises.acknowledged) {
    if (acknowledged.at <= at && count[acknowledged.number] == 0) {
      return "acknowledged record " + std::to_string(acknowledged.number) + " is lost";
    }
  }
  for (const auto& seen : promises.seen) {
    if (seen.at > at) continue;
    if (seen.offset >= fresh) return "offset " + std::to_string(seen.offset.value) + " comes again";
    const auto found = by_offset.find(seen.offset);
    if (found != by_offset.end() && found->second->encoded != seen.encoded) {
      return "offset " + std::to_string(seen.offset.value) + " holds another record than before";
    }
  }
  lane = nullptr;
  *opened = nullptr;
  VerifyOptions verify;
  verify.keys = options.keys;
  const auto report = verify_log(files, options.directory, verify);
  if (!report.ok()) return "verify fails: " + report.error().message;
  if (!may_have_holes && !report->problems.empty()) {
    return "verify finds in " + report->problems.front().file + ": " +
           report->problems.front().what;
  }
  return "";
}

}  // namespace banyan::recorder
