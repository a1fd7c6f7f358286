// SPDX-License-Identifier: Apache-2.0
//
// A blocking client on loopback that sends what it is given, byte for byte.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include "core/base/text.h"
#include "core/net/socket.h"

namespace banyan::admin {

struct Answer {
  int status = 0;  // 0: the connection ended without one
  std::string head;
  std::string body;
};

class RawClient {
 public:
  explicit RawClient(const std::string& address) {
    const auto resolved = net::resolve_host_port(address, false);
    EXPECT_TRUE(resolved.ok());
    const std::string& bytes = resolved->front().bytes;
    fd_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    timeval patience{20, 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    EXPECT_EQ(::connect(fd_.get(), reinterpret_cast<const sockaddr*>(bytes.data()),
                        static_cast<socklen_t>(bytes.size())),
              0);
  }
  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  // Reads until `text` has come or the connection ends; what has come stays readable.
  bool read_until(std::string_view text) {
    while (input_.find(text) == std::string::npos) {
      if (!receive()) return false;
    }
    return true;
  }
  Answer receive_answer() {
    Answer answer;
    if (!read_until("\r\n\r\n")) return answer;
    const std::size_t end = input_.find("\r\n\r\n") + 4;
    answer.head = input_.substr(0, end);
    answer.status = std::atoi(answer.head.c_str() + 9);
    const std::string lower = to_lower(answer.head);
    const std::size_t at = lower.find("content-length: ");
    const std::size_t length =
        at == std::string::npos ? 0 : static_cast<std::size_t>(std::atol(lower.c_str() + at + 16));
    while (input_.size() < end + length && receive()) {
    }
    answer.body = input_.substr(end, length);
    input_.erase(0, end + answer.body.size());
    return answer;
  }
  // True once the server has closed, with nothing left unread.
  bool is_closed() { return input_.empty() && !receive(); }
  std::string& input() { return input_; }
  // One recv; false once the connection has ended.
  bool receive() {
    char buffer[16384];
    const ssize_t got = ::recv(fd_.get(), buffer, sizeof buffer, 0);
    if (got <= 0) return false;
    input_.append(buffer, static_cast<std::size_t>(got));
    return true;
  }

 private:
  net::UniqueFd fd_;
  std::string input_;
};

}  // namespace banyan::admin
