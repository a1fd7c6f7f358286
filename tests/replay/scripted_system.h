// SPDX-License-Identifier: Apache-2.0
//
// A system on the loopback that answers as a test tells it: one thread, HTTP/1.1 with keep-alive.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "core/base/check.h"
#include "core/base/mutex.h"
#include "core/base/text.h"

namespace banyan::replay {

struct Seen {
  std::string method, target, head, body;
  std::string field(std::string_view name) const {
    for (const std::string_view line : split(head, '\n')) {
      const auto colon = line.find(':');
      if (colon == std::string_view::npos) continue;
      if (!equal_ignoring_case(line.substr(0, colon), name)) continue;
      std::string_view value = trim(line.substr(colon + 1));
      if (!value.empty() && value.back() == '\r') value.remove_suffix(1);
      return std::string(value);
    }
    return "";
  }
};

struct Reply {
  int status = 200;
  std::string body = "{\"a\":1}";
  std::string fields;    // whole lines
  bool is_held = false;  // until release()
  bool closes = false;   // closes the connection without an answer
  int turns = 0;         // of the server's loop before the answer goes out
};

// What happened at the server, in its order.
struct Event {
  bool is_reply = false;
  std::string target;
};

class ScriptedSystem {
 public:
  using Script = std::function<Reply(const Seen&)>;

  explicit ScriptedSystem(Script script, std::uint16_t port = 0) : script_(std::move(script)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK(listener_ >= 0);
    const int on = 1;
    (void)::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    CHECK(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    CHECK(::listen(listener_, 512) == 0);
    socklen_t size = sizeof address;
    CHECK(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { run(); });
  }
  ~ScriptedSystem() {
    is_stopping_ = true;
    thread_.join();
    for (auto& [fd, connection] : connections_) ::close(fd);
    ::close(listener_);
  }

  std::uint16_t port() const { return port_; }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  std::vector<Seen> seen() const {
    MutexLock lock(mutex_);
    return seen_;
  }
  std::size_t count() const {
    MutexLock lock(mutex_);
    return seen_.size();
  }
  std::vector<Event> events() const {
    MutexLock lock(mutex_);
    return events_;
  }
  std::size_t accepted() const { return accepted_; }
  // Most connections with a request under way at once.
  std::size_t most_at_once() const { return most_at_once_; }
  // Answers what is held, and holds nothing any more.
  void release() { is_released_ = true; }

 private:
  struct Connection {
    std::string in, out;
    std::string target;
    int turns = 0;
    bool is_held = false;
    bool has_reply = false;
    bool closes = false;
  };

  void run() {
    while (!is_stopping_) {
      std::vector<pollfd> fds = {{listener_, POLLIN, 0}};
      for (auto& [fd, connection] : connections_) {
        fds.push_back({fd, static_cast<short>(connection.has_reply ? POLLHUP : POLLIN), 0});
      }
      (void)::poll(fds.data(), fds.size(), 1);
      if (fds[0].revents != 0) accept_all();
      for (std::size_t i = 1; i < fds.size(); ++i) {
        if (fds[i].revents != 0) receive(fds[i].fd);
      }
      send_due();
    }
  }

  void accept_all() {
    for (;;) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      ++accepted_;
      connections_[fd];
    }
  }

  void receive(int fd) {
    char buffer[65536];
    const ssize_t size = ::recv(fd, buffer, sizeof buffer, 0);
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (size <= 0) {
      ::close(fd);
      connections_.erase(fd);
      return;
    }
    Connection& connection = connections_[fd];
    connection.in.append(buffer, static_cast<std::size_t>(size));
    parse(connection);
  }

  void parse(Connection& connection) {
    if (connection.has_reply) return;
    const std::size_t end = connection.in.find("\r\n\r\n");
    if (end == std::string::npos) return;
    Seen seen;
    seen.head = connection.in.substr(0, end + 2);
    const auto words = split(std::string_view(seen.head).substr(0, seen.head.find('\r')), ' ');
    seen.method = words[0];
    seen.target = words.size() > 1 ? words[1] : "";
    const std::size_t length = parse_u64(seen.field("Content-Length")).value_or(0);
    if (connection.in.size() < end + 4 + length) return;
    seen.body = connection.in.substr(end + 4, length);
    connection.in.erase(0, end + 4 + length);
    const Reply reply = script_(seen);
    connection.target = seen.target;
    connection.has_reply = true;
    connection.is_held = reply.is_held;
    connection.turns = reply.turns;
    connection.closes = reply.closes;
    connection.out = "HTTP/1.1 " + std::to_string(reply.status) +
                     " Said\r\nContent-Type: application/json\r\nContent-Length: " +
                     std::to_string(reply.body.size()) + "\r\n" + reply.fields + "\r\n" +
                     reply.body;
    MutexLock lock(mutex_);
    seen_.push_back(seen);
    events_.push_back({false, seen.target});
  }

  void send_due() {
    std::size_t at_once = 0;
    std::vector<int> ended;
    for (auto& [fd, connection] : connections_) {
      if (!connection.has_reply) continue;
      ++at_once;
      if (connection.is_held && !is_released_) continue;
      if (connection.turns-- > 0) continue;
      if (connection.closes) {
        ended.push_back(fd);
        continue;
      }
      if (!has_noted(connection)) continue;
      const ssize_t size = ::send(fd, connection.out.data(), connection.out.size(), MSG_NOSIGNAL);
      if (size > 0) connection.out.erase(0, static_cast<std::size_t>(size));
      if (size < 0 && errno != EAGAIN) ended.push_back(fd);
      if (connection.out.empty()) {
        connection.has_reply = false;
        connection.target.clear();
      }
    }
    if (at_once > most_at_once_) most_at_once_ = at_once;
    for (const int fd : ended) {
      ::close(fd);
      connections_.erase(fd);
    }
  }

  // The reply counts as done from before its first byte: nothing that follows from it is earlier.
  bool has_noted(Connection& connection) {
    if (connection.target.empty()) return true;
    MutexLock lock(mutex_);
    events_.push_back({true, connection.target});
    connection.target.clear();
    return true;
  }

  const Script script_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::map<int, Connection> connections_;
  std::atomic<bool> is_stopping_{false};
  std::atomic<bool> is_released_{false};
  std::atomic<std::size_t> accepted_{0};
  std::atomic<std::size_t> most_at_once_{0};
  mutable Mutex mutex_;
  std::vector<Seen> seen_ GUARDED_BY(mutex_);
  std::vector<Event> events_ GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace banyan::replay
