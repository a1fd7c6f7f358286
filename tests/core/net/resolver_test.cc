// SPDX-License-Identifier: Apache-2.0
#include "core/net/resolver.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <optional>

#include "tests/core/net/fake_dns.h"
#include "tests/core/net/fake_peers.h"
#include "tests/support/times.h"

namespace banyan::net {
namespace {

struct ResolverTest : testing::Test {
  ResolverTest()
      : loop(std::move(EventLoop::create()).value()),
        dns(*loop, [](const DnsQuestion&) { return std::vector<std::string>(); }) {
    options.servers = {dns.address()};
    options.timeout_ns = 60 * kMs;
    options.tries = 2;
  }
  NameAnswer ask(const std::string& name, AddressFamily family = AddressFamily::kIpv4) {
    if (!resolver) resolver = std::make_unique<Resolver>(*loop, options);
    std::optional<NameAnswer> got;
    resolver->resolve(name, family, [&](NameAnswer answer) { got = std::move(answer); });
    EXPECT_TRUE(run_until(*loop, [&] { return got.has_value(); }));
    return got.value_or(NameAnswer());
  }
  void answer_with(std::function<std::string(const DnsQuestion&)> one) {
    dns.set_script([one = std::move(one)](const DnsQuestion& question) {
      return std::vector<std::string>{one(question)};
    });
  }

  std::unique_ptr<EventLoop> loop;
  FakeDns dns;
  DnsOptions options;
  std::unique_ptr<Resolver> resolver;
};

using AnswerOutcome = NameAnswer::Outcome;

TEST_F(ResolverTest, ReadsBothFamiliesWithTheirTimes) {
  answer_with([](const DnsQuestion& question) {
    DnsReply reply(question);
    if (question.type == 1) return reply.a("10.1.2.3", 40).a("10.1.2.4", 30).bytes();
    return reply.aaaa("2001:db8::7", 20).bytes();
  });
  NameAnswer v4 = ask("a.test");
  EXPECT_EQ(v4.outcome, AnswerOutcome::kAddresses);
  EXPECT_EQ(v4.addresses, (std::vector<std::string>{"10.1.2.3", "10.1.2.4"}));
  EXPECT_EQ(v4.ttl_ns, 30'000 * kMs);
  const NameAnswer v6 = ask("a.test", AddressFamily::kIpv6);
  EXPECT_EQ(v6.addresses, std::vector<std::string>{"2001:db8::7"});
  EXPECT_EQ(v6.ttl_ns, 20'000 * kMs);
}

TEST_F(ResolverTest, FollowsAliasesAndTakesTheShortestTime) {
  answer_with([](const DnsQuestion& question) {
    return DnsReply(question)
        .cname("a.test", "b.test", 7)
        .cname("b.test", "c.test", 90)
        .a_of("c.test", "10.0.0.9", 300)
        .bytes();
  });
  const NameAnswer answer = ask("a.test");
  EXPECT_EQ(answer.addresses, std::vector<std::string>{"10.0.0.9"});
  EXPECT_EQ(answer.ttl_ns, 7'000 * kMs);
}

TEST_F(ResolverTest, AliasesInACircleEndWithoutAnAddress) {
  answer_with([](const DnsQuestion& question) {
    return DnsReply(question).cname("a.test", "b.test").cname("b.test", "a.test").bytes();
  });
  const NameAnswer answer = ask("a.test");
  EXPECT_NE(answer.outcome, AnswerOutcome::kAddresses);
  EXPECT_TRUE(answer.addresses.empty());
  EXPECT_FALSE(answer.message.empty());
}

TEST_F(ResolverTest, TellsWhatIsNotThereFromWhatFailed) {
  const std::vector<std::tuple<int, AnswerOutcome, std::string>> codes{
      {0, AnswerOutcome::kNone, "no address"},
      {3, AnswerOutcome::kNone, "NXDOMAIN"},
      {2, AnswerOutcome::kFailed, "each failed to answer"},
      {5, AnswerOutcome::kFailed, "each failed to answer"},
  };
  for (const auto& [code, outcome, word] : codes) {
    answer_with([code = code](const DnsQuestion& q) { return DnsReply(q).code(code).bytes(); });
    const NameAnswer answer = ask("a.test");
    EXPECT_EQ(answer.outcome, outcome) << code << answer.message;
    EXPECT_NE(answer.message.find(word), std::string::npos) << answer.message;
  }
}

TEST_F(ResolverTest, TruncatedAnswerIsAskedForAgainOverTcp) {
  answer_with([](const DnsQuestion& question) {
    DnsReply reply(question);
    if (!question.is_tcp) return reply.truncated().bytes();
    for (int i = 0; i < 40; ++i) reply.a("10.0.1." + std::to_string(i));
    return reply.bytes();
  });
  EXPECT_EQ(ask("a.test").addresses.size(), 40U);
  ASSERT_EQ(dns.questions.size(), 2U);
  EXPECT_TRUE(dns.questions[1].is_tcp);
}

TEST_F(ResolverTest, BoundsTheAddressesOfOneName) {
  options.addresses_max = 3;
  answer_with([](const DnsQuestion& question) {
    DnsReply reply(question);
    for (int i = 0; i < 8; ++i) reply.a("10.0.1." + std::to_string(i % 5));
    return reply.bytes();
  });
  const NameAnswer answer = ask("a.test");
  EXPECT_EQ(answer.addresses.size(), 3U);
  EXPECT_EQ(answer.left_out, 2U);
}

// Somebody who guesses: other ids, another question, cut and senseless messages. The real answer
// comes last.
TEST_F(ResolverTest, IgnoresAnswersToOtherQuestions) {
  dns.set_script([](const DnsQuestion& question) {
    DnsQuestion other = question;
    other.section = std::string("\1x\4test\0\0\1\0\1", 12);
    const std::string real = DnsReply(question).a("10.0.0.1").bytes();
    std::vector<std::string> replies{DnsReply(question).id("zz").a("66.6.6.6").bytes(),
                                     DnsReply(other).a("66.6.6.6").bytes(), "garbage",
                                     std::string(1, '\0'), real.substr(0, 11)};
    replies.push_back(real);
    return replies;
  });
  EXPECT_EQ(ask("a.test").addresses, std::vector<std::string>{"10.0.0.1"});
}

// Every cut and many flipped bytes of a good answer: it may fail, but in time and without harm.
TEST_F(ResolverTest, SurvivesDamagedAnswers) {
  const auto good = [](const DnsQuestion& question) {
    return DnsReply(question).cname("a.test", "b.test", 7).a_of("b.test", "10.0.0.9").bytes();
  };
  options.timeout_ns = 5 * kMs;
  options.tries = 1;
  Dice dice(7);
  for (std::size_t i = 2; i < 120; ++i) {
    answer_with([&](const DnsQuestion& question) {
      std::string bytes = good(question);
      if (i < bytes.size()) return bytes.substr(0, i);
      bytes[2 + dice.below(static_cast<std::uint32_t>(bytes.size() - 2))] ^=
          static_cast<char>(1U << dice.below(8));
      return bytes;
    });
    const NameAnswer answer = ask("a.test");
    EXPECT_EQ(answer.outcome == AnswerOutcome::kAddresses, !answer.addresses.empty());
  }
  answer_with(good);
  EXPECT_EQ(ask("a.test").addresses, std::vector<std::string>{"10.0.0.9"});
}

TEST_F(ResolverTest, SilentServerFailsInTimeAndTheNextOneIsAsked) {
  const NameAnswer silent = ask("a.test");
  EXPECT_EQ(silent.outcome, AnswerOutcome::kFailed);
  EXPECT_NE(silent.message.find("in time"), std::string::npos) << silent.message;
  EXPECT_NE(silent.message.find(dns.address()), std::string::npos) << silent.message;
  EXPECT_EQ(dns.questions.size(), 2U);  // tries

  FakeDns second(*loop, [](const DnsQuestion& question) {
    return std::vector<std::string>{DnsReply(question).a("10.0.0.2").bytes()};
  });
  options.servers.push_back(second.address());
  resolver->set_options(options);
  EXPECT_EQ(ask("a.test").addresses, std::vector<std::string>{"10.0.0.2"});
}

TEST_F(ResolverTest, ServesManyQuestionsAtOnce) {
  answer_with([](const DnsQuestion& q) { return DnsReply(q).a("10.0.0.1").bytes(); });
  options.timeout_ns = 5 * kSecond;
  Resolver many(*loop, options);
  int answered = 0;
  for (int i = 0; i < 200; ++i) {
    many.resolve("n" + std::to_string(i) + ".test", AddressFamily::kIpv4,
                 [&](NameAnswer answer) { answered += answer.addresses.size() == 1 ? 1 : 0; });
  }
  EXPECT_TRUE(run_until(*loop, [&] { return answered == 200; }));
}

TEST_F(ResolverTest, MayDieWithQuestionsOpen) {
  bool is_called = false;
  auto dying = std::make_unique<Resolver>(*loop, options);
  dying->resolve("a.test", AddressFamily::kIpv4, [&](NameAnswer) { is_called = true; });
  loop->run_once_for_test(5 * kMs);
  dying.reset();
  loop->run_once_for_test(5 * kMs);
  EXPECT_FALSE(is_called);
}

TEST_F(ResolverTest, AsksAgainInsideAnAnswer) {
  answer_with([](const DnsQuestion& q) { return DnsReply(q).a("10.0.0.1").bytes(); });
  Resolver one(*loop, options);
  int answers = 0;
  Resolver::Done again = [&](NameAnswer) {
    if (++answers < 20) one.resolve("a.test", AddressFamily::kIpv4, again);
  };
  one.resolve("a.test", AddressFamily::kIpv4, again);
  EXPECT_TRUE(run_until(*loop, [&] { return answers == 20; }));
}

TEST_F(ResolverTest, NamesWithoutSenseAreFailures) {
  for (const std::string& name : {std::string("a..b"), std::string(300, 'x'),
                                  std::string(70, 'y') + ".test", std::string("")}) {
    EXPECT_NE(ask(name).outcome, AnswerOutcome::kAddresses) << name;
  }
}

TEST_F(ResolverTest, KnowsLocalhostWithoutAsking) {
  const NameAnswer answer = ask("localhost");
  EXPECT_EQ(answer.addresses, std::vector<std::string>{"127.0.0.1"});
  EXPECT_TRUE(dns.questions.empty());
}

// The machine's own settings: which server, and what is wrong where there is none.
TEST_F(ResolverTest, SaysWhatIsWrongWithTheMachinesSettings) {
  char path[] = "/tmp/banyan-resolv-XXXXXX";
  const int fd = ::mkstemp(path);
  ASSERT_GE(fd, 0);
  ::close(fd);
  options.servers.clear();
  options.resolv_conf = path;
  options.tries = 1;
  std::ofstream(path) << "# nothing\n";
  const std::string empty = ask("a.test").message;
  EXPECT_NE(empty.find("names no server, so 127.0.0.1 was asked"), std::string::npos) << empty;
  // Read again for the next question, so that a repaired file heals by itself.
  std::ofstream(path) << "nameserver 127.0.0.53\noptions timeout:1\n";
  const std::string silent = ask("a.test").message;
  EXPECT_NE(silent.find("servers are those of"), std::string::npos) << silent;
  ::unlink(path);
  const std::string missing = ask("a.test").message;
  EXPECT_NE(missing.find("cannot be read"), std::string::npos) << missing;
}

TEST(ResolverServerTest, TakesOnlyAddressesWithPorts) {
  for (const char* good : {"10.0.0.2:53", "[::1]:5353"}) {
    EXPECT_EQ(Resolver::problem_with_server(good), "") << good;
  }
  for (const char* bad : {"", "10.0.0.2", "10.0.0.2:0", "10.0.0.2:99999", "::1:53", "[::1]",
                          "dns.test:53", "10.0.0.2:53,10.0.0.3:53", "[10.0.0.2]:53"}) {
    EXPECT_NE(Resolver::problem_with_server(bad), "") << bad;
  }
}

}  // namespace
}  // namespace banyan::net
