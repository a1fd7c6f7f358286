// SPDX-License-Identifier: Apache-2.0
//
// What is one cause by its names, and what is not.
#include "comparator/issues.h"

#include <gtest/gtest.h>

#include <string>

namespace banyan::comparator {
namespace {

struct Names {
  std::string endpoint, path, kind, transition;
  std::string route = "shop";
};

FindingNames view(const Names& names, const std::string& id = "0123456789ab") {
  return {id, names.route, names.endpoint, names.path, names.kind, names.transition};
}
// Different ids, so that what is not joined is told apart.
bool are_one(const Names& a, const Names& b) {
  return issue_id(view(a, "aaaaaaaaaaaa")) == issue_id(view(b, "bbbbbbbbbbbb"));
}

TEST(IssueTest, OneChangeOfOneNameIsOneIssueWhateverRouteAndEndpoint) {
  const Names price{"GET /orders/{}", "body:$.items[].price", "value", "×100"};
  EXPECT_TRUE(are_one(price, {"GET /carts", "body:$.lines[].price", "value", "×100", "other"}));
  EXPECT_TRUE(are_one(price, {"GET /stock", "body:/stock/article/price", "value", "×100"}));
  EXPECT_FALSE(are_one(price, {"GET /carts", "body:$.lines[].price", "value", "×1000"}));
  EXPECT_FALSE(are_one(price, {"GET /carts", "body:$.lines[].price", "type", "×100"}));
  EXPECT_FALSE(are_one(price, {"GET /carts", "body:$.lines[].weight", "value", "×100"}));
  EXPECT_FALSE(are_one(price, {"GET /carts", "header:Price", "value", "×100"}));
  EXPECT_FALSE(are_one(price, {"GET /carts", "body:$.lines.price[]", "value", "×100"}));
}

TEST(IssueTest, AnyTwoValuesThatDifferAreNoCause) {
  const Names plain{"GET /orders", "body:$.items[].price", "value", ""};
  EXPECT_FALSE(are_one(plain, plain));
  EXPECT_EQ(issue_id(view(plain)), "i0123456789ab");
  for (const char* path : {"body", "body:$", "body:$[]", "header:Set-Cookie"}) {
    const Names at{"GET /a", path, "value", "emptied"};
    EXPECT_FALSE(are_one(at, at)) << path;
  }
  for (const char* transition : {"not localised", "not listed", "not aligned"}) {
    const Names at{"GET /a", "body:$.a.b", "value", transition};
    EXPECT_FALSE(are_one(at, at)) << transition;
  }
  const Names none{"GET /a", "status", "no_answer", ""};
  EXPECT_FALSE(are_one(none, none));
}

// A word that many causes bring about joins only what stands in the same thing.
TEST(IssueTest, CommonWordsNeedTheSameContainer) {
  const Names name{"GET /users/{}", "body:$.customer.name", "value", "emptied"};
  EXPECT_TRUE(are_one(name, {"GET /orders", "body:$.order.customer.name", "value", "emptied"}));
  EXPECT_FALSE(are_one(name, {"GET /orders", "body:$.article.name", "value", "emptied"}));
  // Of the body as a whole the endpoint tells what it is.
  const Names top{"GET /v1/users/{}", "body:$.name", "value", "emptied"};
  EXPECT_TRUE(are_one(top, {"PUT /v2/users", "body:$[].name", "value", "emptied"}));
  EXPECT_FALSE(are_one(top, {"GET /articles", "body:$.name", "value", "emptied"}));
  // Nor does what wraps an answer.
  const Names wrapped{"GET /users", "body:$.data[].name", "value", "emptied"};
  EXPECT_TRUE(are_one(top, wrapped));
  EXPECT_FALSE(are_one(wrapped, {"GET /articles", "body:$.data[].name", "value", "emptied"}));
  EXPECT_FALSE(are_one({"GET /{}", "body:$.name", "value", "emptied"},
                       {"GET /{}", "body:$.name", "value", "emptied"}));
  const Names call{"POST /graphql query Users", "body:$.name", "missing", ""};
  EXPECT_TRUE(are_one(call, call));
  EXPECT_FALSE(are_one(call, {"POST /graphql query Carts", "body:$.name", "missing", ""}));
}

TEST(IssueTest, HeadersAndStatusesOfEveryRouteAreOne) {
  EXPECT_TRUE(are_one({"*", "header:X-Total", "missing", ""},
                      {"*", "header:x-total", "missing", "", "other"}));
  EXPECT_FALSE(are_one({"*", "header:X-Total", "missing", ""},
                       {"*", "trailer:X-Total", "missing", "", "other"}));
  EXPECT_TRUE(are_one({"GET /a", "status", "status", "200→201"},
                      {"GET /b", "status", "status", "200→201"}));
  // Where the class changes each endpoint has its own story.
  EXPECT_FALSE(are_one({"GET /a", "status", "status", "200→500"},
                       {"GET /b", "status", "status", "200→500"}));
  EXPECT_TRUE(are_one({"GET /a", "body", "encoding", "gzip→identity"},
                      {"GET /b", "body", "encoding", "gzip→identity"}));
}

TEST(IssueTest, IdsNeverChange) {
  const Names price{"GET /orders/{}", "body:$.items[].price", "value", "×100"};
  EXPECT_EQ(issue_id(view(price)), "i8060b518296b");
  EXPECT_TRUE(is_issue_id(issue_id(view(price))));
  EXPECT_FALSE(is_issue_id("0123456789ab"));
  EXPECT_FALSE(is_issue_id(""));
}

TEST(IssueTest, LabelsSayWhatDiffers) {
  const auto label = [](const Names& names) { return issue_label(view(names)); };
  EXPECT_EQ(label({"GET /a", "body:$.items[].price", "value", "×100"}), "price: ×100");
  EXPECT_EQ(label({"GET /a", "body:$.tags[]", "missing", "rows missing"}), "tags[]: rows missing");
  EXPECT_EQ(label({"GET /a", "body:$['a.b']['it\\'s']", "missing", ""}), "it's: missing");
  EXPECT_EQ(label({"*", "header:X-Total", "missing", ""}), "header X-Total: missing");
  EXPECT_EQ(label({"GET /a", "status", "status", "200→201"}), "status: 200→201");
  EXPECT_EQ(label({"GET /a", "body:/a/b/@c", "value", "case"}), "@c: case");
  EXPECT_EQ(label({"GET /a", "body:$", "type", "array→object"}), "body: array→object");
}

// Paths come from the log: whatever they hold, there is an id and a label.
TEST(IssueTest, OddPathsAreTaken) {
  for (const char* path :
       {"", ":", "body:", "body:$.", "body:$..", "body:$['", "body:$['\\", "body:$[", "body:$x",
        "body:/", "body://", "body:$['']", "x:y:z", "body:$[][]"}) {
    const Names names{"", path, "missing", "emptied"};
    EXPECT_EQ(issue_id(view(names)).size(), 13U) << path;
    EXPECT_FALSE(issue_label(view(names)).empty()) << path;
  }
}

}  // namespace
}  // namespace banyan::comparator
