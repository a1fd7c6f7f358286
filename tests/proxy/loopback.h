// SPDX-License-Identifier: Apache-2.0
//
// A client and a scripted origin on real loopback sockets; blocking, each call with a deadline.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "core/base/text.h"

namespace banyan::proxy {

inline constexpr int kPatienceMs = 10'000;

// Polls `condition` until it holds or the patience ends.
template <typename Condition>
bool eventually(const Condition& condition, int patience_ms = kPatienceMs) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(patience_ms);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
    ::poll(nullptr, 0, 1);
  }
  return true;
}

struct Message {
  std::string first_line;
  std::map<std::string, std::string> fields;  // lower-case names; twins joined by ", "
  std::string body;
  std::string raw_trailers;
  bool is_whole = false;  // the body ended properly

  int status() const {
    const auto parts = split(first_line, ' ');
    return parts.size() > 1 ? static_cast<int>(parse_u64(parts[1]).value_or(0)) : 0;
  }
  std::string field(const std::string& name) const {
    const auto found = fields.find(name);
    return found == fields.end() ? std::string() : found->second;
  }
  bool has(const std::string& name) const { return fields.count(name) > 0; }
};

// A blocking socket with a buffer.
class Wire {
 public:
  Wire() = default;
  explicit Wire(int fd) : fd_(fd) {}
  ~Wire() { close(); }
  Wire(Wire&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), buffer_(std::move(other.buffer_)) {}
  Wire& operator=(Wire&& other) noexcept {
    close();
    fd_ = std::exchange(other.fd_, -1);
    buffer_ = std::move(other.buffer_);
    return *this;
  }
  static Wire connect(const std::string& address) {
    const std::size_t colon = address.rfind(':');
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port =
        htons(static_cast<std::uint16_t>(parse_u64(address.substr(colon + 1)).value_or(0)));
    inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr);
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) {
      ::close(fd);
      return Wire();
    }
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return Wire(fd);
  }
  bool is_open() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      pollfd ready{fd_, POLLOUT, 0};
      if (::poll(&ready, 1, kPatienceMs) <= 0) return false;
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent < 0 && errno != EAGAIN) return false;
      if (sent > 0) bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  // False at the end of the stream, an error, or when nothing came in time.
  bool fill(int patience_ms = kPatienceMs) {
    pollfd ready{fd_, POLLIN, 0};
    if (fd_ < 0 || ::poll(&ready, 1, patience_ms) <= 0) return false;
    char bytes[64 * 1024];
    const ssize_t got = ::recv(fd_, bytes, sizeof bytes, 0);
    if (got < 0) was_reset_ = true;
    if (got <= 0) {
      saw_end_ = true;
      return false;
    }
    buffer_.append(bytes, static_cast<std::size_t>(got));
    return true;
  }
  bool has_bytes_within(int patience_ms) { return !buffer_.empty() || fill(patience_ms); }
  bool sees_end() {
    while (fill()) {
    }
    return saw_end_;
  }
  bool was_reset() const { return was_reset_; }
  std::string take_buffer() { return std::exchange(buffer_, std::string()); }
  // Head only; the rest stays in the buffer.
  bool read_head(Message& out) {
    std::size_t end;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
      if (!fill()) return false;
    }
    const std::string head = buffer_.substr(0, end + 2);
    buffer_.erase(0, end + 4);
    out = Message();
    std::size_t at = head.find("\r\n");
    out.first_line = head.substr(0, at);
    at += 2;
    while (at < head.size()) {
      const std::size_t line_end = head.find("\r\n", at);
      const std::string line = head.substr(at, line_end - at);
      const std::size_t colon = line.find(':');
      std::string& value = out.fields[to_lower(line.substr(0, colon))];
      if (!value.empty()) value += ", ";
      value += std::string(trim(std::string_view(line).substr(colon + 1)));
      at = line_end + 2;
    }
    return true;
  }
  // The rest of a message by its fields. `until_close` for answers without a length.
  void read_body(Message& out, bool until_close) {
    if (to_lower(out.field("transfer-encoding")) == "chunked") {
      read_chunks(out);
    } else if (out.has("content-length")) {
      const std::uint64_t length = parse_u64(out.field("content-length")).value_or(0);
      while (buffer_.size() < length && fill()) {
      }
      out.is_whole = buffer_.size() >= length;
      out.body = buffer_.substr(0, length);
      buffer_.erase(0, out.body.size());
    } else if (until_close) {
      while (fill()) {
      }
      out.is_whole = saw_end_ && !was_reset_;
      out.body = take_buffer();
    } else {
      out.is_whole = true;
    }
  }
  Message read_answer(bool has_body = true) {
    Message answer;
    if (!read_head(answer)) return answer;
    const int status = answer.status();
    if (!has_body || status < 200 || status == 204 || status == 304) {
      answer.is_whole = true;
      return answer;
    }
    read_body(answer, true);
    return answer;
  }
  Message read_request() {
    Message request;
    if (read_head(request)) read_body(request, false);
    return request;
  }
  void reset() {
    const linger hard{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close();
  }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  void shut_down() {
    if (fd_ >= 0) ::shutdown(fd_, SHUT_RDWR);
  }

 private:
  bool read_line(std::string& line) {
    std::size_t end;
    while ((end = buffer_.find("\r\n")) == std::string::npos) {
      if (!fill()) return false;
    }
    line = buffer_.substr(0, end);
    buffer_.erase(0, end + 2);
    return true;
  }
  void read_chunks(Message& out) {
    for (;;) {
      std::string line;
      if (!read_line(line)) return;
      const std::uint64_t size = u64_of_hex(line).value_or(0);
      if (size == 0) break;
      while (buffer_.size() < size + 2) {
        if (!fill()) {
          out.body += buffer_;
          return;
        }
      }
      out.body.append(buffer_, 0, size);
      buffer_.erase(0, size + 2);
    }
    for (;;) {
      std::string line;
      if (!read_line(line)) return;
      if (line.empty()) break;
      out.raw_trailers += line + "\n";
    }
    out.is_whole = true;
  }

  int fd_ = -1;
  std::string buffer_;
  bool saw_end_ = false;
  bool was_reset_ = false;
};

// Runs `serve` on a thread of its own for each connection.
class Origin {
 public:
  using Serve = std::function<void(Wire&)>;
  explicit Origin(Serve serve) : serve_(std::move(serve)) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(fd_, reinterpret_cast<sockaddr*>(&at), sizeof at);
    socklen_t size = sizeof at;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &size);
    port_ = ntohs(at.sin_port);
    ::listen(fd_, 64);
    thread_ = std::thread([this] { run(); });
  }
  ~Origin() {
    is_ending_ = true;
    ::shutdown(fd_, SHUT_RDWR);
    thread_.join();
    ::close(fd_);
    {
      std::lock_guard lock(mutex_);
      for (auto& wire : wires_) ::shutdown(wire->fd(), SHUT_RDWR);
    }
    for (auto& worker : workers_) worker.join();
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  int connections() const { return connections_; }

  // Answers every request on a kept connection with what `answer` makes of it.
  static Serve answering(std::function<std::string(const Message&)> answer) {
    return [answer = std::move(answer)](Wire& wire) {
      for (;;) {
        const Message request = wire.read_request();
        if (request.first_line.empty() || !wire.send(answer(request))) return;
      }
    };
  }

 private:
  void run() {
    while (!is_ending_) {
      const int fd = ::accept(fd_, nullptr, nullptr);
      if (fd < 0) continue;
      ++connections_;
      std::lock_guard lock(mutex_);
      wires_.push_back(std::make_unique<Wire>(fd));
      Wire* wire = wires_.back().get();
      workers_.emplace_back([this, wire] {
        serve_(*wire);
        std::lock_guard inner(mutex_);
        wire->close();
      });
    }
  }

  Serve serve_;
  int fd_ = -1;
  int port_ = 0;
  std::atomic<bool> is_ending_{false};
  std::atomic<int> connections_{0};
  std::mutex mutex_;
  std::vector<std::unique_ptr<Wire>> wires_;
  std::vector<std::thread> workers_;
  std::thread thread_;
};

}  // namespace banyan::proxy
