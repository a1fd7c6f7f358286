// SPDX-License-Identifier: Apache-2.0
//
// What the service manager gives us (sockets) and hears from us (messages).
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

#include "app/inherited_sockets.h"
#include "app/service_notifier.h"
#include "app/watchdog.h"
#include "core/net/inherited_socket.h"

namespace banyan::app {
namespace {

// ---- sockets handed over

TEST(InheritedSocketsTest, NothingWithoutTheVariablesOrForAnotherProcess) {
  for (const ListenEnvironment& environment :
       {ListenEnvironment{}, ListenEnvironment{"7", nullptr, nullptr},
        ListenEnvironment{nullptr, "2", nullptr}, ListenEnvironment{"8", "2", "a:b"},
        ListenEnvironment{"x", "2", "a:b"}}) {
    const auto names = names_of_inherited(environment, 7);
    ASSERT_TRUE(names.ok());
    EXPECT_TRUE(names->empty());
  }
}

TEST(InheritedSocketsTest, NamesMayBeFewerOrMoreThanSockets) {
  EXPECT_EQ(*names_of_inherited({"7", "2", nullptr}, 7), (std::vector<std::string>{"", ""}));
  EXPECT_EQ(*names_of_inherited({"7", "2", "a"}, 7), (std::vector<std::string>{"a", ""}));
  EXPECT_EQ(*names_of_inherited({"7", "2", "a:b:c"}, 7), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(*names_of_inherited({"7", "1", "a\n"}, 7), std::vector<std::string>{"a\\x0a"});
  EXPECT_TRUE(names_of_inherited({"7", "0", ""}, 7)->empty());
}

TEST(InheritedSocketsTest, ACountThatIsNoneIsAnError) {
  EXPECT_EQ(names_of_inherited({"7", "1024", nullptr}, 7)->size(), kInheritedMax);
  for (const char* count : {"1025", "-1", "x", "", "18446744073709551616"}) {
    const auto names = names_of_inherited({"7", count, nullptr}, 7);
    ASSERT_FALSE(names.ok()) << count;
    EXPECT_NE(names.error().message.find("LISTEN_FDS"), std::string::npos);
  }
}

TEST(InheritedSocketsTest, AListeningSocketIsAdoptedWithItsAddress) {
  auto own = net::listen_on("127.0.0.1:0", false);
  ASSERT_TRUE(own.ok());
  const std::string address = own->address;
  auto adopted = net::adopt_listener(own->fd.release());
  ASSERT_TRUE(adopted.ok()) << adopted.error().message;
  EXPECT_EQ(adopted->address, address);
  const auto copy = net::duplicate(adopted->fd.get());
  ASSERT_TRUE(copy.ok());
  EXPECT_NE(copy->get(), adopted->fd.get());
}

TEST(InheritedSocketsTest, WhatIsNoListeningSocketIsRefusedAndLeftAlone) {
  const net::UniqueFd plain(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const net::UniqueFd datagram(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const net::UniqueFd local(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  for (const int fd : {plain.get(), datagram.get(), local.get(), 9999}) {
    const auto adopted = net::adopt_listener(fd);
    ASSERT_FALSE(adopted.ok());
    EXPECT_NE(adopted.error().message.find("not a listening TCP socket"), std::string::npos);
  }
}

// ---- messages

class NotifierTest : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/banyan_notify_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void listen(const std::string& address) {
    sockaddr_un target{};
    target.sun_family = AF_UNIX;
    std::memcpy(target.sun_path, address.data(), address.size());
    if (address[0] == '@') target.sun_path[0] = '\0';
    fd_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    ASSERT_EQ(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&target),
                     static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size())),
              0);
  }
  std::string next() {
    char buffer[4096];
    const ssize_t got = ::recv(fd_.get(), buffer, sizeof buffer, 0);
    return got < 0 ? "(none)" : std::string(buffer, static_cast<std::size_t>(got));
  }

  std::string folder_;
  net::UniqueFd fd_;
};

TEST_F(NotifierTest, MessagesReachAPathAndAnAbstractSocket) {
  for (const std::string& address :
       {folder_ + "/notify", "@banyan-notify-" + std::to_string(::getpid())}) {
    listen(address);
    const auto notifier = ServiceNotifier::open(address);
    ASSERT_TRUE(notifier.ok());
    EXPECT_TRUE(notifier->is_on());
    notifier->ready("serving\non two lines");
    notifier->reloading(1234567);
    notifier->status("fine");
    notifier->alive();
    notifier->stopping("bye");
    EXPECT_EQ(next(), "READY=1\nSTATUS=serving\\x0aon two lines");
    EXPECT_EQ(next(), "RELOADING=1\nMONOTONIC_USEC=1234567\nSTATUS=reloading the config");
    EXPECT_EQ(next(), "STATUS=fine");
    EXPECT_EQ(next(), "WATCHDOG=1");
    EXPECT_EQ(next(), "STOPPING=1\nSTATUS=bye");
    EXPECT_EQ(next(), "(none)");
  }
}

TEST_F(NotifierTest, NobodyThereIsNoTrouble) {
  const auto none = ServiceNotifier::open("");
  ASSERT_TRUE(none.ok());
  EXPECT_FALSE(none->is_on());
  none->ready("x");
  const auto gone = ServiceNotifier::open(folder_ + "/nobody");
  ASSERT_TRUE(gone.ok());
  gone->ready("x");
}

TEST_F(NotifierTest, WhatIsNoAddressIsRefused) {
  for (const std::string& address :
       {std::string("relative"), std::string("@"), std::string("/"), "/" + std::string(200, 'x')}) {
    EXPECT_FALSE(ServiceNotifier::open(address).ok()) << address;
  }
}

TEST(WatchdogPeriodTest, IsOursAndSensible) {
  EXPECT_EQ(watchdog_period_ns("30000000", nullptr, 7), 30'000'000'000);
  EXPECT_EQ(watchdog_period_ns("30000000", "7", 7), 30'000'000'000);
  EXPECT_EQ(watchdog_period_ns("30000000", "8", 7), 0);
  EXPECT_EQ(watchdog_period_ns(nullptr, "7", 7), 0);
  for (const char* text : {"", "0", "-5", "x", "99999999999999999999"}) {
    EXPECT_EQ(watchdog_period_ns(text, nullptr, 7), 0) << text;
  }
}

// ---- liveness

class FakePulse final : public Pulse {
 public:
  void ask() override { ++asked; }
  bool has_answered() const override { return answers; }
  const char* name() const override { return "worker"; }
  int asked = 0;
  bool answers = true;
};

TEST(WatchdogTest, SpeaksOnlyWhileAllAnswer) {
  FakePulse one, other;
  int alive = 0;
  Watchdog dog(1'000'000'000, {&one, &other}, [&] { ++alive; });
  dog.look();
  EXPECT_EQ(alive, 1);  // Nobody was asked yet.
  dog.look();
  EXPECT_EQ(alive, 2);
  EXPECT_EQ(one.asked, 2);
  other.answers = false;
  dog.look();
  dog.look();
  EXPECT_EQ(alive, 2);
  EXPECT_EQ(other.asked, 2);  // It does not collect questions.
  other.answers = true;
  dog.look();
  EXPECT_EQ(alive, 3);
}

TEST(WatchdogTest, StopsAtOnce) {
  FakePulse pulse;
  Watchdog dog(3'600'000'000'000, {&pulse}, [] {});
  dog.start();
  dog.stop();
}

}  // namespace
}  // namespace banyan::app
