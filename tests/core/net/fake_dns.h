// SPDX-License-Identifier: Apache-2.0
//
// A scripted DNS server on loopback, UDP and TCP on one free port, on the test's loop.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/net/event_loop.h"
#include "core/net/socket.h"

namespace banyan::net {

struct DnsQuestion {
  std::string id;    // two bytes
  std::string name;  // "a.test"
  int type = 0;      // 1 A, 28 AAAA
  bool is_tcp = false;
  std::string section;  // the question as sent
};

class DnsReply {
 public:
  explicit DnsReply(const DnsQuestion& question) : question_(question), id_(question.id) {}
  DnsReply& a(const std::string& ip, std::uint32_t ttl = 60) {
    return record("\xC0\x0C", 1, ttl, packed(ip));
  }
  DnsReply& aaaa(const std::string& ip, std::uint32_t ttl = 60) {
    return record("\xC0\x0C", 28, ttl, packed(ip));
  }
  DnsReply& cname(const std::string& owner, const std::string& target, std::uint32_t ttl = 60) {
    return record(wire(owner), 5, ttl, wire(target));
  }
  DnsReply& a_of(const std::string& owner, const std::string& ip, std::uint32_t ttl = 60) {
    return record(wire(owner), 1, ttl, packed(ip));
  }
  DnsReply& code(int rcode) {
    rcode_ = rcode;
    return *this;
  }
  DnsReply& truncated() {
    is_truncated_ = true;
    return *this;
  }
  DnsReply& id(std::string other) {
    id_ = std::move(other);
    return *this;
  }
  std::string bytes() const {
    std::string out = id_;
    out += static_cast<char>(is_truncated_ ? 0x87 : 0x85);  // answer, authoritative, recursion
    out += static_cast<char>(0x80 | rcode_);
    return out + two(1) + two(count_) + two(0) + two(0) + question_.section + records_;
  }
  static std::string two(int value) {
    return {static_cast<char>(value >> 8), static_cast<char>(value & 0xff)};
  }

 private:
  DnsReply& record(const std::string& owner, int type, std::uint32_t ttl, const std::string& data) {
    records_ += owner + two(type) + two(1) + two(static_cast<int>(ttl >> 16)) +
                two(static_cast<int>(ttl & 0xffff)) + two(static_cast<int>(data.size())) + data;
    ++count_;
    return *this;
  }
  static std::string packed(const std::string& ip) {
    char bytes[16];
    if (inet_pton(AF_INET, ip.c_str(), bytes) == 1) return {bytes, 4};
    EXPECT_EQ(inet_pton(AF_INET6, ip.c_str(), bytes), 1);
    return {bytes, 16};
  }
  static std::string wire(const std::string& name) {
    std::string out, label;
    for (const char c : name + ".") {
      if (c != '.') {
        label += c;
        continue;
      }
      out += static_cast<char>(label.size()) + label;
      label.clear();
    }
    return out + '\0';
  }

  DnsQuestion question_;
  std::string id_;
  std::string records_;
  int count_ = 0, rcode_ = 0;
  bool is_truncated_ = false;
};

class FakeDns {
 public:
  // What is sent back for each question, in order; nothing: silence.
  using Script = std::function<std::vector<std::string>(const DnsQuestion&)>;

  FakeDns(EventLoop& loop, Script script) : loop_(loop), script_(std::move(script)) {
    for (int attempt = 0; attempt < 20 && !udp_.is_open(); ++attempt) open();
    EXPECT_TRUE(udp_.is_open());
  }
  const std::string& address() const { return address_; }
  void set_script(Script script) { script_ = std::move(script); }
  std::vector<DnsQuestion> questions;

 private:
  struct Stream {
    UniqueFd fd;
    std::unique_ptr<FdWatch> watch;
    std::string received;
  };

  void open() {
    auto listening = listen_on("127.0.0.1:0", false);
    ASSERT_TRUE(listening.ok());
    UniqueFd udp(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const auto colon = listening->address.rfind(':');
    address.sin_port =
        htons(static_cast<std::uint16_t>(std::stoi(listening->address.substr(colon + 1))));
    if (::bind(udp.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return;
    address_ = listening->address;
    tcp_ = std::move(listening->fd);
    udp_ = std::move(udp);
    udp_watch_ = std::make_unique<FdWatch>(loop_, udp_.get(), [this](FdWatch::Ready) { on_udp(); });
    udp_watch_->want_read(true);
    tcp_watch_ =
        std::make_unique<FdWatch>(loop_, tcp_.get(), [this](FdWatch::Ready) { on_accept(); });
    tcp_watch_->want_read(true);
  }
  std::vector<std::string> ask(const std::string& message, bool is_tcp) {
    DnsQuestion question;
    question.is_tcp = is_tcp;
    question.id = message.substr(0, 2);
    std::size_t at = 12;
    while (at < message.size() && message[at] != 0) {
      const auto size = static_cast<std::size_t>(message[at]);
      question.name += (question.name.empty() ? "" : ".") + message.substr(at + 1, size);
      at += size + 1;
    }
    question.type = static_cast<unsigned char>(message.at(at + 2));
    question.section = message.substr(12, at + 5 - 12);
    questions.push_back(question);
    return script_(question);
  }
  void on_udp() {
    char buffer[4096];
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    const ssize_t got =
        ::recvfrom(udp_.get(), buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&peer), &size);
    if (got < 17) return;
    for (const std::string& reply : ask({buffer, static_cast<std::size_t>(got)}, false)) {
      (void)::sendto(udp_.get(), reply.data(), reply.size(), 0,
                     reinterpret_cast<const sockaddr*>(&peer), size);
    }
  }
  void on_accept() {
    Accepted accepted;
    while (accept_from(tcp_.get(), accepted) == AcceptOutcome::kAccepted) {
      auto stream = std::make_unique<Stream>();
      stream->fd = std::move(accepted.fd);
      Stream& it = *stream;
      it.watch = std::make_unique<FdWatch>(loop_, it.fd.get(),
                                           [this, &it](FdWatch::Ready) { on_tcp(it); });
      it.watch->want_read(true);
      streams_.push_back(std::move(stream));
    }
  }
  void on_tcp(Stream& stream) {
    char buffer[4096];
    const Received got = receive(stream.fd.get(), buffer, sizeof buffer);
    if (got.outcome != ReceiveOutcome::kBytes) {
      stream.watch.reset();
      stream.fd.reset();
      return;
    }
    stream.received.append(got.bytes);
    while (stream.received.size() >= 2) {
      const auto size =
          static_cast<std::size_t>(static_cast<unsigned char>(stream.received[0]) * 256 +
                                   static_cast<unsigned char>(stream.received[1]));
      if (stream.received.size() < size + 2) return;
      const auto replies = ask(stream.received.substr(2, size), true);
      stream.received.erase(0, size + 2);
      OutputBuffer out;
      for (const std::string& reply : replies) {
        (void)out.send(stream.fd.get(), DnsReply::two(static_cast<int>(reply.size())) + reply);
      }
    }
  }

  EventLoop& loop_;
  Script script_;
  std::string address_;
  UniqueFd udp_, tcp_;
  std::unique_ptr<FdWatch> udp_watch_, tcp_watch_;
  std::vector<std::unique_ptr<Stream>> streams_;
};

}  // namespace banyan::net
