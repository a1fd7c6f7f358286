// SPDX-License-Identifier: Apache-2.0
//
// A scripted system on loopback and a handler that keeps what it was told, both on the test's loop.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/net/event_loop.h"
#include "core/net/socket.h"
#include "core/net/upstream.h"

namespace banyan::net {

// What a system answers that is well.
inline constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

// Turns the loop until the condition holds; false after five seconds.
inline bool run_until(EventLoop& loop, const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    loop.run_once_for_test(20'000'000);
  }
  return true;
}

class FakeUpstream {
 public:
  struct Peer {
    UniqueFd fd;
    std::unique_ptr<FdWatch> watch;
    OutputBuffer out;
    std::string received;
    int number = 0;          // of the connection, from 1
    bool has_ended = false;  // the pool closed it

    void send(std::string_view bytes) {
      watch->want_write(out.send(fd.get(), bytes) == OutputBuffer::Outcome::kWaiting);
    }
    void close() {
      watch.reset();
      fd.reset();
    }
    void reset() {
      set_reset_on_close(fd.get());
      close();
    }
    // True once for each whole head received; what follows it stays.
    bool take_head() {
      const auto end = received.find("\r\n\r\n");
      if (end == std::string::npos) return false;
      received.erase(0, end + 4);
      return true;
    }
  };
  using Script = std::function<void(Peer&)>;  // more bytes came

  FakeUpstream(EventLoop& loop, Script script) : loop_(loop), script_(std::move(script)) {
    auto listening = listen_on("127.0.0.1:0", false);
    EXPECT_TRUE(listening.ok());
    address_ = listening->address;
    fd_ = std::move(listening->fd);
    watch_ = std::make_unique<FdWatch>(loop, fd_.get(), [this](FdWatch::Ready) { on_accept(); });
    watch_->want_read(true);
  }

  std::vector<UpstreamAddress> addresses() const { return *resolve_url("http://" + address_); }
  std::size_t connections() const { return peers_.size(); }
  Peer& peer(std::size_t index) { return *peers_.at(index); }
  bool all_ended() const {
    for (const auto& peer : peers_) {
      if (!peer->has_ended && peer->fd.is_open()) return false;
    }
    return true;
  }
  bool reads = true;

 private:
  void on_accept() {
    Accepted accepted;
    while (accept_from(fd_.get(), accepted) == AcceptOutcome::kAccepted) {
      auto peer = std::make_unique<Peer>();
      peer->fd = std::move(accepted.fd);
      peer->number = static_cast<int>(peers_.size()) + 1;
      Peer& it = *peer;
      peer->watch = std::make_unique<FdWatch>(
          loop_, it.fd.get(), [this, &it](FdWatch::Ready ready) { on_ready(it, ready); });
      peer->watch->want_read(reads);
      peers_.push_back(std::move(peer));
    }
  }
  void on_ready(Peer& peer, FdWatch::Ready ready) {
    if (ready == FdWatch::Ready::kWrite) {
      peer.watch->want_write(peer.out.flush(peer.fd.get()) == OutputBuffer::Outcome::kWaiting);
      return;
    }
    std::string buffer(65536, '\0');
    const Received got = receive(peer.fd.get(), buffer.data(), buffer.size());
    if (got.outcome == ReceiveOutcome::kBytes) {
      peer.received.append(got.bytes);
      script_(peer);
    } else if (got.outcome != ReceiveOutcome::kWouldBlock) {
      peer.has_ended = true;
      peer.close();
    }
  }

  EventLoop& loop_;
  Script script_;
  std::string address_;
  UniqueFd fd_;
  std::unique_ptr<FdWatch> watch_;
  std::vector<std::unique_ptr<Peer>> peers_;
};

// Keeps what it is told as one line, and runs what a test hangs into a callback.
struct KeepingHandler : UpstreamCallHandler {
  std::string seen;  // "i103 h200 b c" …
  std::string body;
  std::string trailers;  // "name=value;" …
  int writable = 0;
  bool is_done = false;
  UpstreamFailure failure;
  std::function<void()> at_informational, at_head, at_body, at_end;

  void on_informational(const http::ResponseHead& head) override {
    seen += "i" + std::to_string(head.status) + " ";
    if (at_informational) at_informational();
  }
  void on_head(const http::ResponseHead& head) override {
    seen += "h" + std::to_string(head.status) + " ";
    if (at_head) at_head();
  }
  void on_body(std::string_view piece) override {
    if (body.empty()) seen += "b ";
    body.append(piece);
    if (at_body) at_body();
  }
  void on_complete(const http::HeaderList& fields) override {
    seen += "complete";
    for (const auto& [name, value] : fields) {
      trailers.append(name).append("=").append(value).append(";");
    }
    is_done = true;
    if (at_end) at_end();
  }
  void on_failure(const UpstreamFailure& what) override {
    failure = what;
    seen += to_string(what.kind);
    is_done = true;
    if (at_end) at_end();
  }
  void on_writable() override { ++writable; }
};

}  // namespace banyan::net
