// SPDX-License-Identifier: Apache-2.0
//
// The table tests/cases/endpoints.json and the bounds of a label.
#include "comparator/endpoint_name.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/comparator/case_table.h"
#include "tests/support/records.h"

namespace banyan::comparator {
namespace {

std::string name(const model::RequestRecord& request) {
  Operation operation;
  if (may_name_operation(request.method, request.target)) read_operation(request, operation);
  std::string out = "what was there before";
  write_endpoint(request.method, request.target, operation, out);
  return out;
}

TEST(EndpointNameTest, NamesEveryCaseOfTheTable) {
  const auto cases = read_cases("endpoints.json");
  ASSERT_GT(cases.size(), 45U);
  for (const Value& given : cases) {
    SCOPED_TRACE(given.string_or("name", ""));
    model::RequestRecord request;
    request.method = given.string_or("method", "");
    request.target = given.string_or("target", "");
    if (const Value* headers = given.find("headers")) {
      for (const auto& [field, value] : headers->members) {
        request.fields.push_back({field, value.text});
      }
    }
    if (const Value* body = given.find("body")) request.body = support::inline_body(body->text);
    EXPECT_EQ(name(request), given.string_or("endpoint", "?"));
  }
}

model::RequestRecord rpc(std::string_view body) {
  model::RequestRecord request;
  request.method = "POST";
  request.target = "/rpc";
  request.fields = {{"content-type", "application/json"}};
  request.body = support::inline_body(body);
  return request;
}

TEST(EndpointNameTest, BodiesPastTheBoundNameNothing) {
  const std::string head = R"({"jsonrpc":"2.0","method":"m","x":")";
  const std::string tail = "\"}";
  const std::string at =
      head + std::string(kOperationBodyBytesMax - head.size() - tail.size(), 'x') + tail;
  EXPECT_EQ(name(rpc(at)), "POST /rpc m");
  const std::string past = head + "x" + at.substr(head.size());
  EXPECT_EQ(name(rpc(past)), "POST /rpc");
  model::RequestRecord request = rpc(head + tail);
  request.body.kind = model::Body::Kind::kChunks;
  EXPECT_EQ(name(request), "POST /rpc");
}

TEST(EndpointNameTest, ALabelHasABound) {
  EXPECT_LE(endpoint_of("GET", "/" + std::string(5000, 'g')).size(), kEndpointBytesMax);
  // The operation stays whole where the path is cut.
  const std::string body = R"({"jsonrpc":"2.0","method":")" + std::string(5000, 'm') + "\"}";
  const std::string target = "/" + std::string(5000, 'g');
  model::RequestRecord request = rpc(body);
  request.target = target;
  const std::string label = name(request);
  EXPECT_LE(label.size(), kEndpointBytesMax);
  EXPECT_TRUE(label.ends_with(" " + std::string(200, 'm'))) << label;
}

}  // namespace
}  // namespace banyan::comparator
