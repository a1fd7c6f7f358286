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
  constexpr std::size_t kSockets = 2 * EventLoop::kTurnEventsMax + 1;
  int served = 0;
  std::vector<UniqueFd> fds;
  std::vector<std::unique_ptr<FdWatch>> watches;
  for (std::size_t i = 0; i < kSockets; ++i) {
    int pair[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    fds.emplace_back(pair[0]);
    fds.emplace_back(pair[1]);
    OutputBuffer().send(pair[1], "x");
    watches.push_back(std::make_unique<FdWatch>(*loop, pair[0], [&, i](FdWatch::Ready) {
      ++served;
      watches[i]->want_read(false);
    }));
    watches.back()->want_read(true);
  }
  // libevent asks for 32 at first, and for more once so many were ready.
  int most = 0;
  int turns = 0;
  for (int before = 0; served < static_cast<int>(kSockets) && turns < 100; ++turns) {
    loop->run_once_for_test();
    most = std::max(most, served - std::exchange(before, served));
  }
  EXPECT_EQ(served, static_cast<int>(kSockets));
  EXPECT_LE(most, EventLoop::kTurnEventsMax);
  EXPECT_GE(turns, 3);
}

// At the edge: one more than the bound, all at hand at once.
TEST(EventLoopTest, TheSocketBeyondTheBoundHasTheNextTurn) {
  auto loop = make_loop();
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
  const UniqueFd ours(pair[0]), theirs(pair[1]);
  OutputBuffer().send(theirs.get(), "x");
  int served = 0, at_turn_end = 0;
  std::vector<std::unique_ptr<FdWatch>> watches;
  const auto hook = loop->at_turn_end([&] { at_turn_end = served; });
  for (int i = 0; i <= EventLoop::kTurnEventsMax; ++i) {
    // Several watches of one descriptor are ready together.
    watches.push_back(std::make_unique<FdWatch>(*loop, ours.get(), [&](FdWatch::Ready) {
      if (++served < 4 * EventLoop::kTurnEventsMax) return;
      for (const auto& watch : watches) watch->want_read(false);  // A turn without a bound ends.
    }));
    watches.back()->want_read(true);
  }
  loop->run_once_for_test();
  EXPECT_EQ(at_turn_end, EventLoop::kTurnEventsMax);
  loop->run_once_for_test();
  EXPECT_GT(at_turn_end, EventLoop::kTurnEventsMax);
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
