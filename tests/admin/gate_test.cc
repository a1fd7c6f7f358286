// SPDX-License-Identifier: Apache-2.0
#include "admin/gate.h"

#include <string>

#include <gtest/gtest.h>

namespace banyan::admin {
namespace {

constexpr const char* kToken = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

HttpRequest request_of(const std::string& method = "GET") {
  HttpRequest request;
  request.method = method;
  request.target = "/api/v1/status";
  request.authority = "127.0.0.1:9901";
  request.peer = "127.0.0.1";
  request.local_host = "127.0.0.1";
  request.fields = {{"Authorization", std::string("Bearer ") + kToken}};
  return request;
}

int status_of_refusal(Gate& gate, const HttpRequest& request, bool is_public = false,
                      std::int64_t now_ns = 0) {
  const auto refusal = gate.refuse(request, is_public, now_ns);
  return refusal ? refusal->status : 0;
}

TEST(GateTest, RightTokenPasses) {
  Gate gate(kToken, "127.0.0.1", 5);
  EXPECT_EQ(status_of_refusal(gate, request_of()), 0);
}

TEST(GateTest, MissingWrongAndDoubledTokensAreRefused) {
  Gate gate(kToken, "127.0.0.1", 100);
  HttpRequest request = request_of();
  request.fields.clear();
  EXPECT_EQ(status_of_refusal(gate, request), 401);
  for (const std::string value : {"", "Bearer", "Bearer ", "Basic abc", "Bearer 0123",
                                  "Bearer 0123456789abcdef0123456789abcdef0123456789abcdef012345678"
                                  "9abcdee"}) {
    request.fields = {{"Authorization", value}};
    EXPECT_EQ(status_of_refusal(gate, request), 401) << value;
  }
  request = request_of();
  request.fields.push_back(request.fields[0]);
  EXPECT_EQ(status_of_refusal(gate, request), 401);
}

TEST(GateTest, PublicPathsNeedNoToken) {
  Gate gate(kToken, "127.0.0.1", 5);
  HttpRequest request = request_of();
  request.fields.clear();
  EXPECT_EQ(status_of_refusal(gate, request, true), 0);
}

TEST(GateTest, ForeignHostsAreRefusedWhateverTheSetting) {
  for (const char* token : {kToken, ""}) {
    Gate gate(token, "192.0.2.7", 5);
    HttpRequest request = request_of();
    for (const char* host : {"evil.example", "evil.example:9901", "127.0.0.1.evil.example", "",
                             "[::1", "localhost:99999", "127.0.0.1:x", "192.0.2.8", "0x7f.1"}) {
      request.authority = host;
      EXPECT_EQ(status_of_refusal(gate, request), 403) << host;
      EXPECT_EQ(status_of_refusal(gate, request, true), 403) << host;
    }
    for (const char* host : {"localhost", "LOCALHOST:1", "127.0.0.1", "127.9.9.9:80", "[::1]:9901",
                             "192.0.2.7:9901"}) {
      request.authority = host;
      EXPECT_EQ(status_of_refusal(gate, request), 0) << host;
    }
  }
}

TEST(GateTest, TheAddressThatWasReachedIsKnownBehindAWildcard) {
  Gate gate("", "0.0.0.0", 5);
  HttpRequest request = request_of();
  request.authority = "198.51.100.4:9901";
  EXPECT_EQ(status_of_refusal(gate, request), 403);
  request.local_host = "198.51.100.4";
  EXPECT_EQ(status_of_refusal(gate, request), 0);
}

TEST(GateTest, ForeignOriginsAreRefusedWithTheRightTokenToo) {
  Gate gate(kToken, "127.0.0.1", 5);
  for (const char* origin : {"http://evil.example", "null", "https://127.0.0.1:9901",
                             "http://127.0.0.1:3000", "http://localhost:9901", ""}) {
    HttpRequest request = request_of();
    request.fields.emplace_back("Origin", origin);
    EXPECT_EQ(status_of_refusal(gate, request), 403) << origin;
  }
  HttpRequest request = request_of();
  request.fields.emplace_back("Origin", "http://127.0.0.1:9901");
  EXPECT_EQ(status_of_refusal(gate, request), 0);
  request.fields.emplace_back("Origin", "http://127.0.0.1:9901");
  EXPECT_EQ(status_of_refusal(gate, request), 403);
  request = request_of();
  request.fields.emplace_back("Sec-Fetch-Site", "cross-site");
  EXPECT_EQ(status_of_refusal(gate, request), 403);
}

TEST(GateTest, ChangesNeedJson) {
  Gate gate("", "127.0.0.1", 5);
  for (const char* method : {"POST", "PATCH", "DELETE", "PUT"}) {
    HttpRequest request = request_of(method);
    EXPECT_EQ(status_of_refusal(gate, request), 415);
    request.fields.emplace_back("Content-Type", "text/plain");
    EXPECT_EQ(status_of_refusal(gate, request), 415);
    request.fields.back().second = "application/json; charset=utf-8";
    EXPECT_EQ(status_of_refusal(gate, request), 0);
  }
}

// Noise is limited per peer and second, and never keeps the right token out.
TEST(GateTest, FailuresAreLimitedAndNobodyIsLockedOut) {
  Gate gate(kToken, "127.0.0.1", 5);
  HttpRequest wrong = request_of();
  wrong.fields = {{"Authorization", "Bearer x"}};
  for (int i = 0; i < 5; ++i) EXPECT_EQ(status_of_refusal(gate, wrong), 401);
  EXPECT_EQ(status_of_refusal(gate, wrong), 429);
  HttpRequest other = wrong;
  other.peer = "127.0.0.2";
  EXPECT_EQ(status_of_refusal(gate, other), 401);
  EXPECT_EQ(status_of_refusal(gate, request_of()), 0);
  EXPECT_EQ(status_of_refusal(gate, wrong, false, 1'000'000'000), 401);
}

TEST(GateTest, ManyPeersCostBoundedMemory) {
  Gate gate(kToken, "127.0.0.1", 1);
  HttpRequest wrong = request_of();
  wrong.fields.clear();
  for (std::size_t i = 0; i < 2 * Gate::kPeersMax; ++i) {
    wrong.peer = std::to_string(i);
    EXPECT_EQ(status_of_refusal(gate, wrong), 401);
  }
  EXPECT_EQ(gate.refused(), 2 * Gate::kPeersMax);
}

}  // namespace
}  // namespace banyan::admin
