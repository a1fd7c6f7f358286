// SPDX-License-Identifier: Apache-2.0
#include "access_log/access_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "core/obs/metrics.h"

namespace banyan::access_log {
namespace {

class AccessLogTest : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/banyan_access_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern), nullptr);
    folder_ = pattern;
    options_.path = path("access.log");
    options_.format = Format::kCommon;
  }
  void TearDown() override {
    log_.reset();
    std::filesystem::remove_all(folder_);
  }
  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  void open() {
    auto opened = AccessLog::open(options_, metrics_);
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    log_ = *std::move(opened);
  }
  static void write(proxy::AccessLane& lane, const std::string& target) {
    proxy::AccessEntry entry;
    entry.method = "GET";
    entry.target = target;
    entry.protocol = "HTTP/1.1";
    entry.client = "192.0.2.1";
    entry.status = 200;
    lane.write(entry);
  }
  static std::string text_of(const std::string& name) {
    std::ifstream file(name, std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  // The targets of whole lines, in order.
  static std::vector<std::string> targets_in(const std::string& name) {
    std::vector<std::string> targets;
    std::stringstream text(text_of(name));
    for (std::string line; std::getline(text, line);) {
      const std::size_t begin = line.find("GET ");
      const std::size_t end = line.find(" HTTP/1.1\" 200 -");
      if (begin == std::string::npos || end == std::string::npos) {
        targets.push_back("(torn) " + line);
      } else {
        targets.push_back(line.substr(begin + 4, end - begin - 4));
      }
    }
    return targets;
  }

  std::string folder_;
  obs::Metrics metrics_;
  AccessLogOptions options_;
  std::unique_ptr<AccessLog> log_;
};

TEST_F(AccessLogTest, LinesAreAppendedAndFlushedAtTheStop) {
  { std::ofstream(options_.path) << "before\n"; }
  open();
  {
    const auto lane = log_->open_lane();
    EXPECT_TRUE(lane->is_on());
    write(*lane, "/1");
    log_->flush();
    write(*lane, "/2");
  }
  log_->stop();
  EXPECT_EQ(targets_in(options_.path), (std::vector<std::string>{"(torn) before", "/1", "/2"}));
  EXPECT_EQ(log_->lines_lost(), 0U);
  EXPECT_EQ(log_->failure(), "");
}

TEST_F(AccessLogTest, WithoutAPathNothingIsKeptUntilAChange) {
  options_.path.clear();
  open();
  const auto lane = log_->open_lane();
  EXPECT_FALSE(lane->is_on());
  write(*lane, "/lost");
  log_->reopen();
  options_.path = path("later.log");
  auto change = AccessLog::prepare(options_);
  ASSERT_TRUE(change.ok());
  log_->apply(*std::move(change));
  log_->flush();
  EXPECT_TRUE(lane->is_on());
  write(*lane, "/kept");
  log_->apply(*AccessLog::prepare({}));
  log_->flush();
  EXPECT_FALSE(lane->is_on());
  EXPECT_EQ(targets_in(path("later.log")), std::vector<std::string>{"/kept"});
}

TEST_F(AccessLogTest, APathThatCannotBeOpenedIsAnErrorThatNamesIt) {
  options_.path = path("no/such/folder/access.log");
  const auto opened = AccessLog::open(options_, metrics_);
  ASSERT_FALSE(opened.ok());
  EXPECT_NE(opened.error().message.find("access_log.path"), std::string::npos);
  EXPECT_NE(opened.error().message.find(options_.path), std::string::npos);
}

TEST_F(AccessLogTest, AChangeEndsTheOldFileInTheOldFormat) {
  open();
  const auto lane = log_->open_lane();
  write(*lane, "/old");
  AccessLogOptions next = options_;
  next.path = path("new.log");
  next.format = Format::kJson;
  log_->apply(*AccessLog::prepare(next));
  log_->flush();
  write(*lane, "/new");
  log_->flush();
  EXPECT_EQ(targets_in(options_.path), std::vector<std::string>{"/old"});
  EXPECT_NE(text_of(next.path).find("\"target\":\"/new\""), std::string::npos);
  EXPECT_EQ(text_of(next.path).find("/old"), std::string::npos);
}

// Moved away and reopened again and again while four workers write: each line is there once, whole,
// and those of one worker are in order.
TEST_F(AccessLogTest, RotationLosesAndDoublesNoLine) {
  open();
  constexpr int kWorkers = 4, kLines = 5000, kRotations = 20;
  std::atomic<int> running{kWorkers};
  std::vector<std::thread> workers;
  for (int worker = 0; worker < kWorkers; ++worker) {
    workers.emplace_back([&, worker] {
      const auto lane = log_->open_lane();
      for (int i = 0; i < kLines; ++i) {
        write(*lane, "/" + std::to_string(worker) + "/" + std::to_string(i));
        if (i % 100 == 0) log_->flush();
      }
      --running;
    });
  }
  int rotations = 0;
  for (; running > 0 && rotations < kRotations; ++rotations) {
    std::filesystem::rename(options_.path, path("access." + std::to_string(rotations)));
    log_->reopen();
    log_->flush();
    ASSERT_TRUE(std::filesystem::exists(options_.path));
  }
  for (auto& worker : workers) worker.join();
  log_->stop();
  std::vector<std::string> all;
  for (int i = 0; i < rotations; ++i) {
    for (auto& target : targets_in(path("access." + std::to_string(i)))) all.push_back(target);
  }
  for (auto& target : targets_in(options_.path)) all.push_back(target);
  EXPECT_EQ(all.size(), static_cast<std::size_t>(kWorkers * kLines));
  EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), all.size());
  std::vector<int> next(kWorkers, 0);
  for (const std::string& target : all) {
    ASSERT_EQ(target[0], '/') << target;
    const int worker = target[1] - '0';
    ASSERT_EQ(target.substr(3), std::to_string(next.at(static_cast<std::size_t>(worker))++));
  }
  EXPECT_EQ(log_->lines_lost(), 0U);
}

TEST_F(AccessLogTest, AFileThatCannotBeOpenedAgainGoesOn) {
  std::filesystem::create_directory(path("sub"));
  options_.path = path("sub/access.log");
  open();
  const auto lane = log_->open_lane();
  std::filesystem::rename(path("sub"), path("moved"));
  log_->reopen();
  write(*lane, "/still");
  log_->flush();
  EXPECT_EQ(targets_in(path("moved/access.log")), std::vector<std::string>{"/still"});
}

TEST_F(AccessLogTest, AFullDiskCostsCountedLinesAndAnAlarm) {
  options_.path = "/dev/full";
  open();
  const auto lane = log_->open_lane();
  write(*lane, "/1");
  write(*lane, "/2");
  log_->flush();
  EXPECT_EQ(log_->lines_lost(), 2U);
  EXPECT_NE(log_->failure().find("/dev/full"), std::string::npos);
  AccessLogOptions next = options_;
  next.path = path("space.log");
  log_->apply(*AccessLog::prepare(next));
  log_->flush();
  write(*lane, "/3");
  log_->flush();
  EXPECT_EQ(log_->failure(), "");
  EXPECT_EQ(targets_in(next.path), std::vector<std::string>{"/3"});
}

// The bound of a lane, while the thread is stuck in a pipe that nobody reads.
TEST_F(AccessLogTest, ALaneIsBoundedAndNeverWaits) {
  options_.path = path("pipe");
  ASSERT_EQ(::mkfifo(options_.path.c_str(), 0600), 0);
  const int reader = ::open(options_.path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  ASSERT_GE(reader, 0);
  options_.lane_bytes_max = 8192;
  open();
  const auto lane = log_->open_lane();
  const std::string target = "/" + std::string(1000, 'x');
  // More than the pipe and the lane hold together.
  for (int i = 0; i < 2000; ++i) write(*lane, target);
  EXPECT_GT(log_->lines_lost(), 1500U);
  // A reader that leaves is an error like a full disk (the server ignores SIGPIPE as well).
  std::signal(SIGPIPE, SIG_IGN);
  ::close(reader);
  write(*lane, "/nobody");
  log_->flush();
  EXPECT_NE(log_->failure().find("Broken pipe"), std::string::npos);
}

TEST_F(AccessLogTest, ALineThatDoesNotFitTheLaneAloneIsDropped) {
  options_.lane_bytes_max = 100;
  open();
  const auto lane = log_->open_lane();
  write(*lane, "/" + std::string(200, 'x'));
  write(*lane, "/ok");
  log_->flush();
  EXPECT_EQ(targets_in(options_.path), std::vector<std::string>{"/ok"});
  EXPECT_EQ(log_->lines_lost(), 1U);
}

TEST(AccessFileTest, ATornLineDoesNotSwallowTheNext) {
  char pattern[] = "/tmp/banyan_torn_XXXXXX";
  ASSERT_NE(::mkdtemp(pattern), nullptr);
  const std::string path = std::string(pattern) + "/pipe";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const int reader = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  auto file = AccessFile::open(path);
  ASSERT_TRUE(file.ok());
  // Lines of odd size, so that the pipe is full in the middle of one.
  std::string lines;
  for (int i = 0; i < 200; ++i) lines += std::string(1000, static_cast<char>('a' + i % 26)) + "\n";
  const auto first = file->write(lines);
  EXPECT_FALSE(first.failure.empty());
  EXPECT_EQ(first.lines_written + first.lines_lost, 200U);
  std::string read(1 << 20, '\0');
  const auto drain = [&] {
    std::string all;
    for (;;) {
      const ssize_t got = ::read(reader, read.data(), read.size());
      if (got <= 0) return all;
      all.append(read, 0, static_cast<std::size_t>(got));
    }
  };
  const std::string before = drain();
  ASSERT_NE(before.back(), '\n');
  const auto second = file->write("next\n");
  EXPECT_EQ(second.failure, "");
  EXPECT_EQ(second.lines_written, 1U);
  EXPECT_EQ(drain(), "\nnext\n");
  ::close(reader);
  std::filesystem::remove_all(pattern);
}

}  // namespace
}  // namespace banyan::access_log
