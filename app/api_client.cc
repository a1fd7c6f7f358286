// SPDX-License-Identifier: Apache-2.0
#include "app/api_client.h"

#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "core/base/clock.h"
#include "core/base/file_system.h"
#include "core/base/text.h"
#include "core/http/message_reader.h"
#include "core/http/message_writer.h"
#include "core/net/upstream.h"

namespace banyan::app {
namespace {

constexpr std::uint64_t kAnswerBytesMax = 256ULL << 20;
constexpr std::uint64_t kTokenBytesMax = 4096;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

Error not_reachable(const std::string& url, int saved_errno) {
  Error error = error_from_errno(
      saved_errno, ErrorOrigin::kInternal,
      "no Banyan server answers at " + url + " (is it running? see --admin, -c and --data-dir)");
  error.code = ErrorCode::kUnavailable;
  return error;
}

// Waits for readiness until the deadline; 0 or an errno.
int wait_ready(int fd, short events, std::int64_t deadline_ns) {
  for (;;) {
    const std::int64_t left = deadline_ns - SystemClock::instance().mono_ns();
    if (left <= 0) return ETIMEDOUT;
    pollfd watched{fd, events, 0};
    const int ready = poll(&watched, 1, static_cast<int>(left / 1'000'000) + 1);
    if (ready > 0) return 0;
    if (ready < 0 && errno != EINTR) return errno;
  }
}

int send_all(int fd, std::string_view bytes, std::int64_t deadline_ns) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      if (const int failed = wait_ready(fd, POLLOUT, deadline_ns)) return failed;
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

std::string read_token(const std::string& data_dir) {
  if (const char* token = std::getenv("BANYAN_ADMIN_TOKEN")) return token;
  auto content = FileSystem::posix().read_file(data_dir + "/admin.token", kTokenBytesMax);
  if (!content.ok()) return {};
  std::string_view token = *content;
  while (!token.empty() && (token.back() == '\n' || token.back() == '\r')) token.remove_suffix(1);
  return std::string(token);
}

// Reads the final answer; 1xx are passed over.
Result<ApiAnswer> read_answer(int fd, std::string_view method, const std::string& url,
                              std::int64_t deadline_ns) {
  http::ResponseReader reader{http::ReadLimits{}};
  reader.expect_answer_to(method);
  ApiAnswer answer;
  std::string buffer(64 * 1024, '\0');
  for (;;) {
    if (const int failed = wait_ready(fd, POLLIN, deadline_ns)) return not_reachable(url, failed);
    const ssize_t received = recv(fd, buffer.data(), buffer.size(), 0);
    if (received < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (received < 0) return not_reachable(url, errno);
    std::string_view input(buffer.data(), static_cast<std::size_t>(received));
    for (bool needs_more = false; !needs_more;) {
      switch (received == 0 ? reader.finish_at_close() : reader.next(input)) {
        case http::ReadEvent::kNeedMore: needs_more = true; break;
        case http::ReadEvent::kHead: answer.status = reader.head().status; break;
        case http::ReadEvent::kBody:
          if (answer.body.size() + reader.body().size() > kAnswerBytesMax) {
            return make_error(ErrorCode::kExhausted, ErrorOrigin::kInternal,
                              "the server's answer is larger than 256 MiB; narrow the request");
          }
          answer.body += reader.body();
          break;
        case http::ReadEvent::kComplete:
          if (answer.status >= 200) return answer;
          reader.reset();
          break;
        case http::ReadEvent::kError:
          return make_error(
              ErrorCode::kUnavailable, ErrorOrigin::kInternal,
              url + " does not answer like a Banyan server: " + reader.error().message);
      }
    }
  }
}

}  // namespace

std::string url_encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '~';
    if (is_plain) {
      out.push_back(c);
    } else {
      out += "%" + hex_of_bytes(std::string_view(&c, 1));
    }
  }
  return out;
}

Result<ApiAnswer> ApiClient::request(std::string_view method, const std::string& path,
                                     std::string_view json_body, std::int64_t timeout_ns) {
  const std::int64_t deadline_ns = SystemClock::instance().mono_ns() + timeout_ns;
  auto addresses = net::resolve_url(target_.admin_url);
  if (!addresses.ok()) return addresses.error();
  if (addresses->empty()) return not_reachable(target_.admin_url, EADDRNOTAVAIL);
  if (addresses->front().is_secure) {
    return make_error(ErrorCode::kUnsupported, ErrorOrigin::kConfig,
                      "the admin API speaks plain HTTP on loopback; use http:// for --admin");
  }
  const std::string& address = addresses->front().socket_address;
  const auto* socket_address = reinterpret_cast<const sockaddr*>(address.data());
  const Descriptor fd(
      socket(socket_address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (fd.get() < 0) return not_reachable(target_.admin_url, errno);
  if (connect(fd.get(), socket_address, static_cast<socklen_t>(address.size())) != 0) {
    if (errno != EINPROGRESS) return not_reachable(target_.admin_url, errno);
    int failed = wait_ready(fd.get(), POLLOUT, deadline_ns);
    socklen_t size = sizeof failed;
    if (failed == 0) getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &failed, &size);
    if (failed != 0) return not_reachable(target_.admin_url, failed);
  }

  std::string_view host = target_.admin_url;
  if (const auto scheme = host.find("://"); scheme != std::string_view::npos) {
    host.remove_prefix(scheme + 3);
  }
  host = host.substr(0, host.find('/'));
  std::string message;
  http::write_request_line(message, method, "/api/v1" + path);
  http::write_field(message, "Host", host);
  if (const std::string token = read_token(target_.data_dir); !token.empty()) {
    http::write_field(message, "Authorization", "Bearer " + token);
  }
  if (!json_body.empty() || method == "POST" || method == "PATCH") {
    http::write_field(message, "Content-Type", "application/json");
    http::write_content_length(message, json_body.size());
  }
  http::write_field(message, "Connection", "close");
  http::write_end_of_head(message);
  message += json_body;
  if (const int failed = send_all(fd.get(), message, deadline_ns)) {
    return not_reachable(target_.admin_url, failed);
  }
  return read_answer(fd.get(), method, target_.admin_url, deadline_ns);
}

}  // namespace banyan::app
