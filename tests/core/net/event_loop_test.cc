// SPDX-License-Identifier: Apache-2.0
#include "core/net/event_loop.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <thread>
#include <utility>
#include <vector>

#include "core/net/socket.h"
#include "tests/core/net/fake_peers.h"
#include "tests/core/net/socket_pair.h"
#include "tests/support/times.h"

namespace banyan::net {
namespace {

std::unique_ptr<EventLoop> make_loop() { return std::move(EventLoop::create()).value(); }

TEST(EventLoopTest, RunsWhatOtherThreadsPostInOrder) {
  auto loop = make_loop();
  std::thread runner([&] { loop->run(); });
  constexpr int kEach = 2000;
  std::vector<int> last(3, -1);
  std::atomic<int> out_of_order{0}, ran{0};
  std::vector<std::thread> posters;
  for (std::size_t who = 0; who < last.size(); ++who) {
    posters.emplace_back([&, who] {
      for (int i = 0; i < kEach; ++i) {
        EXPECT_TRUE(loop->post([&, who, i] {
          if (last[who] != i - 1) ++out_of_order;
          last[who] = i;
          ++ran;
        }));
      }
    });
  }
  for (auto& poster : posters) poster.join();
  loop->stop();
  runner.join();
  // What was posted before stop() has run, what comes later is refused.
  EXPECT_EQ(ran.load(), 3 * kEach);
  EXPECT_EQ(out_of_order.load(), 0);
  EXPECT_FALSE(loop->post([] {}));
}

TEST(EventLoopTest, KeepsTheOrderOfATurn) {
  auto loop = make_loop();
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
  const UniqueFd ours(pair[0]), theirs(pair[1]);
  std::string order;
  struct Noisy {
    explicit Noisy(std::string& text) : order_(text) {}
    ~Noisy() { order_ += "destroyed "; }
    std::string& order_;
  };
  FdWatch watch(*loop, ours.get(), [&](FdWatch::Ready) {
    order += "socket ";
    loop->destroy_later(std::make_unique<Noisy>(order));
    watch.want_read(false);
  });
  watch.want_read(true);
  auto hook = loop->at_turn_end([&] { order += "hook "; });
  EXPECT_TRUE(loop->post([&] { order += "posted "; }));
  OutputBuffer().send(theirs.get(), "x");
  loop->run_once_for_test();
  EXPECT_EQ(order, "socket posted destroyed hook ");
  hook.reset();
  loop->run_once_for_test();
  EXPECT_EQ(order, "socket posted destroyed hook ");
}

TEST(EventLoopTest, SendsBehindAllWorkOfTheTurn) {
  auto loop = make_loop();
  std::string order;
  auto sender = loop->at_turn_end([&] { order += "send "; }, EventLoop::TurnEnd::kSend);
  auto worker = loop->at_turn_end([&] { order += "work "; });
  auto last = loop->at_turn_end([&] { order += "more "; });
  loop->run_once_for_test();
  EXPECT_EQ(order, "work more send ");
  sender.reset();
  loop->run_once_for_test();
  EXPECT_EQ(order, "work more send work more ");
}

// What waits for a turn's end waits for so many sockets at most, however many are ready.
TEST(EventLoopTest, ATurnHasABound) {
  auto loop = make_loop();
  constexpr int kSockets = EventLoop::kTurnEventsMax + 1;
  int served = 0;
  std::vector<UniqueFd> fds;
  std::vector<std::unique_ptr<FdWatch>> watches;
  for (std::size_t i = 0; i < kSockets; ++i) {
    SocketPair pair = local_sockets();
    OutputBuffer().send(pair.client.get(), "x");
    watches.push_back(std::make_unique<FdWatch>(*loop, pair.server.get(), [&, i](FdWatch::Ready) {
      ++served;
      watches[i]->want_read(false);
    }));
    watches.back()->want_read(true);
    fds.push_back(std::move(pair.server));
    fds.push_back(std::move(pair.client));
  }
  loop->run_once_for_test();
  EXPECT_EQ(served, EventLoop::kTurnEventsMax);
  loop->run_once_for_test();
  EXPECT_EQ(served, kSockets);
}

TEST(EventLoopTest, AsksTheClockOnceATurn) {
  auto loop = make_loop();
  std::vector<std::int64_t> times;
  for (int i = 0; i < 3; ++i) {
    loop->post([&] { times.push_back(loop->now().mono_ns); });
  }
  loop->run_once_for_test();
  EXPECT_EQ(times[0], times[2]);
  loop->post([&] { times.push_back(loop->now().mono_ns); });
  loop->run_once_for_test();
  EXPECT_GT(times[3], times[2]);
}

// A watch whose owner tells what its receives brought.
class ToldWatchTest : public testing::Test {
 protected:
  void watch(std::size_t asked_bytes = 64) {
    asked_bytes_ = asked_bytes;
    watch_ = std::make_unique<FdWatch>(
        *loop_, sockets_.server.get(), [this](FdWatch::Ready ready) { on_ready(ready); },
        FdWatch::Receives::kTold);
    watch_->want_read(true);
  }
  void on_ready(FdWatch::Ready ready) {
    if (ready == FdWatch::Ready::kWrite) {
      ++writes_;
      return;
    }
    ++reads_;
    if (!receives_) return;
    std::vector<char> buffer(asked_bytes_);
    const Received got = receive(sockets_.server.get(), buffer.data(), buffer.size());
    last_ = got.outcome;
    got_.append(got.bytes);
    if (tells_) watch_->note_receive(buffer.size(), got);
  }
  void send(std::string_view bytes) { OutputBuffer().send(sockets_.client.get(), bytes); }
  int reads_in(int turns) {
    const int before = reads_;
    for (int i = 0; i < turns; ++i) loop_->run_once_for_test();
    return reads_ - before;
  }

  std::unique_ptr<EventLoop> loop_ = make_loop();
  SocketPair sockets_ = local_sockets();
  std::unique_ptr<FdWatch> watch_;
  std::size_t asked_bytes_ = 0;
  bool receives_ = true, tells_ = true;
  int reads_ = 0, writes_ = 0;
  std::string got_;
  ReceiveOutcome last_ = ReceiveOutcome::kWouldBlock;
};

TEST_F(ToldWatchTest, IsCalledOnceForWhatItEmptied) {
  watch();
  send("one");
  EXPECT_EQ(reads_in(5), 1);
  send("two");
  EXPECT_EQ(reads_in(5), 1);
  EXPECT_EQ(got_, "onetwo");
}

TEST_F(ToldWatchTest, IsCalledAgainWhileItsBufferIsTooSmall) {
  watch(4);
  send("abcdefghij");
  EXPECT_EQ(reads_in(1), 1);  // Once a turn: others get their share.
  EXPECT_EQ(reads_in(1), 1);
  EXPECT_EQ(reads_in(5), 1);
  EXPECT_EQ(got_, "abcdefghij");
  send("klmn");
  EXPECT_EQ(reads_in(5), 2);  // The buffer was just full, so it finds out that this was all.
  EXPECT_EQ(last_, ReceiveOutcome::kWouldBlock);
  EXPECT_EQ(got_, "abcdefghijklmn");
}

TEST_F(ToldWatchTest, WhoDoesNotReceiveIsCalledEachTurn) {
  watch();
  receives_ = false;
  send("x");
  EXPECT_EQ(reads_in(7), 7);
  receives_ = true;
  EXPECT_EQ(reads_in(7), 1);
  EXPECT_EQ(got_, "x");
}

TEST_F(ToldWatchTest, WhoDoesNotTellFindsOutBeforeItRests) {
  watch();
  tells_ = false;
  send("x");
  EXPECT_EQ(reads_in(3), 3);
  EXPECT_EQ(last_, ReceiveOutcome::kWouldBlock);
  tells_ = true;
  EXPECT_EQ(reads_in(7), 1);
}

// Nothing changes behind what is there already, so it is not told of by the kernel.
TEST_F(ToldWatchTest, HearsOfTheEndBehindTheLastBytes) {
  watch();
  send("last");
  shut_down_sending(sockets_.client.get());
  loop_->run_once_for_test();
  EXPECT_EQ(got_, "last");
  loop_->run_once_for_test();
  EXPECT_EQ(last_, ReceiveOutcome::kClosed);
  EXPECT_EQ(reads_in(3), 3);  // As long as it does nothing about it.
  watch_->want_read(false);
  EXPECT_EQ(reads_in(3), 0);
}

class ToldTcpWatchTest : public ToldWatchTest {
 protected:
  ToldTcpWatchTest() { sockets_ = connected_sockets(); }
};

TEST_F(ToldTcpWatchTest, HearsOfAResetBehindTheLastBytes) {
  watch();
  send("last");
  set_reset_on_close(sockets_.client.get());
  sockets_.client.reset();
  EXPECT_TRUE(run_until(*loop_, [&] { return last_ == ReceiveOutcome::kFailed; }));
}

// A receive stops short at an urgent byte, whatever lies behind it.
TEST_F(ToldTcpWatchTest, ReadsOnBehindAnUrgentByte) {
  watch();
  send("before");
  ASSERT_EQ(::send(sockets_.client.get(), "!", 1, MSG_OOB), 1);
  send("behind");
  EXPECT_TRUE(run_until(*loop_, [&] { return got_ == "beforebehind"; }));
  for (int i = 0; i < 3; ++i) loop_->run_once_for_test();
  EXPECT_EQ(reads_in(5), 0);
}

TEST_F(ToldWatchTest, RoomToWriteIsToldForAsLongAsItIsWanted) {
  watch();
  watch_->want_write(true);
  for (int i = 0; i < 3; ++i) loop_->run_once_for_test();
  EXPECT_EQ(writes_, 3);
  receives_ = false;  // Meanwhile it may leave what has come, too.
  send("x");
  EXPECT_EQ(reads_in(3), 3);
  watch_->want_write(false);
  receives_ = true;
  EXPECT_EQ(reads_in(5), 1);
  EXPECT_EQ(writes_, 6);
  EXPECT_EQ(got_, "x");
}

TEST_F(ToldWatchTest, WhatCameWhileItDidNotWantToReadIsTold) {
  watch();
  watch_->want_read(false);
  send("x");
  EXPECT_EQ(reads_in(3), 0);
  watch_->want_read(true);
  EXPECT_EQ(reads_in(5), 1);
  EXPECT_EQ(got_, "x");
}

TEST_F(ToldWatchTest, MayDieWhileItIsToLookAgain) {
  watch(1);
  send("xyz");
  EXPECT_EQ(reads_in(1), 1);
  watch_.reset();
  EXPECT_EQ(reads_in(3), 0);
}

// Who looks again takes half of a turn at most, and the others are not forgotten.
TEST(EventLoopTest, WatchesThatLookAgainLeaveRoomInATurn) {
  auto loop = make_loop();
  constexpr std::size_t kWatches = EventLoop::kTurnEventsMax;
  std::vector<SocketPair> pairs;
  std::vector<int> calls(kWatches + 1, 0);
  std::vector<std::unique_ptr<FdWatch>> watches;
  for (std::size_t i = 0; i <= kWatches; ++i) {
    pairs.push_back(local_sockets());
    const bool is_told = i < kWatches;
    watches.push_back(std::make_unique<FdWatch>(
        *loop, pairs[i].server.get(), [&calls, i](FdWatch::Ready) { ++calls[i]; },
        is_told ? FdWatch::Receives::kTold : FdWatch::Receives::kUntold));
    watches.back()->want_read(true);
    if (is_told) OutputBuffer().send(pairs[i].client.get(), "x");
  }
  loop->run_once_for_test();  // None receives, so all of them look again from now on.
  OutputBuffer().send(pairs[kWatches].client.get(), "x");
  for (int turn = 0; turn < 10; ++turn) loop->run_once_for_test();
  EXPECT_EQ(calls[kWatches], 10);
  for (std::size_t i = 0; i < kWatches; ++i) EXPECT_EQ(calls[i], 6) << i;
}

TEST(TimerTest, FiresOnceNotEarlyAndAtItsLastDeadline) {
  auto loop = make_loop();
  int fired = 0;
  Timer timer(*loop, [&] { ++fired; });
  timer.start(30 * kMs);
  timer.start(120 * kMs);
  const std::int64_t start = SystemClock::instance().mono_ns();
  EXPECT_TRUE(run_until(*loop, [&] { return fired > 0; }));
  EXPECT_GE(SystemClock::instance().mono_ns() - start, 119 * kMs);
  EXPECT_FALSE(timer.is_running());
  timer.start(10'000 * kMs);
  timer.start(20 * kMs);  // Nearer than what was armed.
  EXPECT_TRUE(run_until(*loop, [&] { return fired > 1; }));
  timer.start(20 * kMs);
  timer.stop();
  bool is_later = false;
  Timer later(*loop, [&] { is_later = true; });
  later.start(60 * kMs);
  EXPECT_TRUE(run_until(*loop, [&] { return is_later; }));
  EXPECT_EQ(fired, 2);
}

TEST(TimerTest, MayDieInItsOwnCallback) {
  auto loop = make_loop();
  const std::string text(100, 'x');
  std::string seen;
  std::unique_ptr<Timer> timer;
  timer = std::make_unique<Timer>(*loop, [&, text] {
    timer.reset();
    seen = text;  // The closure still lives.
  });
  timer->start(kMs);
  EXPECT_TRUE(run_until(*loop, [&] { return !seen.empty(); }));
}

TEST(SocketTest, SaysWhichAddressIsTaken) {
  const auto first = listen_on("127.0.0.1:0", false);
  ASSERT_TRUE(first.ok());
  const auto second = listen_on(first->address, false);
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.error().message.find(first->address), std::string::npos);
  EXPECT_EQ(second.error().system_errno, EADDRINUSE);
  for (const auto bad : {"", "a", "127.0.0.1", "127.0.0.1:", ":80", "127.0.0.1:99999", "[::1]80"}) {
    EXPECT_FALSE(listen_on(bad, false).ok()) << bad;
  }
}

TEST(SocketTest, SharesAnAddressBetweenWorkers) {
  const auto first = listen_on("127.0.0.1:0", true);
  ASSERT_TRUE(first.ok());
  const auto second = listen_on(first->address, true);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->address, first->address);
}

TEST(OutputBufferTest, KeepsTheOrderOverShortWrites) {
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
  const UniqueFd ours(pair[0]), theirs(pair[1]);
  OutputBuffer out;
  EXPECT_EQ(out.send(ours.get(), {"a", "", "b"}), OutputBuffer::Outcome::kSent);
  std::string sent = "ab";
  for (int i = 0; i < 40; ++i) {
    const std::string piece(50'000, static_cast<char>('a' + i % 26));
    out.send(ours.get(), {piece, "|"});
    sent += piece + "|";
  }
  EXPECT_FALSE(out.is_empty());
  std::string got;
  std::vector<char> buffer(70'000);
  while (got.size() < sent.size()) {
    const Received received = receive(theirs.get(), buffer.data(), buffer.size());
    if (received.outcome == ReceiveOutcome::kBytes) got.append(received.bytes);
    ASSERT_NE(out.flush(ours.get()), OutputBuffer::Outcome::kBroken);
  }
  EXPECT_EQ(got, sent);
  EXPECT_TRUE(out.is_empty());
  EXPECT_EQ(out.sent_bytes(), sent.size());
}

TEST(OutputBufferTest, TellsABrokenConnection) {
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
  const UniqueFd ours(pair[0]);
  ::close(pair[1]);
  OutputBuffer out;
  EXPECT_EQ(out.send(ours.get(), "x"), OutputBuffer::Outcome::kBroken);
  EXPECT_EQ(out.error_number(), EPIPE);
  EXPECT_TRUE(out.is_empty());
}

}  // namespace
}  // namespace banyan::net
