// SPDX-License-Identifier: Apache-2.0
//
// The floor of a proxy: what comes on one socket goes out on the other, and nothing is looked at.
// `socket_floor level|edge|ring PORT UPSTREAM_PORT`, one connection upstream for each client, both
// on 127.0.0.1. level and edge: epoll and four socket calls a request, as every event loop makes
// them; ring: io_uring, which needs none of its own. For whole messages of up to 16 KiB; ends at
// SIGTERM.
#include <arpa/inet.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

namespace {

constexpr std::size_t kFdsMax = 4096;
constexpr unsigned kBuffers = 512;
constexpr std::size_t kBufferBytes = 16U << 10;

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(2);
}

sockaddr_in address_of(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int stream_socket() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || static_cast<std::size_t>(fd) >= kFdsMax) fail("socket");
  return fd;
}

void set_on(int fd, int level, int option) {
  const int on = 1;
  (void)::setsockopt(fd, level, option, &on, sizeof on);
}

int listen_on(int port) {
  const int fd = stream_socket();
  set_on(fd, SOL_SOCKET, SO_REUSEADDR);
  set_on(fd, IPPROTO_TCP, TCP_NODELAY);
  const sockaddr_in address = address_of(port);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fail("bind");
  if (::listen(fd, 512) != 0) fail("listen");
  return fd;
}

// Who is at the other side of each descriptor.
class Pairs {
 public:
  explicit Pairs(int upstream_port) : upstream_(address_of(upstream_port)) {}

  int connect_for(int client) {
    if (static_cast<std::size_t>(client) >= kFdsMax) fail("accept: too many connections");
    const int upstream = stream_socket();
    if (::connect(upstream, reinterpret_cast<const sockaddr*>(&upstream_), sizeof upstream_) != 0) {
      fail("connect");
    }
    set_on(upstream, IPPROTO_TCP, TCP_NODELAY);
    peers_[static_cast<std::size_t>(client)] = upstream;
    peers_[static_cast<std::size_t>(upstream)] = client;
    return upstream;
  }
  int peer_of(int fd) const { return peers_[static_cast<std::size_t>(fd)]; }
  // Both ends hear of it by an end of stream.
  void part(int fd) const {
    (void)::shutdown(fd, SHUT_RDWR);
    (void)::shutdown(peer_of(fd), SHUT_RDWR);
  }

 private:
  const sockaddr_in upstream_;
  std::array<int, kFdsMax> peers_{};
};

[[noreturn]] void run_epoll(int listener, Pairs& pairs, std::uint32_t mode) {
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  const auto watch = [epoll](int fd, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
  };
  watch(listener, EPOLLIN);
  std::vector<char> buffer(kBufferBytes);
  std::array<epoll_event, 64> ready{};
  while (true) {
    const int count = ::epoll_wait(epoll, ready.data(), static_cast<int>(ready.size()), -1);
    for (int i = 0; i < count; ++i) {
      const int fd = ready[static_cast<std::size_t>(i)].data.fd;
      if (fd == listener) {
        const int client = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        if (client < 0) continue;
        watch(client, EPOLLIN | mode);
        watch(pairs.connect_for(client), EPOLLIN | mode);
        continue;
      }
      const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (got > 0) {
        (void)::send(pairs.peer_of(fd), buffer.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL);
      } else if (got == 0 || errno != EAGAIN) {
        pairs.part(fd);
        ::close(fd);
      }
    }
  }
}

// One receive that stays armed on each socket, with buffers that the kernel picks; what is to be
// sent goes with the call that waits.
class Ring {
 public:
  Ring() {
    io_uring_params how{};
    how.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE;
    how.cq_entries = 8192;
    errno = -io_uring_queue_init_params(2048, &ring_, &how);
    if (errno != 0) fail("io_uring");
    if (::posix_memalign(reinterpret_cast<void**>(&buffers_), 4096,
                         kBuffers * sizeof(io_uring_buf)) != 0) {
      fail("memory");
    }
    std::memset(buffers_, 0, kBuffers * sizeof(io_uring_buf));
    io_uring_buf_reg reg{};
    reg.ring_addr = reinterpret_cast<std::uint64_t>(buffers_);
    reg.ring_entries = kBuffers;
    reg.bgid = kGroup;
    errno = -io_uring_register_buf_ring(&ring_, &reg, 0);
    if (errno != 0) fail("io_uring buffers");
    io_uring_buf_ring_init(buffers_);
    for (unsigned i = 0; i < kBuffers; ++i) give_back(i);
  }

  [[noreturn]] void run(int listener, Pairs& pairs) {
    io_uring_sqe* accept = io_uring_get_sqe(&ring_);
    io_uring_prep_multishot_accept(accept, listener, nullptr, nullptr, SOCK_CLOEXEC);
    accept->user_data = tag(kAccept, listener);
    while (true) {
      io_uring_submit_and_wait(&ring_, 1);
      unsigned head = 0;
      unsigned seen = 0;
      io_uring_cqe* done = nullptr;
      io_uring_for_each_cqe(&ring_, head, done) {
        ++seen;
        handle(*done, pairs);
      }
      io_uring_cq_advance(&ring_, seen);
    }
  }

 private:
  static constexpr int kGroup = 1;
  static constexpr std::uint64_t kAccept = 0, kReceive = 1, kSendFirst = 2;  // + the buffer
  static std::uint64_t tag(std::uint64_t kind, int fd) {
    return kind << 32 | static_cast<std::uint32_t>(fd);
  }

  char* bytes_of(std::uint64_t buffer) { return storage_.data() + buffer * kBufferBytes; }
  void give_back(std::uint64_t buffer) {
    io_uring_buf_ring_add(buffers_, bytes_of(buffer), kBufferBytes,
                          static_cast<unsigned short>(buffer), io_uring_buf_ring_mask(kBuffers), 0);
    io_uring_buf_ring_advance(buffers_, 1);
  }
  void receive(int fd) {
    io_uring_sqe* entry = io_uring_get_sqe(&ring_);
    io_uring_prep_recv(entry, fd, nullptr, 0, 0);
    entry->flags |= IOSQE_BUFFER_SELECT;
    entry->buf_group = kGroup;
    entry->ioprio |= IORING_RECV_MULTISHOT;
    entry->user_data = tag(kReceive, fd);
  }
  void handle(const io_uring_cqe& done, Pairs& pairs) {
    const std::uint64_t kind = done.user_data >> 32;
    const int fd = static_cast<int>(done.user_data & 0xffff'ffffU);
    if (kind == kAccept) {
      if (done.res < 0) return;
      receive(done.res);
      receive(pairs.connect_for(done.res));
    } else if (kind == kReceive) {
      if (done.res == -ENOBUFS) return receive(fd);
      if (done.res <= 0) return pairs.part(fd);
      const std::uint64_t buffer = done.flags >> IORING_CQE_BUFFER_SHIFT;
      io_uring_sqe* entry = io_uring_get_sqe(&ring_);
      io_uring_prep_send(entry, pairs.peer_of(fd), bytes_of(buffer),
                         static_cast<std::size_t>(done.res), MSG_NOSIGNAL | MSG_WAITALL);
      entry->user_data = tag(kSendFirst + buffer, fd);
      if ((done.flags & IORING_CQE_F_MORE) == 0) receive(fd);
    } else {
      give_back(kind - kSendFirst);
    }
  }

  io_uring ring_{};
  io_uring_buf_ring* buffers_ = nullptr;
  std::vector<char> storage_ = std::vector<char>(kBuffers * kBufferBytes);
};

}  // namespace

int main(int count, char** words) {
  const std::string_view mode = count == 4 ? words[1] : "";
  if (mode != "level" && mode != "edge" && mode != "ring") {
    std::fprintf(stderr, "usage: socket_floor level|edge|ring PORT UPSTREAM_PORT\n");
    return 2;
  }
  const int listener = listen_on(std::atoi(words[2]));
  Pairs pairs(std::atoi(words[3]));
  if (mode == "ring") Ring().run(listener, pairs);
  run_epoll(listener, pairs, mode == "edge" ? EPOLLET : 0U);
}
