// SPDX-License-Identifier: Apache-2.0
#include "core/obs/log.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace banyan::obs {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

// The log writes into a pipe for the length of a test.
class LogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::pipe2(pipe_, O_CLOEXEC), 0);
    ASSERT_EQ(::fcntl(pipe_[0], F_SETFL, O_NONBLOCK), 0);
    set_log_descriptor_for_test(pipe_[1]);
  }
  void TearDown() override {
    set_log_descriptor_for_test(-1);
    set_log_level(Level::kInfo);
    ::close(pipe_[0]);
    ::close(pipe_[1]);
  }
  std::string read_all() {
    std::string out;
    char buffer[8192];
    for (ssize_t n = 0; (n = ::read(pipe_[0], buffer, sizeof buffer)) > 0;) {
      out.append(buffer, static_cast<std::size_t>(n));
    }
    return out;
  }
  int pipe_[2] = {-1, -1};
};

TEST_F(LogTest, LineHoldsTimeLevelRoomAndMessage) {
  log_warning("recorder", "disk is nearly full");
  EXPECT_THAT(read_all(), MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\."
                                       "[0-9]{6}Z warning recorder: disk is nearly full\n"));
}

TEST_F(LogTest, HostileBytesStayOnOneLine) {
  log_error("proxy", "name \"a\nFAKE info: b\x1b[31m\x7f\xff{}%s\"");
  const std::string text = read_all();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_THAT(text, HasSubstr("\\x0aFAKE"));
  EXPECT_THAT(text, HasSubstr("{}%s"));
}

TEST_F(LogTest, LongMessagesAreCutToOneBoundedLine) {
  log_error("proxy", std::string(1'000'000, '\x01'));
  const std::string text = read_all();
  EXPECT_LE(text.size(), kLogLineBytesMax);
  EXPECT_EQ(text.back(), '\n');
}

TEST_F(LogTest, LevelsBelowTheChosenOneAreSilent) {
  set_log_level(Level::kError);
  log_info("a", "quiet");
  EXPECT_EQ(read_all(), "");
  set_log_level(Level::kDebug);
  log(Level::kDebug, "a", "loud");
  EXPECT_THAT(read_all(), HasSubstr("debug   a: loud"));
}

// A pipe nobody reads: the writer must come back, lines must be counted, and the log must work
// again once there is room.
TEST_F(LogTest, FullPipeCostsLinesAndNotTime) {
  const std::uint64_t before = log_lines_lost();
  const std::string message(1500, 'x');
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 1000; ++i) log_info("a", message);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
  EXPECT_GT(log_lines_lost(), before);
  read_all();
  log_info("a", "again");
  EXPECT_THAT(read_all(), HasSubstr("a: again"));
}

}  // namespace
}  // namespace banyan::obs
