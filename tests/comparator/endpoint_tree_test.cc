// SPDX-License-Identifier: Apache-2.0
//
// What is collapsed and what stays, every bound, and the laws: the same order gives the same names
// whenever the tree is asked or written, and a name's name is itself.
#include "comparator/endpoint_tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

namespace banyan::comparator {
namespace {

std::string word_of(std::size_t number) {
  std::string out = "w";
  do {
    out.push_back(static_cast<char>('a' + number % 26));
    number /= 26;
  } while (number > 0);
  return out;
}

std::string counted(EndpointTree& tree, const std::string& endpoint) {
  return std::string(tree.count(endpoint));
}

TEST(EndpointTreeTest, NamesOfThingsBecomeOneAndMeStays) {
  EndpointTree tree;
  for (std::size_t i = 0; i < 300; ++i) {
    counted(tree, "GET /users/" + word_of(i));
    if (i % 5 == 0) counted(tree, "GET /users/me");
    counted(tree, "GET /users/" + word_of(i) + "/orders/{}");
  }
  EXPECT_TRUE(tree.take_collapsed());
  EXPECT_FALSE(tree.take_collapsed());
  EXPECT_EQ(counted(tree, "GET /users/me"), "GET /users/me");
  EXPECT_EQ(counted(tree, "GET /users/ada"), "GET /users/{}");
  EXPECT_EQ(counted(tree, "GET /users/ada/orders/{}"), "GET /users/{}/orders/{}");
  EXPECT_EQ(tree.name_of("GET /users/" + word_of(0)), "GET /users/{}");
  EXPECT_EQ(tree.name_of("GET /users/{}"), "GET /users/{}");
  EXPECT_EQ(tree.stats().collapsed, 1U);
  EXPECT_LT(tree.stats().nodes, 10U);
}

TEST(EndpointTreeTest, ResourcesThatComeAgainStay) {
  EndpointTree tree;
  for (std::size_t i = 0; i < 10'000; ++i) counted(tree, "GET /" + word_of(i % 40) + "/{}");
  EXPECT_FALSE(tree.take_collapsed());
  EXPECT_EQ(counted(tree, "GET /" + word_of(7) + "/{}"), "GET /" + word_of(7) + "/{}");
  // Two of a sort are not enough to say.
  counted(tree, "GET /rare/{}");
  EXPECT_EQ(counted(tree, "GET /rare/{}"), "GET /rare/{}");
}

TEST(EndpointTreeTest, BelowTheThresholdsNothingIsCollapsed) {
  // One word short of the number, one exchange short of the number, and both reached.
  EndpointTree words;
  for (int i = 0; i < 1'000; ++i) counted(words, "GET /a/often");
  for (std::size_t i = 0; i + 2 < EndpointTree::kCollapseWordsMin; ++i) {
    counted(words, "GET /a/" + word_of(i));
  }
  EXPECT_FALSE(words.take_collapsed());
  EndpointTree visits;
  std::uint64_t count = 0;
  for (std::size_t i = 0; ++count < EndpointTree::kCollapseVisitsMin; ++i) {
    const bool is_new = i % 17 == 0;
    counted(visits, "GET /a/" + (is_new ? word_of(i / 17) : "often"));
    ASSERT_FALSE(visits.take_collapsed());
  }
  counted(visits, "GET /a/new");
  EXPECT_TRUE(visits.take_collapsed());
  EXPECT_EQ(counted(visits, "GET /a/often"), "GET /a/often");
}

// New words stopped coming, so these are told apart; until most of what comes is none of them.
TEST(EndpointTreeTest, WordsThatMostlySpillAreNoSort) {
  EndpointTree tree;
  for (std::size_t i = 0; i < EndpointTree::kWordsMax; ++i) {
    for (int n = 0; n < 30; ++n) counted(tree, "GET /tenants/" + word_of(i));
  }
  ASSERT_FALSE(tree.take_collapsed());
  for (std::size_t i = 64; i < 127; ++i) {
    for (int n = 0; n < 30; ++n) counted(tree, "GET /tenants/" + word_of(i));
  }
  ASSERT_FALSE(tree.take_collapsed());
  for (std::size_t i = 127; i < 130; ++i) {
    for (int n = 0; n < 30; ++n) counted(tree, "GET /tenants/" + word_of(i));
  }
  EXPECT_TRUE(tree.take_collapsed());
  EXPECT_EQ(counted(tree, "GET /tenants/" + word_of(0)), "GET /tenants/{}");
}

TEST(EndpointTreeTest, WordsFollowedByOtherThingsAreNotAlike) {
  EndpointTree tree;
  for (std::size_t i = 0; i < 60; ++i) {
    for (std::size_t k = 0; k < 4; ++k)
      counted(tree, "GET /" + word_of(i) + "/" + word_of(i * 4 + k));
  }
  EXPECT_FALSE(tree.take_collapsed());
}

TEST(EndpointTreeTest, PastTheBoundWordsAreCountedAsOne) {
  EndpointTree tree;
  for (std::size_t round = 0; round < 40; ++round) {
    for (std::size_t i = 0; i < EndpointTree::kWordsMax; ++i)
      counted(tree, "GET /a/" + word_of(i % (round + 2)));
  }
  for (std::size_t i = 0; i < EndpointTree::kWordsMax; ++i) {
    for (int n = 0; n < 20; ++n) counted(tree, "GET /a/" + word_of(i));
  }
  EXPECT_FALSE(tree.take_collapsed());
  EXPECT_EQ(tree.stats().overflow, 0U);
  EXPECT_EQ(counted(tree, "GET /a/one/more"), "GET /a/{}/more");
  EXPECT_EQ(tree.stats().overflow, 1U);
  EXPECT_EQ(counted(tree, "GET /a/" + word_of(63)), "GET /a/" + word_of(63));
}

TEST(EndpointTreeTest, OperationsAndGrpcMethodsAreNamesOfTheirOwn) {
  EndpointTree tree;
  for (std::size_t i = 0; i < EndpointTree::kOperationsMax; ++i) {
    const std::string endpoint = "POST /graphql query " + word_of(i);
    ASSERT_EQ(counted(tree, endpoint), endpoint);
  }
  EXPECT_EQ(counted(tree, "POST /graphql query Another"), "POST /graphql *");
  EXPECT_EQ(tree.stats().overflow, 1U);
  for (std::size_t i = 0; i < EndpointTree::kWordsMax; ++i) {
    const std::string endpoint = "gRPC /shop.Orders/" + word_of(i);
    ASSERT_EQ(counted(tree, endpoint), endpoint);
  }
  EXPECT_EQ(counted(tree, "gRPC /shop.Orders/Another"), "gRPC /shop.Orders/*");
  EXPECT_FALSE(tree.take_collapsed());
  // A method of HTTP is a word that a client chooses.
  for (std::size_t i = 0; i < EndpointTree::kWordsMax; ++i) counted(tree, word_of(i) + " /x");
  EXPECT_EQ(counted(tree, "OTHER /x"), "* /*");
}

// A scanner's words teach nothing, and are {} where nothing else is known.
TEST(EndpointTreeTest, WhatIsNotThereTeachesNothing) {
  EndpointTree tree;
  const auto absent = [&](const std::string& endpoint) {
    return std::string(tree.count(endpoint, false));
  };
  EXPECT_EQ(absent("GET /early"), "GET /{}");
  EXPECT_EQ(absent("BREW /early"), "* /{}");
  for (int i = 0; i < 20; ++i) counted(tree, "GET /reports/{}");
  counted(tree, "POST /rpc known");
  const EndpointTree::Stats before = tree.stats();
  for (std::size_t i = 0; i < 1'000; ++i) absent("GET /" + word_of(i) + "/" + word_of(i));
  EXPECT_FALSE(tree.take_collapsed());
  EXPECT_EQ(tree.stats().nodes, before.nodes);
  EXPECT_EQ(tree.stats().overflow, 0U);
  EXPECT_EQ(absent("GET /admin/"), "GET /{}/");
  EXPECT_EQ(absent("GET /reports/{}"), "GET /reports/{}");
  EXPECT_EQ(absent("GET /reports/none"), "GET /reports/{}");
  EXPECT_EQ(absent("POST /rpc known"), "POST /rpc known");
  EXPECT_EQ(absent("POST /rpc other"), "POST /rpc *");
  EXPECT_EQ(absent("OPTIONS *"), "OPTIONS *");
  // One of the two is enough to learn it.
  EXPECT_EQ(counted(tree, "GET /admin"), "GET /admin");
  EXPECT_EQ(absent("GET /admin"), "GET /admin");
}

TEST(EndpointTreeTest, NoPathKeepsItsName) {
  EndpointTree tree;
  for (const char* name : {"erased", "unknown", "OPTIONS *", "GET ", "", "*"}) {
    EXPECT_EQ(counted(tree, name), name);
    EXPECT_EQ(tree.name_of(name), name);
  }
  EXPECT_EQ(counted(tree, "GET /"), "GET /");
  EXPECT_EQ(counted(tree, "GET /a/"), "GET /a/");
}

TEST(EndpointTreeTest, DeepPathsEnd) {
  EndpointTree tree;
  std::string at = "GET ";
  for (std::size_t i = 0; i < EndpointTree::kDepthMax; ++i) at += "/a";
  EXPECT_EQ(counted(tree, at), at);
  EXPECT_EQ(counted(tree, at + "/b/c"), at + "/*");
}

// Names that come once fill it; a sweep makes room again, and what is asked for often stays.
TEST(EndpointTreeTest, AFullTreeForgetsWhatCameOnce) {
  EndpointTree tree(100);
  for (int n = 0; n < 50; ++n) counted(tree, "GET /often");
  std::size_t cut = 0;
  for (std::size_t i = 0; i < 1'000; ++i) {
    const std::string path = word_of(i % 50) + "/" + word_of(i) + "/" + word_of(i);
    cut += counted(tree, "GET /" + path).ends_with("*") ? 1 : 0;
  }
  EXPECT_LE(tree.stats().nodes, 100U);
  EXPECT_GT(cut, 0U);
  EXPECT_GT(tree.stats().overflow, 0U);
  EXPECT_EQ(counted(tree, "GET /often"), "GET /often");
  for (std::uint64_t i = 0; i < EndpointTree::kSweepEvery; ++i) tree.count("GET /often");
  EXPECT_EQ(counted(tree, "GET /fresh/path"), "GET /fresh/path");
}

TEST(EndpointTreeTest, WhatIsForgottenIsInNoByte) {
  EndpointTree tree;
  counted(tree, "GET /users/ada");
  counted(tree, "GET /users/bob/orders");
  counted(tree, "POST /rpc adasmethod");
  counted(tree, "POST /rpc other");
  tree.forget("GET /users/ada");
  tree.forget("GET /users/bob");  // not one that was counted: others hold the word
  tree.forget("GET /never/seen");
  tree.forget("POST /rpc adasmethod");
  const std::string bytes = tree.to_bytes();
  EXPECT_EQ(bytes.find("ada"), std::string::npos);
  EXPECT_NE(bytes.find("bob"), std::string::npos);
  EXPECT_NE(bytes.find("other"), std::string::npos);
  EXPECT_EQ(tree.name_of("GET /users/bob/orders"), "GET /users/bob/orders");
}

// Traffic in which all kinds of paths come, some often and most seldom.
std::string traffic(std::mt19937& random) {
  const auto below = [&](std::size_t end) { return random() % end; };
  switch (below(8)) {
    case 0: return "GET /users/me";
    case 1: return "GET /users/" + word_of(below(2000));
    case 2: return "GET /users/" + word_of(below(2000)) + (below(2) == 0 ? "/orders/{}" : "/cart");
    case 3: return "GET /" + word_of(below(20)) + "/{}";
    case 4: return "POST /graphql query " + word_of(below(50));
    case 5: return "GET /files/{}." + word_of(below(30));
    case 6: return "GET /shops/" + word_of(below(500)) + "/items/" + word_of(below(500));
    default:
      return "GET /" + word_of(below(5)) + "/" + word_of(below(5)) + "/" + word_of(below(900));
  }
}

TEST(EndpointTreeTest, TheSameOrderGivesTheSameNames) {
  const char* given = std::getenv("BANYAN_TEST_SEED");
  const unsigned seed =
      given != nullptr ? static_cast<unsigned>(std::strtoul(given, nullptr, 10)) : 20261129;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  EndpointTree plain(800);
  EndpointTree asked(800);
  std::vector<std::string> names;
  for (int i = 0; i < 20'000; ++i) {
    const std::string endpoint = traffic(random);
    const std::string name = counted(plain, endpoint);
    // Written and read again, or asked in between, it goes on as if nothing had been.
    if (i % 257 == 0) {
      const std::string bytes = asked.to_bytes();
      EndpointTree other(800);
      ASSERT_TRUE(other.read(bytes));
      ASSERT_EQ(other.to_bytes(), bytes);
    }
    ASSERT_EQ(counted(asked, endpoint), name) << i;
    ASSERT_EQ(plain.name_of(name), name) << i;
    if (i % 100 == 0) names.push_back(name);
  }
  EXPECT_TRUE(plain.take_collapsed());
  for (const std::string& name : names) {
    const std::string now = plain.name_of(name);
    EXPECT_EQ(plain.name_of(now), now);
  }
  EXPECT_EQ(counted(plain, "GET /users/somebody/cart"), "GET /users/{}/cart");
  EXPECT_EQ(counted(plain, "GET /users/me"), "GET /users/me");
}

TEST(EndpointTreeTest, DamagedBytesAreAnEmptyTree) {
  EndpointTree tree;
  std::mt19937 random(7);
  for (int i = 0; i < 500; ++i) counted(tree, traffic(random));
  const std::string bytes = tree.to_bytes();
  for (std::size_t end = 0; end < bytes.size(); ++end) {
    EndpointTree other;
    ASSERT_FALSE(other.read(std::string_view(bytes).substr(0, end))) << end;
    ASSERT_EQ(other.stats().nodes, 0U);
  }
  for (int i = 0; i < 2'000; ++i) {
    std::string flipped = bytes;
    flipped[random() % flipped.size()] ^= static_cast<char>(1U << random() % 8);
    EndpointTree other;
    if (other.read(flipped)) counted(other, "GET /users/me");
  }
  EXPECT_FALSE(tree.read(bytes + "x"));
}

}  // namespace
}  // namespace banyan::comparator
