// SPDX-License-Identifier: Apache-2.0
//
// Endpoints by the paths of a specification: by hand, and made-up URLs of a whole one, each of
// which has to come out as what it was made from.
#include "comparator/path_templates.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "comparator/endpoint_name.h"
#include "comparator/findings.h"
#include "core/base/text.h"
#include "tests/support/memory_log.h"
#include "tests/support/records.h"

namespace banyan::comparator {
namespace {

std::string name_of(PathTemplates& templates, std::string_view target) {
  const std::string* name = templates.name_of(endpoint_of("GET", target));
  return name == nullptr ? "" : *name;
}

TEST(PathTemplatesTest, WordsGoBeforeParameters) {
  PathTemplates templates({"/users/{id}", "/users/me", "/users/{id}/orders", "/users/me/{what}",
                           "/files/{name}.pdf", "/oauth2/token", "/"});
  EXPECT_EQ(name_of(templates, "/users/ada"), "GET /users/{}");
  EXPECT_EQ(name_of(templates, "/users/17?x=1"), "GET /users/{}");
  EXPECT_EQ(name_of(templates, "/users/me"), "GET /users/me");
  EXPECT_EQ(name_of(templates, "/users/ada/orders"), "GET /users/{}/orders");
  EXPECT_EQ(name_of(templates, "/users/me/orders"), "GET /users/me/{}");
  EXPECT_EQ(name_of(templates, "/files/ada.pdf"), "GET /files/{}");
  EXPECT_EQ(name_of(templates, "/oauth2/token"), "GET /{}/token");  // as VERDICTs name it
  EXPECT_EQ(name_of(templates, "/"), "GET /");
  for (const char* other : {"/users", "/users/", "/users/ada/", "/users/ada/carts", "/other"}) {
    EXPECT_EQ(name_of(templates, other), "") << other;
  }
  EXPECT_EQ(*templates.name_of("POST /users/ada query A"), "POST /users/{} query A");
  EXPECT_EQ(templates.name_of("gRPC /users/ada"), nullptr);
  EXPECT_EQ(templates.name_of("erased"), nullptr);
  EXPECT_EQ(templates.name_of("OPTIONS *"), nullptr);
  // A way that ends nowhere is left again.
  PathTemplates crossed({"/a/b/c", "/a/{x}/d"});
  EXPECT_EQ(name_of(crossed, "/a/b/d"), "GET /a/{}/d");
}

TEST(PathTemplatesTest, BoundsHold) {
  PathTemplates none;
  EXPECT_TRUE(none.is_empty());
  EXPECT_EQ(none.name_of("GET /a"), nullptr);
  std::string deep;
  for (std::size_t i = 0; i < PathTemplates::kSegmentsMax; ++i) deep += "/a";
  PathTemplates templates({deep, deep + "/a", "no slash"});
  EXPECT_NE(templates.name_of("GET " + deep), nullptr);
  EXPECT_EQ(templates.name_of("GET " + deep + "/a"), nullptr);
  EXPECT_NE(templates.signature(), none.signature());
  std::vector<std::string> many;
  for (std::size_t i = 0; i < PathTemplates::kTemplatesMax + 1; ++i) {
    std::string word = "/w";
    for (std::size_t left = i; left > 0; left /= 26) word += static_cast<char>('a' + left % 26);
    many.push_back(word);
  }
  PathTemplates full(many);
  std::size_t found = 0;
  for (const std::string& path : many) found += full.name_of("GET " + path) != nullptr ? 1 : 0;
  EXPECT_EQ(found, PathTemplates::kTemplatesMax);
}

TEST(PathTemplatesTest, MadeUpUrlsComeOutAsTheirTemplate) {
  constexpr std::uint64_t kSeed = 20261129;
  SCOPED_TRACE(kSeed);
  std::mt19937_64 random(kSeed);
  std::vector<std::string> paths;
  for (const char* resource : {"users", "orders", "carts", "articles", "invoices"}) {
    for (const char* behind : {"", "/{id}", "/search", "/{id}/lines", "/{id}/lines/{line}",
                               "/{id}/lines/{line}/notes", "/{from}/to/{until}"}) {
      for (const char* version : {"/v1/", "/v2/"})
        paths.push_back(std::string(version) + resource + behind);
    }
  }
  PathTemplates templates(paths);
  const std::vector<std::string> values = {
      "17",         "ada",   "a-b",     "me",
      "2026-11-29", "x%20y", "search2", "550e8400-e29b-41d4-a716-446655440000"};
  std::size_t right = 0;
  constexpr std::size_t kUrls = 5'000;
  for (std::size_t i = 0; i < kUrls; ++i) {
    const std::string& path = paths[random() % paths.size()];
    std::string url, wanted = "GET ";
    for (const std::string_view segment : split(std::string_view(path).substr(1), '/')) {
      const bool is_parameter = segment.starts_with('{');
      url += "/" + (is_parameter ? values[random() % values.size()] : std::string(segment));
      wanted += is_parameter ? "/{}" : "/" + std::string(segment);
    }
    right += name_of(templates, url) == wanted ? 1 : 0;
    EXPECT_EQ(name_of(templates, url + "/unknown/unknown"), "") << url;
  }
  EXPECT_EQ(right, kUrls);
}

// Findings of words become one when the specification comes, also after a restart; nothing is
// learned of what it names.
TEST(PathTemplatesTest, FindingsGoByThem) {
  std::string directory = testing::TempDir() + "banyan-templates-XXXXXX";
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  ManualClock clock;
  support::MemoryLog log(clock);
  std::unique_ptr<FindingsStore> store;
  std::uint64_t last = 0;
  const auto open = [&](const std::vector<std::string>& paths) {
    store.reset();
    auto opened = FindingsStore::open(directory + "/findings.sqlite", clock, paths);
    ASSERT_TRUE(opened.ok());
    store = std::move(opened).value();
  };
  const auto ask = [&](std::string_view endpoint) {
    auto record = support::verdict(support::exchange_id(++last), Verdict::kDifferent);
    record.endpoint = endpoint;
    model::Difference one;
    one.path = one.at = "body:$.a";
    record.differences = {one};
    log.append(record);
    const auto more = store->catch_up(log, 1000);
    ASSERT_TRUE(more.ok());
  };
  open({});
  ask("GET /users/ada");
  ask("GET /users/bob");
  ask("GET /users/me");
  ASSERT_EQ(store->list({})->size(), 3U);
  const std::string old = store->list({})->at(0).id;
  open({"/users/{id}", "/users/me"});
  ask("GET /users/eve");
  const auto findings = store->list({});
  ASSERT_EQ(findings->size(), 2U);
  EXPECT_EQ(findings->at(0).endpoint, "GET /users/{}");
  EXPECT_EQ(findings->at(0).exchanges, 3U);
  EXPECT_TRUE(store->get(old).ok());
  EXPECT_EQ(store->explain("")->exchanges, last);
  EXPECT_EQ(store->endpoint_stats().nodes, 5U);  // GET, users and the three words of before
  open({"/users/{id}", "/users/me"});
  ask("GET /users/me");
  EXPECT_EQ(store->list({})->size(), 2U);
  store.reset();
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace banyan::comparator
