// SPDX-License-Identifier: Apache-2.0
#include "core/net/socket.h"

#include <arpa/inet.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/base/check.h"
#include "core/base/text.h"
#include "core/net/channel.h"

namespace banyan::net {
namespace {

constexpr std::size_t kPiecesMax = 8;
// What was sent is cut off the front once it is at least this much, so that a queue that never
// drains does not move its bytes at every flush.
constexpr std::size_t kCompactBytes = 64 * 1024;

Error bad_address(std::string_view text) {
  return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kConfig,
                    "\"" + escape_for_terminal(text, 200) +
                        "\" is no address; write it as HOST:PORT or [IPV6]:PORT");
}

sockaddr_storage storage_of(const std::string& bytes) {
  sockaddr_storage storage{};
  std::memcpy(&storage, bytes.data(), std::min(bytes.size(), sizeof storage));
  return storage;
}

void set_option(int fd, int level, int name) {
  const int on = 1;
  (void)setsockopt(fd, level, name, &on, sizeof on);
}

std::string bound_address(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return {};
  return SocketAddress{std::string(reinterpret_cast<const char*>(&storage), size)}.text();
}

SocketAddress end_of(int fd, int (*ask)(int, sockaddr*, socklen_t*)) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  SocketAddress result;
  if (ask(fd, reinterpret_cast<sockaddr*>(&storage), &size) == 0) {
    result.bytes.assign(reinterpret_cast<const char*>(&storage), size);
  }
  return result;
}

}  // namespace

void UniqueFd::reset(int fd) {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

Result<HostPort> split_host_port(std::string_view text) {
  HostPort result;
  if (!text.empty() && text.front() == '[') {
    const auto end = text.find(']');
    if (end == std::string_view::npos || end + 1 >= text.size() || text[end + 1] != ':') {
      return bad_address(text);
    }
    result.host = text.substr(1, end - 1);
    result.port = text.substr(end + 2);
  } else {
    const auto colon = text.find(':');
    if (colon == std::string_view::npos) return bad_address(text);
    result.host = text.substr(0, colon);
    result.port = text.substr(colon + 1);
  }
  const auto port = parse_u64(result.port);
  if (result.host.empty() || !port || *port > 65535) return bad_address(text);
  return result;
}

std::string SocketAddress::host() const {
  const sockaddr_storage storage = storage_of(bytes);
  char text[INET6_ADDRSTRLEN] = "";
  if (storage.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
  } else if (storage.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
    inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
  }
  return text;
}

std::uint16_t SocketAddress::port() const {
  const sockaddr_storage storage = storage_of(bytes);
  if (storage.ss_family == AF_INET) {
    return ntohs(reinterpret_cast<const sockaddr_in&>(storage).sin_port);
  }
  if (storage.ss_family == AF_INET6) {
    return ntohs(reinterpret_cast<const sockaddr_in6&>(storage).sin6_port);
  }
  return 0;
}

std::string SocketAddress::text() const {
  const std::string name = host();
  const std::string number = std::to_string(port());
  return name.find(':') == std::string::npos ? name + ":" + number : "[" + name + "]:" + number;
}

Result<std::vector<SocketAddress>> resolve_host_port(std::string_view text, bool is_for_listening) {
  auto split = split_host_port(text);
  if (!split.ok()) return split.error();
  const std::string host(split->host);
  const std::string port(split->port);
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | (is_for_listening ? AI_PASSIVE : 0);
  addrinfo* found = nullptr;
  const int failure = getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  if (failure != 0) {
    Error error = make_error(
        ErrorCode::kUnavailable, ErrorOrigin::kConfig,
        "cannot resolve " + escape_for_terminal(text, 200) + ": " + gai_strerror(failure));
    error.may_retry = failure == EAI_AGAIN;
    return error;
  }
  std::vector<SocketAddress> addresses;
  for (const addrinfo* it = found; it != nullptr; it = it->ai_next) {
    addresses.push_back(
        SocketAddress{std::string(reinterpret_cast<const char*>(it->ai_addr), it->ai_addrlen)});
  }
  freeaddrinfo(found);
  return addresses;
}

SocketAddress socket_address_of(const std::string& ip, std::uint16_t port) {
  SocketAddress result;
  sockaddr_in four{};
  sockaddr_in6 six{};
  if (inet_pton(AF_INET, ip.c_str(), &four.sin_addr) == 1) {
    four.sin_family = AF_INET;
    four.sin_port = htons(port);
    result.bytes.assign(reinterpret_cast<const char*>(&four), sizeof four);
  } else if (inet_pton(AF_INET6, ip.c_str(), &six.sin6_addr) == 1) {
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(port);
    result.bytes.assign(reinterpret_cast<const char*>(&six), sizeof six);
  }
  return result;
}

SocketAddress local_end(int fd) { return end_of(fd, ::getsockname); }
SocketAddress remote_end(int fd) { return end_of(fd, ::getpeername); }

Result<Listening> listen_on(std::string_view address, bool reuse_port, int backlog) {
  auto resolved = resolve_host_port(address, true);
  if (!resolved.ok()) return resolved.error();
  CHECK(!resolved->empty());
  const std::string& bytes = resolved->front().bytes;
  const sockaddr_storage storage = storage_of(bytes);
  const std::string name(address);

  UniqueFd fd(::socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) {
    return error_from_errno(errno, ErrorOrigin::kConfig, "cannot make a socket for " + name);
  }
  set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR);
  if (reuse_port) set_option(fd.get(), SOL_SOCKET, SO_REUSEPORT);
  if (storage.ss_family == AF_INET6) set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY);
  set_no_delay(fd.get());
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&storage),
             static_cast<socklen_t>(bytes.size())) != 0) {
    return error_from_errno(errno, ErrorOrigin::kConfig, "cannot listen on " + name);
  }
  if (::listen(fd.get(), backlog) != 0) {
    return error_from_errno(errno, ErrorOrigin::kConfig, "cannot listen on " + name);
  }
  Listening result;
  result.address = bound_address(fd.get());
  result.fd = std::move(fd);
  return result;
}

AcceptOutcome accept_from(int listener_fd, Accepted& out) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  const int fd = ::accept4(listener_fd, reinterpret_cast<sockaddr*>(&storage), &size,
                           SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= 0) {
    out.fd.reset(fd);
    out.peer.bytes.assign(reinterpret_cast<const char*>(&storage), size);
    return AcceptOutcome::kAccepted;
  }
  switch (errno) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM: return AcceptOutcome::kExhausted;
    default:  // EAGAIN, EINTR, ECONNABORTED and network errors of the one who left
      return AcceptOutcome::kNothing;
  }
}

void set_no_delay(int fd) { set_option(fd, IPPROTO_TCP, TCP_NODELAY); }

void set_reset_on_close(int fd) {
  const linger now{1, 0};
  (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

std::size_t unacknowledged_bytes(int fd) {
  int waiting = 0;
  return ::ioctl(fd, SIOCOUTQ, &waiting) == 0 && waiting > 0 ? static_cast<std::size_t>(waiting)
                                                             : 0;
}

void shut_down_sending(int fd) { (void)::shutdown(fd, SHUT_WR); }

namespace {

// In a process with threads glibc's send() and recv() are cancellation points: each switches the
// thread's cancellation type there and back with atomic operations, some 1.5 % of what a request
// costs us. We cancel no thread, so the kernel is asked directly. Where a thread sanitizer watches
// it has to see the calls, which order one thread's memory before another's.
#if defined(__SANITIZE_THREAD__)
#define BANYAN_SEES_SOCKET_CALLS 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define BANYAN_SEES_SOCKET_CALLS 1
#endif
#endif
#ifdef BANYAN_SEES_SOCKET_CALLS
ssize_t call_recv(int fd, void* to, std::size_t size, int flags) {
  return ::recv(fd, to, size, flags);
}
ssize_t call_send(int fd, const void* from, std::size_t size, int flags) {
  return ::send(fd, from, size, flags);
}
ssize_t call_sendmsg(int fd, const msghdr& message, int flags) {
  return ::sendmsg(fd, &message, flags);
}
#else
ssize_t call_recv(int fd, void* to, std::size_t size, int flags) {
  return ::syscall(SYS_recvfrom, fd, to, size, flags, nullptr, nullptr);
}
ssize_t call_send(int fd, const void* from, std::size_t size, int flags) {
  return ::syscall(SYS_sendto, fd, from, size, flags, nullptr, 0);
}
ssize_t call_sendmsg(int fd, const msghdr& message, int flags) {
  return ::syscall(SYS_sendmsg, fd, &message, flags);
}
#endif

Received receive_with(int fd, char* buffer, std::size_t size, int flags) {
  Received result;
  const ssize_t got = call_recv(fd, buffer, size, flags);
  if (got > 0) {
    result.outcome = ReceiveOutcome::kBytes;
    result.bytes = std::string_view(buffer, static_cast<std::size_t>(got));
  } else if (got == 0) {
    result.outcome = ReceiveOutcome::kClosed;
  } else if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
    result.outcome = ReceiveOutcome::kWouldBlock;
  } else {
    result.outcome = ReceiveOutcome::kFailed;
    result.failed_errno = errno;
  }
  return result;
}

}  // namespace

Received receive(int fd, char* buffer, std::size_t size) {
  return receive_with(fd, buffer, size, 0);
}

Received peek(int fd, char* buffer, std::size_t size) {
  return receive_with(fd, buffer, size, MSG_PEEK);
}

OutputBuffer::Outcome OutputBuffer::fail(int error_number) {
  error_number_ = error_number;
  clear();
  return Outcome::kBroken;
}

void OutputBuffer::clear() {
  bytes_ = std::string();
  at_ = 0;
}

Sent send_pieces(int fd, const iovec* pieces, std::size_t count) {
  Sent result;
  ssize_t sent = 0;
  if (count == 1) {
    sent = call_send(fd, pieces->iov_base, pieces->iov_len, MSG_NOSIGNAL);
  } else {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(pieces);
    message.msg_iovlen = count;
    sent = call_sendmsg(fd, message, MSG_NOSIGNAL);
  }
  if (sent >= 0) {
    result.bytes = static_cast<std::size_t>(sent);
  } else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
    result.failed_errno = errno;
  }
  return result;
}

namespace {

struct PlainSocket {
  int fd;
  Sent send(const iovec* pieces, std::size_t count) const { return send_pieces(fd, pieces, count); }
};

}  // namespace

template <typename To>
OutputBuffer::Outcome OutputBuffer::send_to(To& to,
                                            std::initializer_list<std::string_view> pieces) {
  CHECK(pieces.size() <= kPiecesMax);
  if (!is_empty()) {
    for (const auto piece : pieces) bytes_.append(piece);
    return Outcome::kWaiting;
  }
  iovec vectors[kPiecesMax];
  std::size_t count = 0;
  for (const auto piece : pieces) {
    if (piece.empty()) continue;
    vectors[count++] = iovec{const_cast<char*>(piece.data()), piece.size()};
  }
  if (count == 0) return Outcome::kSent;
  const Sent sent = to.send(vectors, count);
  if (sent.is_broken()) return fail(sent.failed_errno);

  std::size_t taken = sent.bytes;
  sent_bytes_ += taken;
  for (const auto piece : pieces) {
    const std::size_t skip = std::min(taken, piece.size());
    taken -= skip;
    bytes_.append(piece.substr(skip));
  }
  return is_empty() ? Outcome::kSent : Outcome::kWaiting;
}

template <typename To>
OutputBuffer::Outcome OutputBuffer::flush_to(To& to) {
  if (is_empty()) return Outcome::kSent;
  const iovec rest{bytes_.data() + at_, bytes_.size() - at_};
  const Sent sent = to.send(&rest, 1);
  if (sent.is_broken()) return fail(sent.failed_errno);
  at_ += sent.bytes;
  sent_bytes_ += sent.bytes;
  if (is_empty()) {
    if (bytes_.capacity() > kept_bytes_) {
      clear();
    } else {
      bytes_.clear();
      at_ = 0;
    }
    return Outcome::kSent;
  }
  if (at_ >= kCompactBytes && at_ >= bytes_.size() / 2) {
    bytes_.erase(0, at_);
    at_ = 0;
  }
  return Outcome::kWaiting;
}

OutputBuffer::Outcome OutputBuffer::send(int fd, std::initializer_list<std::string_view> pieces) {
  PlainSocket socket{fd};
  return send_to(socket, pieces);
}
OutputBuffer::Outcome OutputBuffer::send(Channel& channel,
                                         std::initializer_list<std::string_view> pieces) {
  return send_to(channel, pieces);
}
OutputBuffer::Outcome OutputBuffer::flush(int fd) {
  PlainSocket socket{fd};
  return flush_to(socket);
}
OutputBuffer::Outcome OutputBuffer::flush(Channel& channel) { return flush_to(channel); }

}  // namespace banyan::net
