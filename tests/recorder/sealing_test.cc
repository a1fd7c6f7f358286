// SPDX-License-Identifier: Apache-2.0
//
// Footers of sealed segments, what they find, and logs of the format version before.
#include "recorder/sealer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "recorder/segment_footer.h"
#include "tests/recorder/log_fixture.h"
#include "tests/support/source_dir.h"

namespace banyan::recorder {
namespace {

using model::Fence;
using testing::ElementsAre;
using testing::HasSubstr;

std::string request_of(std::uint64_t number, std::string_view session, Instant started) {
  model::RequestRecord request;
  request.exchange = id_of(number);
  request.session = session;
  request.started = started;
  request.method = "GET";
  request.target = "/";
  std::string out;
  model::encode(request, out);
  return out;
}

std::string response_of(std::uint64_t number, Instant started, Instant ended) {
  model::ResponseRecord response;
  response.exchange = id_of(number);
  response.started = started;
  response.answer.ended = ended;
  response.answer.status = 200;
  std::string out;
  model::encode(response, out);
  return out;
}

TEST(KeyIndexTest, FindsThePartsOfAKeyAndNoOthers) {
  KeyIndex index;
  index.add(hash_of_session("a"), 3);
  index.add(hash_of_session("b"), 1);
  index.add(hash_of_session("a"), 0);
  index.add(hash_of_session("a"), 3);
  index.finish();
  EXPECT_THAT(index.find(hash_of_session("a"), 4), ElementsAre(0, 3));
  EXPECT_THAT(index.find(hash_of_session("b"), 4), ElementsAre(1));
  EXPECT_THAT(index.find(hash_of_session("c"), 4), ElementsAre());
}

// Many that come by part are sorted by another way than few, or than those that come otherwise.
TEST(KeyIndexTest, IsTheSameInWhateverOrderKeysCame) {
  std::mt19937_64 random(20261130);
  std::vector<std::pair<std::uint64_t, std::uint32_t>> keys;
  for (std::uint32_t i = 0; i < 20'000; ++i) {
    const std::uint64_t hash = i % 7 == 0 ? std::uint64_t{i % 50} << 32 : random();
    keys.emplace_back(hash, i / 300);
  }
  KeyIndex in_order;
  for (const auto& [hash, part] : keys) in_order.add(hash, part);
  in_order.finish();
  std::shuffle(keys.begin(), keys.end(), random);
  KeyIndex shuffled;
  for (const auto& [hash, part] : keys) shuffled.add(hash, part);
  shuffled.finish();
  EXPECT_EQ(in_order, shuffled);
}

TEST(KeyIndexTest, NamesEveryPartPastItsBound) {
  KeyIndex index;
  for (std::uint64_t i = 0; i <= kIndexedKeysMax; ++i) index.add(i << 32, 0);
  index.finish();
  EXPECT_THAT(index.find(7ULL << 32, 3), ElementsAre(0, 1, 2));
}

SegmentFooter some_footer() {
  SegmentFooter footer;
  BatchHeader batch;
  for (std::uint64_t i = 0; i < 3; ++i) {
    batch.base = Offset{10 + i * 2};
    batch.record_count = 2;
    batch.append_wall_ns = static_cast<std::int64_t>(i);
    footer.index.add(batch, Position{kSegmentHeaderBytes + i * kIndexStepBytes});
    footer.add_record(batch.base,
                      index_record(request_of(i, "session" + std::to_string(i), {50, 100})));
    footer.add_record(
        batch.base.next(),
        index_record(response_of(i, {50, 100}, {60, 100 + static_cast<std::int64_t>(i) * 7})));
  }
  model::GapRecord gap;
  std::string encoded;
  model::encode(gap, encoded);
  footer.add_record(Offset{15}, index_record(encoded));
  footer.add_record(Offset{15}, index_record("no record"));
  footer.finish();
  return footer;
}

TEST(SegmentFooterTest, TellsWhatTheRecordsWere) {
  const SegmentFooter footer = some_footer();
  EXPECT_EQ(footer.counts[1], 3U);
  EXPECT_EQ(footer.counts[2], 3U);
  EXPECT_EQ(footer.counts[9], 1U);
  EXPECT_EQ(footer.counts[0], 1U);
  EXPECT_EQ(footer.longest_exchange_ns, 14);
  EXPECT_EQ(footer.first_started_wall_ns, 50);
  EXPECT_THAT(footer.gaps, ElementsAre(Offset{15}));
  EXPECT_THAT(footer.exchanges.find(hash_of_exchange(id_of(1)), 3), ElementsAre(1));
}

TEST(SegmentFooterTest, GoesBothWaysAndRefusesWhatIsCut) {
  const SegmentFooter footer = some_footer();
  const std::string bytes = encode(footer);
  const auto decoded = decode_footer(bytes);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(*decoded, footer);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_footer(bytes.substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(decode_footer(bytes + "x").ok());
  EXPECT_EQ(decode_footer_pointer(encode_footer_pointer(Position{77})), Position{77});
  EXPECT_FALSE(decode_footer_pointer("too short"));
}

class SealingTest : public LogTest {
 protected:
  void fill(std::uint64_t exchanges) {
    for (std::uint64_t i = 0; i < exchanges; ++i) {
      ASSERT_FALSE(lane_->append(request_of(i, "s" + std::to_string(i % 50), {1, 1})).is_refused());
      ASSERT_FALSE(lane_->append(record_of(i, 900)).is_refused());
      if (i % 50 == 49) flush();
    }
  }
  void wait_sealed() {
    ASSERT_TRUE(wait_until([&] {
      const auto stats = recorder_->stats();
      return stats.segments_sealed + 1 == stats.segments;
    }));
  }
  // How many of the records in the spans belong to the exchange, and how many there are in all.
  std::pair<int, int> count_in(model::LogAccess& log, const std::vector<model::LogSpan>& spans,
                               ExchangeId exchange) {
    int found = 0;
    int read = 0;
    for (const model::LogSpan& span : spans) {
      model::Cursor from;
      from.set(span.stream, span.first);
      for (const Item& item : read_all(log, Fence::kWritten, from)) {
        if (item.offset >= span.end) break;
        ++read;
        found += model::peek(item.encoded).ok() && model::peek(item.encoded)->exchange == exchange;
      }
    }
    return {found, read};
  }
};

TEST_F(SealingTest, AnExchangeIsFoundWithoutReadingTheLog) {
  options_.segment_bytes = 1U << 20;
  open();
  fill(5000);
  wait_sealed();
  close();
  auto log = open_log(files_, kDirectory);
  ASSERT_TRUE(log.ok());
  for (const std::uint64_t number : {0U, 777U, 4999U}) {
    const auto spans = (*log)->find_key(model::LogKey::of_exchange(id_of(number)));
    ASSERT_TRUE(spans.ok());
    const auto [found, read] = count_in(**log, *spans, id_of(number));
    EXPECT_EQ(found, 2) << number;
    EXPECT_LT(read, 1000) << number;
  }
  const auto nowhere = (*log)->find_key(model::LogKey::of_exchange(id_of(123'456)));
  ASSERT_TRUE(nowhere.ok());
  EXPECT_LT(count_in(**log, *nowhere, id_of(123'456)).second, 1000);
}

// While the segment is still written: nobody reads all of it for what happened just now.
TEST_F(SealingTest, AnExchangeOfTheGrowingSegmentIsFoundByIndex) {
  options_.segment_bytes = 64U << 20;
  open();
  fill(3000);
  flush();
  ASSERT_EQ(segment_files().size(), 1U);
  for (const std::uint64_t number : {0U, 777U, 2999U}) {
    const auto spans = recorder_->access().find_key(model::LogKey::of_exchange(id_of(number)));
    ASSERT_TRUE(spans.ok());
    const auto [found, read] = count_in(recorder_->access(), *spans, id_of(number));
    EXPECT_EQ(found, 2) << number;
    EXPECT_LT(read, 1000) << number;
  }
  const auto nowhere = recorder_->access().find_key(model::LogKey::of_exchange(id_of(123'456)));
  ASSERT_TRUE(nowhere.ok());
  EXPECT_TRUE(nowhere->empty());
}

TEST_F(SealingTest, ASessionIsFoundWhereItsRequestsAre) {
  options_.segment_bytes = 1U << 20;
  open();
  fill(2000);
  ASSERT_FALSE(lane_->append(request_of(9000, "only once", {1, 1})).is_refused());
  fill(2000);
  wait_sealed();
  close();
  auto log = open_log(files_, kDirectory);
  const auto spans = (*log)->find_key(model::LogKey::of_session("only once"));
  ASSERT_TRUE(spans.ok());
  const auto [found, read] = count_in(**log, *spans, id_of(9000));
  EXPECT_EQ(found, 1);
  EXPECT_LT(read, 1000);
}

TEST_F(SealingTest, ATornFooterIsWrittenAnewByTheNextStart) {
  options_.segment_bytes = 1U << 20;
  open();
  fill(1500);
  wait_sealed();
  close();
  const std::string path = segment_files().front();
  const std::string whole = files_.content(path);
  for (const std::size_t cut : {1U, 16U, 17U, 40U}) {
    ASSERT_TRUE(files_.write_file_atomically(path, whole.substr(0, whole.size() - cut)).ok());
    open();
    wait_sealed();
    close();
    EXPECT_EQ(files_.content(path).size(), whole.size()) << cut;
    const auto report = verify_log(files_, kDirectory, {});
    ASSERT_TRUE(report.ok());
    EXPECT_TRUE(report->problems.empty());
    EXPECT_EQ(report->broken_footers, 0U);
  }
}

// The footer that was noted while the segment was written is the one that its file gives.
TEST_F(SealingTest, WhatWasNotedIsWhatTheFileHolds) {
  options_.segment_bytes = 1U << 20;
  open();
  fill(1500);
  wait_sealed();
  close();
  for (const std::string& path : segment_files()) {
    const SegmentHeader header = *decode_segment_header(files_.content(path), path);
    Segment segment(path, header, LogKeys::none());
    const auto noted = segment.footer(files_);
    ASSERT_TRUE(noted.ok()) << path;
    segment.set_end(noted->index.end);
    const std::string whole = files_.content(path);
    const auto end = decode_footer_pointer(whole.substr(whole.size() - kFooterPointerBytes));
    ASSERT_TRUE(end.has_value());
    ASSERT_TRUE(files_.write_file_atomically(path, whole.substr(0, end->value)).ok());
    Segment again(path, header, LogKeys::none());
    again.set_end(noted->index.end);
    ASSERT_TRUE(seal_segment(files_, again).ok()) << path;
    EXPECT_EQ(*again.footer(files_), *noted) << path;
    EXPECT_EQ(files_.content(path).size(), whole.size());
  }
}

TEST_F(SealingTest, ADamagedSegmentGetsNoFooter) {
  open();
  append(1, 100, 100);
  flush();
  close();
  const std::string path = segment_files().front();
  SegmentHeader header = *decode_segment_header(files_.content(path), path);
  Segment segment(path, header, LogKeys::none());
  const Offset end = segment.footer(files_)->index.end;
  segment.set_end(end);
  files_.flip_byte(path, kSegmentHeaderBytes + kBatchHeaderBytes + 5);
  files_.flip_byte(path, files_.content(path).size() - 1);
  const std::string before = files_.content(path);
  const auto status = seal_segment(files_, segment);
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.error().message, HasSubstr("damaged"));
  EXPECT_EQ(files_.content(path), before);
}

// A data directory that format version 1 wrote: read as it is, and gone on with.
TEST_F(SealingTest, ALogOfVersion1IsReadAndGoneOnWith) {
  const std::filesystem::path golden = source_dir() + "/tests/cases/log_v1/main";
  ASSERT_TRUE(files_.make_directories(std::string(kDirectory) + "/main").ok());
  for (const auto& entry : std::filesystem::directory_iterator(golden)) {
    std::ifstream in(entry.path(), std::ios::binary);
    std::stringstream content;
    content << in.rdbuf();
    ASSERT_TRUE(files_
                    .write_file_atomically(
                        std::string(kDirectory) + "/main/" + entry.path().filename().string(),
                        content.str())
                    .ok());
  }
  using model::RecordType;
  const auto types_of = [](const std::vector<Item>& items) {
    std::vector<RecordType> types;
    for (const Item& item : items) types.push_back(item.type);
    return types;
  };
  auto offline = open_log(files_, kDirectory);
  ASSERT_TRUE(offline.ok()) << offline.error().message;
  const auto before = read_all(**offline);
  const auto types = types_of(before);
  ASSERT_EQ(types.size(), 19U);
  EXPECT_EQ(types[1], RecordType::kRoute);
  EXPECT_EQ(types[17], RecordType::kChunk);
  EXPECT_TRUE(verify_log(files_, kDirectory, {})->problems.empty());
  open();
  append(1, 10);
  flush();
  close();
  auto again = open_log(files_, kDirectory);
  const auto after = read_all(**again);
  ASSERT_EQ(after.size(), 19U + 1U + 10U);
  for (std::size_t i = 0; i < before.size(); ++i) EXPECT_EQ(after[i].encoded, before[i].encoded);
  EXPECT_EQ(count_holes(after), 0U);
  EXPECT_TRUE(verify_log(files_, kDirectory, {})->problems.empty());
}

}  // namespace
}  // namespace banyan::recorder
