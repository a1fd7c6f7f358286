// SPDX-License-Identifier: Apache-2.0
//
// Plain non-blocking TCP sockets: listening, accepting, and bytes that wait to be sent. No events
// in here; watch the descriptors with FdWatch.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/error.h"

namespace banyan::net {

// Owns a descriptor.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  ~UniqueFd() { reset(); }
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

// "127.0.0.1:8080", "[::1]:8080", "name:8080" in two; host without brackets. Both views of `text`.
struct HostPort {
  std::string_view host;
  std::string_view port;
};
Result<HostPort> split_host_port(std::string_view text);

// The bytes of one sockaddr, and its text "1.2.3.4:80" or "[::1]:80".
struct SocketAddress {
  std::string bytes;
  std::string text() const;
  std::string host() const;  // without the port and brackets
  std::uint16_t port() const;
};
// The bytes of a sockaddr, or of a part of one, as the kernel lays them out.
template <typename T>
std::string raw_bytes(const T& part) {
  return std::string(reinterpret_cast<const char*>(&part), sizeof part);
}
// Of an IP without brackets. Empty where it is none.
SocketAddress socket_address_of(const std::string& ip, std::uint16_t port);
// The two ends of a connected socket. Empty where it has none any more.
SocketAddress local_end(int fd);
SocketAddress remote_end(int fd);
// Blocking (getaddrinfo). Names and numbers.
Result<std::vector<SocketAddress>> resolve_host_port(std::string_view text, bool is_for_listening);

struct Listening {
  UniqueFd fd;
  std::string address;  // as bound, with the real port: "127.0.0.1:43121"
};
// A non-blocking listening socket with TCP_NODELAY (accepted ones inherit it). `[::]` takes IPv6
// only. Several listeners share an address if all of them set `reuse_port`.
Result<Listening> listen_on(std::string_view address, bool reuse_port, int backlog = 1024);

struct Accepted {
  UniqueFd fd;  // non-blocking, close-on-exec
  SocketAddress peer;
};
enum class AcceptOutcome {
  kAccepted,
  kNothing,    // nobody waits (or the one who did has left)
  kExhausted,  // no descriptor or memory left: pause accepting for a while, or the loop spins
};
AcceptOutcome accept_from(int listener_fd, Accepted& out);

void set_no_delay(int fd);
// close() will send RST and drop what is unsent: how a cut message is told from an ended one.
void set_reset_on_close(int fd);
void shut_down_sending(int fd);
// What the peer has not acknowledged of all that was sent; 0 where the system cannot tell.
std::size_t unacknowledged_bytes(int fd);

// What one recv brought.
enum class ReceiveOutcome { kBytes, kWouldBlock, kClosed, kFailed };
struct Received {
  ReceiveOutcome outcome = ReceiveOutcome::kWouldBlock;
  std::string_view bytes;  // of `buffer`
  int failed_errno = 0;
  // TLS only: the stream ended without saying so; what it carried may be cut.
  bool is_truncated = false;
};
Received receive(int fd, char* buffer, std::size_t size);
// The same, and the bytes stay in the socket.
Received peek(int fd, char* buffer, std::size_t size);

// Bytes taken, or why the connection is broken. Nothing taken and no error: the socket is full.
struct Sent {
  std::size_t bytes = 0;
  int failed_errno = 0;
  bool is_broken() const { return failed_errno != 0; }
};
// One system call.
Sent send_pieces(int fd, const iovec* pieces, std::size_t count);

class Channel;

// Bytes on their way out of one socket or Channel: sent at once if nothing waits, kept otherwise.
// It does not watch the descriptor; its owner wants write readiness while !is_empty(), and then
// calls flush(). Owns no memory while it is empty.
class OutputBuffer {
 public:
  OutputBuffer() = default;
  // Keeps so much room for what it is used for next; release_room() gives it up.
  explicit OutputBuffer(std::size_t kept_bytes) : kept_bytes_(kept_bytes) {}

  enum class Outcome {
    kSent,     // nothing waits
    kWaiting,  // some bytes wait: watch for write readiness
    kBroken,   // the connection is gone (error_number()); what waited is dropped
  };
  // In order. One system call for all pieces.
  Outcome send(int fd, std::initializer_list<std::string_view> pieces);
  Outcome send(int fd, std::string_view bytes) { return send(fd, {bytes}); }
  Outcome send(Channel& channel, std::initializer_list<std::string_view> pieces);
  Outcome send(Channel& channel, std::string_view bytes) { return send(channel, {bytes}); }
  // Keeps without sending, for batching; flush() sends.
  void append(std::string_view bytes) { bytes_.append(bytes); }
  Outcome flush(int fd);
  Outcome flush(Channel& channel);

  bool is_empty() const { return at_ == bytes_.size(); }
  std::size_t waiting_bytes() const { return bytes_.size() - at_; }
  // Bytes the kernel took since construction.
  std::uint64_t sent_bytes() const { return sent_bytes_; }
  int error_number() const { return error_number_; }
  void clear();
  // What is kept for the next use, where nothing waits.
  void release_room() {
    if (is_empty()) clear();
  }

 private:
  Outcome fail(int error_number);
  template <typename To>
  Outcome send_to(To& to, std::initializer_list<std::string_view> pieces);
  template <typename To>
  Outcome flush_to(To& to);

  std::string bytes_;
  std::size_t at_ = 0;  // before it everything is sent
  std::size_t kept_bytes_ = 0;
  std::uint64_t sent_bytes_ = 0;
  int error_number_ = 0;
};

}  // namespace banyan::net
