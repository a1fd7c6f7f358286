// SPDX-License-Identifier: Apache-2.0
#include "admin/admin_server.h"

#include <chrono>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <thread>

#include <gtest/gtest.h>
#include "core/net/upstream_metrics.h"
#include "tests/admin/admin_fixture.h"
#include "tests/support/source_dir.h"

namespace banyan::admin {
namespace {

using Call = support::MemoryFileSystem::Call;

class AdminServerTest : public AdminFixture {
 protected:
  // Asks until `holds` or a deadline.
  template <typename Holds>
  bool wait_until(Holds holds) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!holds()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }
};

TEST_F(AdminServerTest, TokenIsMadeOnceAndKept) {
  start();
  EXPECT_EQ(token_.size(), 64u);
  const std::string first = token_;
  admin_.reset();
  start();
  EXPECT_EQ(token_, first);
}

TEST_F(AdminServerTest, DamagedTokenFileIsAnErrorThatSaysWhatToDo) {
  ASSERT_TRUE(state_disk_.write_file_atomically("data/admin.token", "short").ok());
  const auto token = read_admin_token(state_disk_, "data");
  ASSERT_FALSE(token.ok());
  EXPECT_NE(token.error().message.find("remove it"), std::string::npos);
}

TEST_F(AdminServerTest, EveryResourceNeedsTheTokenButThreeProbes) {
  start();
  const auto bare = [this](const std::string& method, const std::string& target) {
    return ask_raw(method + " " + target + " HTTP/1.1\r\nHost: " + admin_->address() +
                   "\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n")
        .status;
  };
  std::set<int> seen;
  for (const char* target :
       {"/", "/api/v1/status", "/api/v1/routes", "/api/v1/events", "/api/v1/log", "/api/v1/ledger",
        "/api/v1/nowhere", "/api/v1/findings", "/api/v1/report", "/api/v1/replays"}) {
    seen.insert(bare("GET", target));
  }
  for (const char* target : {"/api/v1/rollback", "/api/v1/mirror/pause", "/api/v1/replays"}) {
    seen.insert(bare("POST", target));
  }
  seen.erase(429);  // past five a second
  EXPECT_EQ(seen, std::set<int>{401});
  for (const char* target : {"/livez", "/readyz", "/metrics"}) EXPECT_EQ(bare("GET", target), 200);
  EXPECT_EQ(share_of("orders"), 0u);
}

TEST_F(AdminServerTest, ForeignHostsAndOriginsAreRefusedOnProbesToo) {
  start();
  EXPECT_EQ(ask_raw("GET /livez HTTP/1.1\r\nHost: evil.example\r\n\r\n").status, 403);
  EXPECT_EQ(ask_raw("GET /metrics HTTP/1.1\r\nHost: " + admin_->address() +
                    "\r\nOrigin: http://evil.example\r\n\r\n")
                .status,
            403);
}

TEST_F(AdminServerTest, ChangesNeedJsonAndKnownMembers) {
  start();
  EXPECT_EQ(ask_raw(head_of("POST", "/api/v1/rollback") +
                    "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}")
                .status,
            415);
  EXPECT_EQ(ask("PATCH", "/api/v1/routes/orders", "{\"candidate_percent\":\"5\"}").status, 400);
  EXPECT_EQ(ask("PATCH", "/api/v1/routes/orders", "{\"candidate_prcent\":5}").status, 400);
  EXPECT_EQ(ask("PATCH", "/api/v1/routes/orders", "{\"candidate_percent\":5").status, 400);
  EXPECT_EQ(ask("PATCH", "/api/v1/routes/orders", "[]").status, 400);
  EXPECT_EQ(ask("PATCH", "/api/v1/routes/orders", "{}").status, 400);
  EXPECT_EQ(ask("PATCH", "/api/v1/routes/order", "{\"candidate_percent\":5}").status, 404);
  EXPECT_EQ(ask("POST", "/api/v1/rollback", std::string(70'000, ' ')).status, 413);
  EXPECT_EQ(share_of("orders"), 0u);
}

TEST_F(AdminServerTest, OddTargetsAndMethodsGetFittingAnswers) {
  start();
  EXPECT_EQ(ask("GET", "/api/v1/routes/../status").status, 400);
  EXPECT_EQ(ask("GET", "/api/v1/routes/%2e%2e").status, 400);
  EXPECT_EQ(ask("GET", "/api/v1/routes/..%2f..%2fadmin.token").status, 404);
  EXPECT_EQ(ask("GET", "/admin.token").status, 404);
  EXPECT_EQ(ask("GET", "/api/v1/exchanges/..%2f1").status, 400);
  EXPECT_EQ(ask("GET", "/api/v1/log?limit=0").status, 400);
  EXPECT_EQ(ask("GET", "/api/v1/log?limit=1001").status, 400);
  const Answer wrong = ask("DELETE", "/api/v1/routes/orders");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_NE(wrong.head.find("Allow: GET, PATCH"), std::string::npos);
  EXPECT_EQ(ask("POST", "/api/v1/mirror/pause", "{}").status, 501);
  EXPECT_EQ(ask("POST", "/api/v1/replays", "{}").status, 501);
}

TEST_F(AdminServerTest, DialsMoveAndAreTold) {
  start();
  json::Value route = value_of(
      ask("PATCH", "/api/v1/routes/orders", "{\"candidate_percent\":12.5,\"reason\":\"canary\"}"));
  EXPECT_EQ(route.number_or("candidate_percent", 0), 12.5);
  EXPECT_EQ(route.string_or("stage", ""), "canary");
  EXPECT_EQ(route.find("changed")->string_or("reason", ""), "canary");
  EXPECT_EQ(get("/api/v1/routes/orders").number_or("candidate_percent", 0), 12.5);
  EXPECT_EQ(get("/api/v1/routes").find("routes")->items.size(), 3u);
  route = value_of(ask("POST", "/api/v1/routes/orders/rollback", "{\"reason\":\"no\"}"));
  EXPECT_EQ(route.number_or("candidate_percent", -1), 0);
  EXPECT_TRUE(route.bool_or("rolled_back", false));
  EXPECT_EQ(ask("POST", "/api/v1/routes/orders/reset", "{}").status, 200);
  ASSERT_TRUE(recorder_->flush(20'000'000'000).ok());
  const json::Value history = get("/api/v1/routes/history?route=orders&limit=3");
  ASSERT_EQ(history.find("history")->items.size(), 3u);
  EXPECT_EQ(history.find("history")->items[1].string_or("action", ""), "rollback");
}

// The way back is never refused for a malformed reason.
TEST_F(AdminServerTest, RollbackTakesAnyBody) {
  start();
  ASSERT_EQ(ask("PATCH", "/api/v1/routes/orders", "{\"candidate_percent\":50}").status, 200);
  EXPECT_EQ(ask("POST", "/api/v1/rollback", "{{{").status, 200);
  EXPECT_EQ(share_of("orders"), 0u);
}

// Reads of the log hang: its queries wait, then are refused when the queue is full, and a rollback
// is in force at once all the same.
TEST_F(AdminServerTest, RollbackWorksWhileTheStoreThreadHangs) {
  AdminOptions options;
  options.store_queue_max = 2;
  start(options);
  ASSERT_EQ(ask("PATCH", "/api/v1/routes/orders", "{\"candidate_percent\":50}").status, 200);
  append(support::request(support::exchange_id(1)));
  ASSERT_TRUE(recorder_->flush(20'000'000'000).ok());
  for (const Call call : {Call::kRead, Call::kOpen, Call::kList}) log_disk_.hang(call);
  std::vector<std::unique_ptr<RawClient>> waiting;
  bool is_refused = false;
  ASSERT_TRUE(wait_until([&] {
    waiting.push_back(std::make_unique<RawClient>(admin_->address()));
    waiting.back()->send(text_of("GET", "/api/v1/log?from=0"));
    return log_disk_.is_hanging();
  }));
  for (int i = 0; i < 5 && !is_refused; ++i) {
    waiting.push_back(std::make_unique<RawClient>(admin_->address()));
    waiting.back()->send(text_of("GET", "/api/v1/log?from=0"));
    // A change waits behind them; it must not come to life after the rollback.
    is_refused =
        i > 2 && ask("PATCH", "/api/v1/routes/stock", "{\"candidate_percent\":5}").status == 503;
  }
  EXPECT_TRUE(is_refused);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(ask("POST", "/api/v1/rollback", "{\"reason\":\"now\"}").status, 200);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
  EXPECT_EQ(share_of("orders"), 0u);
  EXPECT_EQ(ask("GET", "/api/v1/status").status, 200);
  EXPECT_EQ(ask("GET", "/readyz").status, 200);
  log_disk_.release();
  EXPECT_EQ(share_of("stock"), 0u);
}

// The state disk hangs in a raise: the raise fails, a rollback meanwhile acts and stays.
TEST_F(AdminServerTest, RollbackWorksWhileTheStateDiskHangs) {
  start();
  ASSERT_EQ(ask("PATCH", "/api/v1/routes/orders", "{\"candidate_percent\":10}").status, 200);
  state_disk_.hang(Call::kSync);
  RawClient raise(admin_->address());
  raise.send(text_of("PATCH", "/api/v1/routes/orders", "{\"candidate_percent\":60}"));
  RawClient second(admin_->address());
  second.send(text_of("PATCH", "/api/v1/routes/orders", "{\"candidate_percent\":70}"));
  ASSERT_TRUE(wait_until([&] { return state_disk_.is_hanging(); }));
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(ask("POST", "/api/v1/routes/orders/rollback", "{}").status, 200);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
  EXPECT_EQ(share_of("orders"), 0u);
  EXPECT_NE(ask("GET", "/metrics").body.find("\nbanyan_route_unpersisted 1\n"), std::string::npos);
  state_disk_.release();
  EXPECT_NE(raise.receive_answer().status, 200);
  EXPECT_EQ(second.receive_answer().status, 409);
  EXPECT_EQ(share_of("orders"), 0u);
}

TEST_F(AdminServerTest, StoreRequestsPastTheirPatienceAreAnswered) {
  AdminOptions options;
  options.store_patience_ns = 300'000'000;
  start(options);
  append(support::request(support::exchange_id(1)));
  ASSERT_TRUE(recorder_->flush(20'000'000'000).ok());
  for (const Call call : {Call::kRead, Call::kOpen, Call::kList}) log_disk_.hang(call);
  RawClient first(admin_->address());
  first.send(text_of("GET", "/api/v1/log?from=0"));
  ASSERT_TRUE(wait_until([&] { return log_disk_.is_hanging(); }));
  EXPECT_EQ(ask("PATCH", "/api/v1/routes/stock", "{\"candidate_percent\":5}").status, 503);
  const int status = first.receive_answer().status;
  EXPECT_TRUE(status == 503 || status == 504) << status;
  log_disk_.release();
  EXPECT_EQ(ask("GET", "/api/v1/log?from=0").status, 200);
  EXPECT_EQ(share_of("stock"), 0u);  // what was answered "nothing was done" never runs
}

TEST_F(AdminServerTest, HostileNamesStayDataEverywhere) {
  start();
  const Answer routes = ask("GET", "/api/v1/routes");
  bool is_found = false;
  const json::Value told = value_of(routes);
  for (const json::Value& route : told.find("routes")->items) {
    is_found |= route.string_or("name", "") == kHostileRoute;
  }
  EXPECT_TRUE(is_found);
  EXPECT_NE(routes.head.find("Content-Type: application/json"), std::string::npos);
  EXPECT_NE(routes.head.find("nosniff"), std::string::npos);
  EXPECT_NE(ask("GET", "/metrics").body.find("route=\"a\\\"><script>"), std::string::npos);
  const Answer html = ask("GET", "/api/v1/report?format=html");
  EXPECT_EQ(html.status, 200);
  EXPECT_EQ(html.body.find("<script>alert"), std::string::npos);
  EXPECT_EQ(ask("GET", "/").body.find("<script"), std::string::npos);
}

TEST_F(AdminServerTest, ExchangesLedgerAndLogAreServed) {
  start();
  const ExchangeId id = support::exchange_id(5);
  append(support::request(id));
  append(support::response(id));
  ASSERT_TRUE(recorder_->flush(20'000'000'000).ok());
  const json::Value exchange = get("/api/v1/exchanges/" + id.to_string() + "?records=1");
  EXPECT_EQ(exchange.string_or("method", ""), "GET");
  EXPECT_EQ(exchange.find("records")->items.size(), 2u);
  EXPECT_EQ(ask("GET", "/api/v1/exchanges/" + std::string(32, '0')).status, 400);
  EXPECT_EQ(ask("GET", "/api/v1/exchanges/" + std::string(32, '1')).status, 404);
  EXPECT_TRUE(wait_until([&] {
    return get("/api/v1/ledger").find("total")->find("answered")->number_or("legacy", 0) == 1;
  }));
  EXPECT_EQ(get("/api/v1/log?filter=type:RESPONSE").find("records")->items.size(), 1u);
  EXPECT_EQ(get("/api/v1/findings").find("findings")->items.size(), 0u);
  EXPECT_EQ(get("/api/v1/replays").find("replays")->items.size(), 0u);
  const json::Value status = get("/api/v1/status");
  EXPECT_EQ(status.string_or("version", ""), "1.2.3");
  EXPECT_TRUE(status.find("ledger")->bool_or("balanced", false));
}

TEST_F(AdminServerTest, FindingsAreFoldedJudgedAndAnnounced) {
  start();
  RawClient listener(admin_->address());
  listener.send(text_of("GET", "/api/v1/events"));
  ASSERT_TRUE(listener.read_until("retry:"));
  // The first count of the findings tells which ones are old news.
  ASSERT_EQ(ask("GET", "/api/v1/findings").status, 200);
  ASSERT_TRUE(wait_until([&] {
    return ask("GET", "/metrics").body.find("banyan_findings{state=\"open\"} 0") !=
           std::string::npos;
  }));
  model::VerdictRecord verdict;
  verdict.exchange = support::exchange_id(5);
  verdict.route = "orders";
  verdict.endpoint = "GET /orders/{}";
  verdict.verdict = Verdict::kDifferent;
  verdict.at = clock_.now();
  model::Difference difference;
  difference.path = difference.at = "body:$.total";
  difference.legacy = "1";
  difference.candidate = "2";
  verdict.differences.push_back(difference);
  append(verdict);
  ASSERT_TRUE(recorder_->flush(20'000'000'000).ok());
  std::string id;
  ASSERT_TRUE(wait_until([&] {
    const json::Value told = get("/api/v1/findings?state=open");
    if (told.find("findings")->items.empty()) return false;
    id = told.find("findings")->items[0].string_or("id", "");
    return true;
  }));
  EXPECT_TRUE(listener.read_until("event: finding\ndata: {\"id\":\"" + id));
  EXPECT_EQ(ask("PATCH", "/api/v1/findings/" + id, "{\"state\":\"accepted\"}").status, 400);
  EXPECT_EQ(ask("PATCH", "/api/v1/findings/" + id, "{\"state\":\"fine\"}").status, 400);
  EXPECT_EQ(ask("PATCH", "/api/v1/findings/nope", "{\"state\":\"bug\"}").status, 404);
  const json::Value accepted = value_of(
      ask("PATCH", "/api/v1/findings/" + id, "{\"state\":\"accepted\",\"reason\":\"rounding\"}"));
  EXPECT_EQ(accepted.string_or("state", ""), "accepted");
  EXPECT_EQ(get("/api/v1/findings?state=open").find("findings")->items.size(), 0u);
  ASSERT_EQ(ask("PATCH", "/api/v1/routes/orders", "{\"mirror_percent\":50}").status, 200);
  EXPECT_TRUE(listener.read_until("event: route\ndata: {\"name\":\"orders\""));
}

TEST_F(AdminServerTest, AnIssueIsShownAndDecidedWithAllItsFindings) {
  start();
  std::uint64_t counter = 0;
  for (const char* endpoint : {"GET /orders/{}", "GET /carts"}) {
    model::VerdictRecord verdict;
    verdict.exchange = support::exchange_id(++counter);
    verdict.route = "orders";
    verdict.endpoint = endpoint;
    verdict.verdict = Verdict::kDifferent;
    verdict.at = clock_.now();
    model::Difference difference;
    difference.path = difference.at = "body:$.price";
    difference.transition = "×100";
    verdict.differences.push_back(difference);
    append(verdict);
  }
  ASSERT_TRUE(recorder_->flush(20'000'000'000).ok());
  json::Value told;
  ASSERT_TRUE(wait_until([&] {
    told = get("/api/v1/findings");
    return told.find("findings")->items.size() == 2;
  }));
  ASSERT_EQ(told.find("issues")->items.size(), 1U);
  const json::Value& issue = told.find("issues")->items[0];
  const std::string id(issue.string_or("id", ""));
  EXPECT_EQ(issue.string_or("label", ""), "price: ×100");
  EXPECT_EQ(issue.number_or("endpoint_count", 0), 2);
  EXPECT_EQ(told.find("findings")->items[0].string_or("issue", ""), id);
  EXPECT_EQ(told.find("explained")->find("steps")->items.at(0).string_or("issue", ""), id);
  EXPECT_EQ(get("/api/v1/findings/" + id.substr(0, 6)).find("details")->items.size(), 2U);
  EXPECT_EQ(ask("GET", "/api/v1/findings/i0").status, 404);
  EXPECT_EQ(ask("PATCH", "/api/v1/findings/" + id, R"({"state":"accepted"})").status, 400);
  const json::Value decided =
      value_of(ask("PATCH", "/api/v1/findings/" + id, R"({"state":"bug","by":"ann"})"));
  EXPECT_EQ(decided.number_or("bug", 0), 2);
  for (const json::Value& finding : decided.find("details")->items) {
    EXPECT_EQ(finding.string_or("changed_by", ""), "ann");
  }
  EXPECT_EQ(get("/api/v1/findings").find("explained")->number_or("exchanges", 9), 0);
}

TEST_F(AdminServerTest, AnErasureNamesOneSubjectAndSaysWhatWent) {
  struct Eraser final : ErasureService {
    Result<ErasureReport> erase(const ErasureRequest& request) override {
      asked = request;
      if (!request.session.empty()) {
        return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kClient, "no sessions");
      }
      return ErasureReport{2, 7, 1, request.is_dry_run};
    }
    ErasureRequest asked;
  } eraser;
  erasure_ = &eraser;
  start();
  const json::Value done = value_of(
      ask("POST", "/api/v1/erasures", "{\"subject\":\"ada\",\"dry_run\":true,\"by\":\"me\"}"));
  EXPECT_EQ(done.string_or("schema", ""), "banyan/erasure/1");
  EXPECT_TRUE(done.bool_or("dry_run", false));
  EXPECT_EQ(done.find("keys")->text, "2");
  EXPECT_EQ(done.find("exchanges")->text, "7");
  EXPECT_EQ(done.find("findings")->text, "1");
  EXPECT_EQ(eraser.asked.subject, "ada");
  EXPECT_EQ(eraser.asked.by, "me");
  for (const char* wrong : {"{}", "{\"subject\":\"\"}", "{\"subject\":\"a\",\"session\":\"b\"}",
                            "{\"session\":\"b\"}", "{\"subject\":1}", "{\"who\":\"a\"}"}) {
    EXPECT_EQ(ask("POST", "/api/v1/erasures", wrong).status, 400) << wrong;
  }
  EXPECT_EQ(ask("GET", "/api/v1/erasures").status, 405);
}

TEST_F(AdminServerTest, WithoutSubjectsNothingCanBeErased) {
  start();
  EXPECT_EQ(ask("POST", "/api/v1/erasures", "{\"subject\":\"ada\"}").status, 501);
}

TEST_F(AdminServerTest, ExplainAnswersBothWays) {
  start();
  const json::Value told = get("/api/v1/routes/explain?method=GET&url=/orders/1&h=X:y");
  EXPECT_EQ(told.string_or("route", ""), "orders");
  EXPECT_EQ(told.string_or("primary", ""), "legacy");
  const json::Value posted = value_of(
      ask("POST", "/api/v1/routes/explain",
          "{\"method\":\"POST\",\"url\":\"http://shop.example/stock/9\",\"headers\":[\"A: b\"]}"));
  EXPECT_EQ(posted.string_or("route", ""), "stock");
  EXPECT_EQ(ask("GET", "/api/v1/routes/explain?url=stock").status, 400);
  EXPECT_EQ(ask("GET", "/api/v1/routes/explain?url=/x&h=nocolon").status, 400);
}

// docs/metrics.md and a scrape name the same families (those of rooms that are not wired here are
// marked in the list).
TEST_F(AdminServerTest, ListOfMetricsIsTheScrape) {
  net::register_upstream_metrics(metrics_, {std::make_shared<net::Endpoints>("legacy")});
  start();
  std::ifstream file(source_dir() + "/docs/metrics.md");
  ASSERT_TRUE(file);
  std::set<std::string> listed, scraped;
  // The name behind `start`, up to `end`; "" where the line is another one.
  const auto name_in = [](const std::string& line, const std::string& start_mark, char end) {
    if (line.rfind(start_mark + "banyan_", 0) != 0) return std::string();
    return line.substr(start_mark.size(), line.find(end, start_mark.size()) - start_mark.size());
  };
  for (std::string line; std::getline(file, line);) {
    const std::string name = name_in(line, "| `", '`');
    if (name.empty()) continue;
    const bool is_elsewhere =
        name.rfind("banyan_mirror_", 0) == 0 || name.rfind("banyan_compare_", 0) == 0 ||
        name.rfind("banyan_proxy_", 0) == 0 || name.rfind("banyan_http_", 0) == 0 ||
        name.rfind("banyan_tls_", 0) == 0 || name.rfind("banyan_request", 0) == 0 ||
        name.rfind("banyan_access_log_", 0) == 0 || name.rfind("banyan_config_", 0) == 0 ||
        name.rfind("banyan_redaction_", 0) == 0 || name.rfind("banyan_subject_", 0) == 0 ||
        name == "banyan_witness_exchanges_total" || name == "banyan_witness_questions_total" ||
        name == "banyan_witness_waiting" || name == "banyan_witness_passed_over_total";
    if (!is_elsewhere) listed.insert(name);
  }
  const std::string text = ask("GET", "/metrics").body;
  std::istringstream scrape(text);
  for (std::string line; std::getline(scrape, line);) {
    if (const std::string name = name_in(line, "# TYPE ", ' '); !name.empty()) scraped.insert(name);
  }
  EXPECT_EQ(listed, scraped);
}

TEST_F(AdminServerTest, NoTokenIsForLoopbackOnly) {
  AdminOptions options;
  options.address = "0.0.0.0:0";
  options.data_dir = "data";
  options.needs_token = false;
  const auto refused = AdminServer::open(options, {},
                                         AdminServices{.clock = clock_,
                                                       .files = state_disk_,
                                                       .metrics = metrics_,
                                                       .recorder = *recorder_,
                                                       .routing = *routing_,
                                                       .ledger = *ledger_,
                                                       .findings = *findings_});
  EXPECT_FALSE(refused.ok());
  AdminOptions open_options;
  open_options.needs_token = false;
  start(open_options);
  EXPECT_EQ(ask_raw("GET /api/v1/routes HTTP/1.1\r\nHost: localhost\r\n\r\n").status, 200);
}

TEST_F(AdminServerTest, PortInUseIsNamed) {
  start();
  AdminOptions options;
  options.address = admin_->address();
  options.data_dir = "data";
  const auto second = AdminServer::open(options, {},
                                        AdminServices{.clock = clock_,
                                                      .files = state_disk_,
                                                      .metrics = metrics_,
                                                      .recorder = *recorder_,
                                                      .routing = *routing_,
                                                      .ledger = *ledger_,
                                                      .findings = *findings_});
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.error().message.find(admin_->address()), std::string::npos);
}

}  // namespace
}  // namespace banyan::admin
