// SPDX-License-Identifier: Apache-2.0
//
// Other options, listeners and systems while requests run: none is lost.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "core/net/inherited_socket.h"
#include "proxy/standstill.h"
#include "tests/proxy/rig.h"

namespace banyan::proxy {
namespace {

std::string get(const std::string& target, std::string_view extra = "") {
  return "GET " + target + " HTTP/1.1\r\nHost: a\r\n" + std::string(extra) + "\r\n";
}

class ReloadTest : public testing::Test {
 protected:
  void start(int workers = 2) {
    rig_.options.workers = workers;
    rig_.set_legacy(legacy_.address());
    rig_.start();
  }
  bool reload(const ProxyOptions& next, bool renews = true) {
    auto change = rig_.proxy->prepare(next, renews);
    EXPECT_TRUE(change.ok()) << (change.ok() ? "" : change.error().message);
    return change.ok() && rig_.proxy->apply(*std::move(change), [this] { ++standstills_; });
  }
  static std::string ask(Wire& wire, const std::string& target = "/") {
    if (!wire.is_open() || !wire.send(get(target))) return "(refused)";
    const Message answer = wire.read_answer();
    return answer.is_whole ? std::to_string(answer.status()) + " " + answer.body : "(cut)";
  }
  static std::string ask_at(const std::string& address, const std::string& target = "/") {
    Wire wire = Wire::connect(address);
    return ask(wire, target);
  }
  std::string front() const { return rig_.proxy->addresses().front(); }

  Rig rig_;
  Origin legacy_{Origin::answering([](const Message&) { return plain_answer("ok"); })};
  int standstills_ = 0;
};

TEST_F(ReloadTest, NewLimitsHoldForNewConnections) {
  start();
  const std::string target = "/" + std::string(200, 'x');
  EXPECT_EQ(ask_at(front(), target), "200 ok");
  ProxyOptions next = rig_.options;
  next.limits.target_bytes_max = 100;
  ASSERT_TRUE(reload(next));
  EXPECT_EQ(standstills_, 1);
  EXPECT_EQ(ask_at(front(), target).substr(0, 3), "414");
  EXPECT_EQ(ask_at(front()), "200 ok");
  ASSERT_TRUE(reload(rig_.options));
  EXPECT_EQ(ask_at(front(), target), "200 ok");
}

TEST_F(ReloadTest, ConnectionLimitsHoldAtOnce) {
  start(1);
  Wire kept = rig_.client();
  EXPECT_EQ(ask(kept), "200 ok");
  ProxyOptions next = rig_.options;
  next.limits.connections_max = 1;
  ASSERT_TRUE(reload(next));
  EXPECT_EQ(ask_at(front()).substr(0, 3), "503");
  EXPECT_EQ(ask(kept), "200 ok");
}

TEST_F(ReloadTest, TimeoutsHoldFromTheNextDeadlineOn) {
  start(1);
  ProxyOptions next = rig_.options;
  next.timeouts.keep_alive_ns = 50'000'000;
  ASSERT_TRUE(reload(next));
  Wire wire = rig_.client();
  EXPECT_EQ(ask(wire), "200 ok");
  EXPECT_TRUE(wire.sees_end());
}

TEST_F(ReloadTest, ListenersComeGoAndComeBackWhileKeptConnectionsServeOn) {
  start();
  Wire kept = rig_.client();
  EXPECT_EQ(ask(kept), "200 ok");
  const std::string first = front();
  ProxyOptions next = rig_.options;
  // A free port, found by a socket that is closed again.
  std::string second;
  { second = net::listen_on("127.0.0.1:0", false)->address; }
  next.listeners.emplace_back().address = second;
  ASSERT_TRUE(reload(next));
  EXPECT_EQ(rig_.proxy->addresses(), (std::vector<std::string>{first, second}));
  EXPECT_EQ(ask_at(first), "200 ok");
  EXPECT_EQ(ask_at(second), "200 ok");
  next.listeners.erase(next.listeners.begin());
  ASSERT_TRUE(reload(next));
  EXPECT_EQ(rig_.proxy->addresses(), std::vector<std::string>{second});
  EXPECT_TRUE(eventually([&] { return ask_at(first) == "(refused)"; }));
  EXPECT_EQ(ask(kept), "200 ok");
  EXPECT_EQ(ask_at(second), "200 ok");
}

TEST_F(ReloadTest, APortInUseRefusesTheWhole) {
  start();
  const auto taken = net::listen_on("127.0.0.1:0", false);
  ProxyOptions next = rig_.options;
  next.limits.target_bytes_max = 1;
  next.listeners.emplace_back().address = taken->address;
  const auto change = rig_.proxy->prepare(next, true);
  ASSERT_FALSE(change.ok());
  EXPECT_NE(change.error().message.find(taken->address), std::string::npos);
  EXPECT_EQ(change.error().origin, ErrorOrigin::kConfig);
  EXPECT_EQ(ask_at(front(), "/abc"), "200 ok");
}

TEST_F(ReloadTest, TrustAndViaOfAListenerChangeForNewConnections) {
  std::mutex mutex;
  Message seen;
  Origin origin(Origin::answering([&](const Message& request) {
    std::lock_guard lock(mutex);
    seen = request;
    return plain_answer("seen");
  }));
  rig_.set_legacy(origin.address());
  rig_.options.workers = 1;
  rig_.start();
  const auto forwarded_for = [&](Wire& wire) {
    EXPECT_TRUE(wire.send(get("/", "X-Forwarded-For: 192.0.2.9\r\n")));
    wire.read_answer();
    std::lock_guard lock(mutex);
    return seen.field("x-forwarded-for");
  };
  Wire old = rig_.client();
  EXPECT_EQ(forwarded_for(old), "127.0.0.1");
  ProxyOptions next = rig_.options;
  next.listeners[0].trusted = {"127.0.0.0/8"};
  ASSERT_TRUE(reload(next));
  Wire fresh = rig_.client();
  EXPECT_EQ(forwarded_for(fresh), "192.0.2.9, 127.0.0.1");
  EXPECT_EQ(forwarded_for(old), "127.0.0.1");
}

TEST_F(ReloadTest, ARequestInFlightIsAnsweredByTheSystemOfBefore) {
  std::atomic<bool> may_answer{false}, has_request{false};
  Origin slow([&](Wire& wire) {
    wire.read_request();
    has_request = true;
    while (!may_answer) std::this_thread::yield();
    wire.send(plain_answer("slow"));
  });
  rig_.set_legacy(slow.address());
  rig_.options.workers = 1;
  rig_.start();
  Wire wire = rig_.client();
  ASSERT_TRUE(wire.send(get("/")));
  ASSERT_TRUE(eventually([&] { return has_request.load(); }));
  ProxyOptions next = rig_.options;
  next.legacy.host = "other.internal";
  next.limits.body_captured_max = 0;  // below what may be captured already
  ASSERT_TRUE(reload(next));
  may_answer = true;
  EXPECT_EQ(wire.read_answer().body, "slow");
}

// The bar in small: requests all the time, reloads all the time, nothing fails.
TEST_F(ReloadTest, AHundredReloadsUnderLoadFailNoRequest) {
  start(2);
  std::atomic<bool> is_ending{false};
  std::atomic<int> good{0}, bad{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&, i] {
      Wire kept = Wire::connect(front());
      while (!is_ending) {
        const bool is_kept = i % 2 == 0;
        const std::string answer = is_kept ? ask(kept, "/a") : ask_at(front(), "/b");
        ++(answer == "200 ok" ? good : bad);
      }
    });
  }
  for (int i = 0; i < 100; ++i) {
    ProxyOptions next = rig_.options;
    next.limits.body_captured_max = static_cast<std::uint64_t>(i);
    next.limits.inline_body_max = static_cast<std::uint64_t>(i % 7);
    next.legacy.upstream.connections_max = 4U + static_cast<std::size_t>(i) % 9;
    next.listeners[0].writes_via = i % 2 == 0;
    EXPECT_TRUE(reload(next, i % 3 == 0));
  }
  // However busy the machine, some are asked behind the last reload.
  const int asked = good + bad;
  EXPECT_TRUE(eventually([&] { return good + bad >= asked + 8; }));
  is_ending = true;
  for (auto& client : clients) client.join();
  EXPECT_EQ(bad, 0);
  EXPECT_GT(good, 0);
  EXPECT_EQ(standstills_, 100);
}

TEST_F(ReloadTest, AStoppedProxyTakesNoChange) {
  start();
  auto change = rig_.proxy->prepare(rig_.options, true);
  ASSERT_TRUE(change.ok());
  rig_.proxy->stop(0);
  EXPECT_FALSE(rig_.proxy->apply(*std::move(change), [] { FAIL(); }));
}

TEST_F(ReloadTest, WhoHasJustConnectedIsAnsweredBeforeTheStop) {
  start(1);
  Wire silent = rig_.client(), fresh = rig_.client();
  EXPECT_EQ(ask(silent), "200 ok");
  Wire idle = std::move(silent);
  std::thread stopping([&] { rig_.proxy->stop(10'000'000'000); });
  EXPECT_TRUE(idle.sees_end());  // closed at once
  EXPECT_EQ(ask(fresh), "200 ok");
  EXPECT_TRUE(fresh.sees_end());
  stopping.join();
}

TEST_F(ReloadTest, WhoConnectsAndSaysNothingHoldsUpNoStop) {
  start(1);
  Wire silent = rig_.client();
  ASSERT_TRUE(eventually([&] { return rig_.proxy->stats().connections_open == 1; }));
  rig_.proxy->stop(20'000'000'000);
  EXPECT_TRUE(silent.sees_end());
  EXPECT_FALSE(silent.was_reset());
}

TEST_F(ReloadTest, WorkersAnswerAWatchdog) {
  start();
  rig_.proxy->ask_beat();
  EXPECT_TRUE(eventually([&] { return rig_.proxy->has_answered_beat(); }));
}

// ---- sockets handed over

TEST_F(ReloadTest, InheritedSocketsServeOnAfterAStopForTheNextProcess) {
  auto socket = net::listen_on("127.0.0.1:0", true);
  const std::string address = socket->address;
  const auto holder = net::duplicate(socket->fd.get());
  rig_.options.listeners[0].address = address;
  rig_.extras.inherited.push_back(*std::move(socket));
  start(3);  // more workers than sockets
  EXPECT_EQ(ask_at(address), "200 ok");
  rig_.stop();
  // Nobody accepts, and nobody is refused: the connection waits for the next process.
  Wire waiting = Wire::connect(address);
  ASSERT_TRUE(waiting.is_open());
  ASSERT_TRUE(waiting.send(get("/")));
  Rig next;
  auto again = net::duplicate(holder->get());
  next.options.listeners[0].address = address;
  next.extras.inherited.push_back({std::move(*again), address});
  next.set_legacy(legacy_.address());
  next.start();
  EXPECT_EQ(waiting.read_answer().body, "ok");
}

TEST_F(ReloadTest, SeveralSocketsOfAnAddressAllHaveAWorker) {
  auto first = net::listen_on("127.0.0.1:0", true);
  const std::string address = first->address;
  rig_.extras.inherited.push_back(*std::move(first));
  for (int i = 0; i < 3; ++i) {
    rig_.extras.inherited.push_back(*net::listen_on(address, true));
  }
  rig_.options.listeners[0].address = address;
  start(2);
  for (int i = 0; i < 40; ++i) ASSERT_EQ(ask_at(address), "200 ok");
  // A reload keeps them.
  ASSERT_TRUE(reload(rig_.options));
  for (int i = 0; i < 40; ++i) ASSERT_EQ(ask_at(address), "200 ok");
}

TEST_F(ReloadTest, ASocketThatNoListenerHasIsAClearError) {
  auto socket = net::listen_on("127.0.0.1:0", true);
  const std::string address = socket->address;
  rig_.extras.inherited.push_back(*std::move(socket));
  const Status opened = rig_.try_open();
  ASSERT_FALSE(opened.ok());
  EXPECT_NE(opened.error().message.find(address), std::string::npos);
  EXPECT_NE(opened.error().message.find("[[listeners]]"), std::string::npos);
}

// ---- the gate

TEST(StandstillTest, AWorkerThatDoesNotComeCallsItOff) {
  Standstill gate(2);
  bool went_on = true;
  std::thread worker([&] { went_on = gate.arrive(); });
  EXPECT_FALSE(gate.wait_for_all(20'000'000));
  worker.join();
  EXPECT_FALSE(went_on);
  EXPECT_FALSE(gate.arrive());  // who comes late does not stay either
}

TEST(StandstillTest, AllGoOnTogether) {
  Standstill gate(3);
  std::atomic<int> inside{0};
  std::vector<std::thread> workers;
  for (int i = 0; i < 3; ++i) {
    workers.emplace_back([&] {
      EXPECT_TRUE(gate.arrive());
      ++inside;
      gate.leave();
    });
  }
  ASSERT_TRUE(gate.wait_for_all(20'000'000'000));
  EXPECT_EQ(inside, 0);
  gate.open();
  gate.wait_until_left();
  EXPECT_EQ(inside, 3);
  for (auto& worker : workers) worker.join();
}

// ---- access log

class KeptAccess final : public AccessSink {
 public:
  struct Line {
    std::string exchange, target, referer, route, answered_by, upstream, error, mirror;
    int status = 0;
    std::uint64_t request_bytes = 0, answer_bytes = 0;
    std::int64_t first_byte_ns = 0;
  };
  class Lane final : public AccessLane {
   public:
    explicit Lane(KeptAccess& kept) : kept_(kept) {}
    bool is_on() const override { return kept_.is_on; }
    void write(const AccessEntry& entry) override {
      std::lock_guard lock(kept_.mutex);
      kept_.lines.push_back({std::string(entry.exchange), std::string(entry.target),
                             std::string(entry.referer), std::string(entry.route),
                             std::string(entry.answered_by), std::string(entry.upstream),
                             std::string(entry.error), std::string(entry.mirror), entry.status,
                             entry.request_bytes, entry.answer_bytes, entry.first_byte_ns});
    }

   private:
    KeptAccess& kept_;
  };
  std::unique_ptr<AccessLane> open_lane() override { return std::make_unique<Lane>(*this); }
  std::vector<Line> wait_for(std::size_t count) {
    EXPECT_TRUE(eventually([&] {
      std::lock_guard lock(mutex);
      return lines.size() >= count;
    }));
    std::lock_guard lock(mutex);
    return lines;
  }
  std::mutex mutex;
  std::vector<Line> lines;
  std::atomic<bool> is_on{true};
};

TEST_F(ReloadTest, EachExchangeAndEachRefusalIsTold) {
  KeptAccess access;
  rig_.extras.access = &access;
  rig_.redaction = {{"query:token", false}};
  start(1);
  Wire wire = rig_.client();
  ASSERT_TRUE(
      wire.send("POST /a?token=canary&b=c HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
                "Referer: http://x/?token=canary\r\n\r\nabc"));
  EXPECT_EQ(wire.read_answer().body, "ok");
  auto lines = access.wait_for(1);
  EXPECT_EQ(lines[0].status, 200);
  EXPECT_EQ(lines[0].exchange.size(), 32U);
  EXPECT_EQ(lines[0].route, "default");
  EXPECT_EQ(lines[0].answered_by, "legacy");
  EXPECT_NE(lines[0].upstream.find(legacy_.address()), std::string::npos);
  EXPECT_EQ(lines[0].request_bytes, 3U);
  EXPECT_EQ(lines[0].answer_bytes, 2U);
  EXPECT_GE(lines[0].first_byte_ns, 0);
  EXPECT_EQ((lines[0].target + lines[0].referer).find("canary"), std::string::npos);
  EXPECT_NE(lines[0].target.find("b=c"), std::string::npos);
  Wire bad = rig_.client();
  ASSERT_TRUE(bad.send("nonsense\r\n\r\n"));
  EXPECT_EQ(bad.read_answer().status(), 400);
  lines = access.wait_for(2);
  EXPECT_EQ(lines[1].status, 400);
  EXPECT_EQ(lines[1].answered_by, "banyan");
  EXPECT_EQ(lines[1].exchange, "");
  access.is_on = false;
  EXPECT_EQ(ask(wire), "200 ok");
  rig_.stop();
  EXPECT_EQ(access.lines.size(), 2U);
}

TEST_F(ReloadTest, AnAnswerOfOurOwnIsToldWithItsCode) {
  KeptAccess access;
  rig_.extras.access = &access;
  rig_.set_legacy("127.0.0.1:1");
  rig_.options.workers = 1;
  rig_.start();
  EXPECT_EQ(ask_at(front()).substr(0, 3), "502");
  const auto lines = access.wait_for(1);
  EXPECT_EQ(lines[0].error, "connect_failed");
  EXPECT_EQ(lines[0].answered_by, "banyan");
  EXPECT_EQ(lines[0].first_byte_ns, -1);
  rig_.stop();
}

}  // namespace
}  // namespace banyan::proxy
