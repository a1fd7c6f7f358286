// SPDX-License-Identifier: Apache-2.0
//
// The server alone, with a handler of the test's, over real sockets.
#include "admin/http_server.h"

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include "admin/events.h"
#include "tests/admin/raw_client.h"

namespace banyan::admin {
namespace {

class HttpServerTest : public ::testing::Test {
 protected:
  void start(AdminOptions options = {}, HttpServer::Handler handler = {}) {
    auto listening = net::listen_on("127.0.0.1:0", false);
    ASSERT_TRUE(listening.ok());
    address_ = listening->address;
    loop_ = *net::EventLoop::create();
    if (!handler) {
      handler = [this](RequestId id, HttpRequest request) {
        HttpResponse response;
        response.body = request.method + " " + request.target + " " + request.body;
        server_->respond(id, response);
      };
    }
    server_ = std::make_unique<HttpServer>(*loop_, *std::move(listening), options, handler);
    thread_ = std::thread([this] { loop_->run(); });
  }
  void TearDown() override {
    if (thread_.joinable()) {
      loop_->stop();
      thread_.join();
    }
    server_.reset();
  }

  std::string address_;
  Events events_{2, 64 * 1024};
  std::unique_ptr<net::EventLoop> loop_;
  std::unique_ptr<HttpServer> server_;
  std::thread thread_;
};

TEST_F(HttpServerTest, PipelinedRequestsAreAnsweredInOrder) {
  start();
  RawClient client(address_);
  client.send(
      "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
      "\r\nhiGET /3 HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.receive_answer().body, "GET /1 ");
  EXPECT_EQ(client.receive_answer().body, "POST /2 hi");
  EXPECT_EQ(client.receive_answer().body, "GET /3 ");
}

TEST_F(HttpServerTest, EveryCutOfARequestIsTheSameRequest) {
  start();
  const std::string text =
      "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
  for (std::size_t cut = 1; cut < text.size(); ++cut) {
    RawClient client(address_);
    client.send(text.substr(0, cut));
    client.send(text.substr(cut));
    EXPECT_EQ(client.receive_answer().body, "POST /x abc") << cut;
  }
}

TEST_F(HttpServerTest, AnswersCarryTheSafeHeaders) {
  start();
  RawClient client(address_);
  client.send("HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  ASSERT_TRUE(client.read_until("\r\n\r\n"));
  for (const char* field : {"Cache-Control: no-store", "X-Content-Type-Options: nosniff",
                            "default-src 'none'", "X-Frame-Options: DENY", "Connection: close"}) {
    EXPECT_NE(client.input().find(field), std::string::npos) << field;
  }
  client.input().erase(0, client.input().find("\r\n\r\n") + 4);
  EXPECT_TRUE(client.is_closed());  // and no body behind the head
}

TEST_F(HttpServerTest, BodiesAreBoundedAtTheEdge) {
  AdminOptions options;
  options.body_bytes_max = 1000;
  start(options);
  const auto post = [](std::size_t size) {
    return "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" +
           std::string(size, 'x');
  };
  RawClient client(address_);
  client.send(post(1000));
  EXPECT_EQ(client.receive_answer().status, 200);
  client.send(post(1001));
  EXPECT_EQ(client.receive_answer().status, 413);
  EXPECT_TRUE(client.is_closed());
}

TEST_F(HttpServerTest, MalformedRequestsAreRefusedAndClosed) {
  start();
  for (const char* text :
       {"GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", "GARBAGE\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"}) {
    RawClient client(address_);
    client.send(text);
    EXPECT_GE(client.receive_answer().status, 400) << text;
    EXPECT_TRUE(client.is_closed()) << text;
  }
}

TEST_F(HttpServerTest, HeadsThatNeverEndAndIdleConnectionsAreClosed) {
  AdminOptions options;
  options.request_timeout_ns = 200'000'000;
  options.keep_alive_ns = 200'000'000;
  start(options);
  RawClient slow(address_), idle(address_);
  slow.send("GET / HTT");
  EXPECT_EQ(slow.receive_answer().status, 408);
  EXPECT_TRUE(slow.is_closed());
  EXPECT_TRUE(idle.is_closed());
}

// Idle connections make room: whoever has something to say always gets in.
TEST_F(HttpServerTest, FullServerLetsTheOldestIdleConnectionGo) {
  AdminOptions options;
  options.connections_max = 3;
  start(options);
  std::vector<std::unique_ptr<RawClient>> crowd;
  for (int i = 0; i < 10; ++i) {
    crowd.push_back(std::make_unique<RawClient>(address_));
    crowd.back()->send("GET /me HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(crowd.back()->receive_answer().status, 200);
  }
  EXPECT_TRUE(crowd.front()->is_closed());
}

TEST_F(HttpServerTest, BusyConnectionsAreKeptAndTheOneTooManyIsRefused) {
  AdminOptions options;
  options.connections_max = 2;
  std::atomic<int> busy{0};
  std::vector<RequestId> waiting;  // loop only
  start(options, [&](RequestId id, HttpRequest) {
    waiting.push_back(id);
    ++busy;
  });
  RawClient first(address_), second(address_);
  first.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  second.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  while (busy.load() < 2) std::this_thread::yield();
  RawClient third(address_);
  EXPECT_EQ(third.receive_answer().status, 503);
  loop_->post([this, ids = waiting] {
    for (const RequestId& id : ids) server_->respond(id, HttpResponse());
  });
  EXPECT_EQ(first.receive_answer().status, 200);
  EXPECT_EQ(second.receive_answer().status, 200);
}

TEST_F(HttpServerTest, AnswersForClientsThatLeftAreDropped) {
  std::atomic<int> left{0};
  RequestId kept;
  start({}, [&](RequestId id, HttpRequest) {
    kept = id;
    ++left;
  });
  {
    RawClient client(address_);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    while (left.load() == 0) std::this_thread::yield();
  }
  std::atomic<bool> is_done{false};
  loop_->post([&] {
    HttpResponse big;
    big.body.assign(1 << 20, 'x');
    (void)server_->respond(kept, big);
    EXPECT_FALSE(server_->respond(kept, big));  // once only
    is_done = true;
  });
  while (!is_done.load()) std::this_thread::yield();
}

TEST_F(HttpServerTest, SubscribersThatDoNotReadMissEventsAndAreTold) {
  start({}, [this](RequestId id, HttpRequest) { events_.subscribe(id); });
  events_.attach(*server_);
  RawClient slow(address_), third(address_), fourth(address_);
  slow.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(slow.read_until("retry: 2000\n\n"));
  third.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(third.read_until("retry: 2000\n\n"));
  fourth.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(fourth.receive_answer().status, 503);
  // Far more than the socket's buffers hold.
  const std::string data = "\"" + std::string(16 * 1024, 'e') + "\"";
  loop_->post([this, data] {
    for (int i = 0; i < 4000; ++i) events_.publish("route", data);
  });
  // Once it reads on and the queue is short again, the next event comes with the count.
  bool is_told = false;
  for (int i = 0; i < 100'000 && !is_told; ++i) {
    loop_->post([this] { events_.publish("route", "\"more\""); });
    ASSERT_TRUE(slow.receive());
    is_told = slow.input().find("event: missed\ndata: {\"count\":") != std::string::npos;
    if (slow.input().size() > 64) slow.input().erase(0, slow.input().size() - 64);
  }
  EXPECT_TRUE(is_told);
}

}  // namespace
}  // namespace banyan::admin
