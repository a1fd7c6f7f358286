// SPDX-License-Identifier: Apache-2.0
//
// Sources over more than one stream: what was appended first is read first.
#include "recorder/log_source.h"

#include <gtest/gtest.h>

#include "tests/recorder/log_fixture.h"

namespace banyan::recorder {
namespace {

using model::Fence;

// "main", and "compare" as another process writes it. By name alone the latter would come first.
class LogSourceTest : public BothWaysTest {
 protected:
  void open_both() {
    open();
    RecorderOptions other = options_;
    other.stream = "compare";
    auto opened = Recorder::open(files_, clock_, other);
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    compare_ = *std::move(opened);
    compare_lane_ = compare_->open_lane();
  }
  void append_to_compare(std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
      ASSERT_FALSE(compare_lane_->append(record_of(first + i, 100)).is_refused());
    }
    ASSERT_TRUE(compare_->flush(kPatienceNs).ok());
  }
  void append_to_main(std::uint64_t first, std::uint64_t count) {
    append(first, count);
    flush();
  }
  void pass_a_second() { clock_.advance_ns(1'000'000'000); }
  void TearDown() override {
    compare_lane_ = nullptr;
    compare_ = nullptr;
    close();
  }

  std::unique_ptr<Recorder> compare_;
  std::unique_ptr<model::RecordSink> compare_lane_;
};

INSTANTIATE_TEST_SUITE_P(Ways, LogSourceTest, kBothWays, name_of_way);

TEST_P(LogSourceTest, MergesStreamsByTheTimeOfAppending) {
  open_both();
  std::uint64_t number = 1;
  for (int i = 0; i < 6; ++i) {
    pass_a_second();
    append_to_main(number, 400);
    number += 400;
    pass_a_second();
    append_to_compare(number, 300);
    number += 300;
  }
  EXPECT_EQ(numbers_of(read_all(recorder_->access())), sequence(1, number - 1));
  EXPECT_EQ(numbers_of(read_all(recorder_->access(), Fence::kDurable)), sequence(1, number - 1));
  auto offline = open_log(files_, kDirectory);
  ASSERT_TRUE(offline.ok());
  EXPECT_EQ(numbers_of(read_all(**offline)), sequence(1, number - 1));
  // From any place: the cursor names both streams.
  auto source = recorder_->access().open_source({}, Fence::kWritten);
  ASSERT_TRUE(source.ok());
  model::SourcedRecord record;
  std::size_t read = 0;
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(*(*source)->next(record));
    if (record.type == model::RecordType::kChunk) ++read;
  }
  const auto numbers =
      numbers_of(read_all(recorder_->access(), Fence::kWritten, (*source)->position()));
  EXPECT_EQ(numbers, sequence(read + 1, number - 1 - read));
}

TEST_P(LogSourceTest, TheNameDecidesWhereTimesAreEqual) {
  open_both();
  append_to_main(11, 5);
  append_to_compare(1, 5);
  auto expected = sequence(1, 5);
  for (const std::uint64_t number : sequence(11, 5)) expected.push_back(number);
  EXPECT_EQ(numbers_of(read_all(recorder_->access())), expected);
}

TEST_P(LogSourceTest, AnIdleStreamKeepsNobodyWaiting) {
  open_both();
  auto source = recorder_->access().open_source({}, Fence::kWritten);
  ASSERT_TRUE(source.ok());
  drain(**source);
  pass_a_second();
  append_to_main(1, 10);
  EXPECT_EQ(numbers_of(drain(**source)), sequence(1, 10));
  pass_a_second();
  append_to_compare(11, 10);
  EXPECT_EQ(numbers_of(drain(**source)), sequence(11, 10));  // Also when just found empty.
  pass_a_second();
  append_to_main(21, 10);
  EXPECT_EQ(numbers_of(drain(**source)), sequence(21, 10));
}

}  // namespace
}  // namespace banyan::recorder
