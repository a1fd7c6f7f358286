// SPDX-License-Identifier: Apache-2.0
#include "app/system_probe.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <ctime>
#include <utility>

#include "core/base/clock.h"
#include "core/base/text.h"
#include "core/http/message_reader.h"
#include "core/http/message_writer.h"

namespace banyan::app {
namespace {

constexpr std::uint64_t kProbeBytesMax = 16ULL << 20;
constexpr std::size_t kReadBytes = 64 * 1024;

Error unavailable(std::string message) {
  return make_error(ErrorCode::kUnavailable, ErrorOrigin::kInternal, std::move(message));
}

std::int64_t deadline_of(std::int64_t patience_ns) {
  return SystemClock::instance().mono_ns() + patience_ns;
}

}  // namespace

std::optional<std::int64_t> parse_http_date(std::string_view text) {
  static constexpr std::array<std::string_view, 12> kMonths = {
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  if (text.size() != 29 || text.substr(3, 2) != ", " || text.substr(25) != " GMT" ||
      text[7] != ' ' || text[11] != ' ' || text[16] != ' ' || text[19] != ':' || text[22] != ':') {
    return std::nullopt;
  }
  std::tm parts{};
  bool is_known_month = false;
  for (std::size_t i = 0; i < kMonths.size(); ++i) {
    if (text.substr(8, 3) != kMonths[i]) continue;
    parts.tm_mon = static_cast<int>(i);
    is_known_month = true;
  }
  const auto day = parse_u64(text.substr(5, 2)), year = parse_u64(text.substr(12, 4)),
             hour = parse_u64(text.substr(17, 2)), minute = parse_u64(text.substr(20, 2)),
             second = parse_u64(text.substr(23, 2));
  if (!is_known_month || !day || *day < 1 || *day > 31 || !year || *year < 1970 || !hour ||
      *hour > 23 || !minute || *minute > 59 || !second || *second > 60) {
    return std::nullopt;
  }
  parts.tm_mday = static_cast<int>(*day);
  parts.tm_year = static_cast<int>(*year) - 1900;
  parts.tm_hour = static_cast<int>(*hour);
  parts.tm_min = static_cast<int>(*minute);
  parts.tm_sec = static_cast<int>(*second);
  return static_cast<std::int64_t>(timegm(&parts));
}

Status SystemProbe::wait(short events, std::int64_t deadline_ns) {
  for (;;) {
    const std::int64_t left = deadline_ns - SystemClock::instance().mono_ns();
    if (left <= 0) return unavailable("it does not answer in time");
    pollfd watched{channel_.fd(), events, 0};
    const int ready = poll(&watched, 1, static_cast<int>(left / 1'000'000) + 1);
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) {
      return error_from_errno(errno, ErrorOrigin::kInternal, "poll");
    }
  }
}

Result<SystemProbe> SystemProbe::connect(const std::string& socket_address,
                                         const net::SystemUrl& url,
                                         const net::TlsClientContext* tls,
                                         std::int64_t patience_ns) {
  SystemProbe probe;
  probe.authority_ = url.authority();
  const std::int64_t deadline = deadline_of(patience_ns);
  const auto* address = reinterpret_cast<const sockaddr*>(socket_address.data());
  net::UniqueFd fd(::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.is_open()) return error_from_errno(errno, ErrorOrigin::kInternal, "socket");
  const int raw = fd.get();
  const bool is_pending =
      ::connect(raw, address, static_cast<socklen_t>(socket_address.size())) != 0;
  if (is_pending && errno != EINPROGRESS) {
    return error_from_errno(errno, ErrorOrigin::kInternal, "it does not take a connection");
  }
  probe.channel_ = net::Channel(std::move(fd));
  if (is_pending) BANYAN_RETURN_IF_ERROR(probe.wait(POLLOUT, deadline));
  int failed = 0;
  socklen_t size = sizeof failed;
  if (::getsockopt(raw, SOL_SOCKET, SO_ERROR, &failed, &size) == 0 && failed != 0) {
    return error_from_errno(failed, ErrorOrigin::kInternal, "it does not take a connection");
  }
  if (tls == nullptr) return probe;
  probe.channel_.start_tls(tls->new_session(url.host));
  for (;;) {
    switch (probe.channel_.handshake()) {
      case net::HandshakeOutcome::kDone: return probe;
      case net::HandshakeOutcome::kWantRead:
        BANYAN_RETURN_IF_ERROR(probe.wait(POLLIN, deadline));
        break;
      case net::HandshakeOutcome::kWantWrite:
        BANYAN_RETURN_IF_ERROR(probe.wait(POLLOUT, deadline));
        break;
      case net::HandshakeOutcome::kFailed:
        return unavailable("the TLS handshake fails: " +
                           std::string(probe.channel_.tls()->failure_message()));
    }
  }
}

Status SystemProbe::send_all(std::string_view bytes, std::int64_t deadline_ns) {
  while (!bytes.empty()) {
    const net::Sent sent = channel_.send(bytes);
    if (sent.failed_errno != 0) {
      return error_from_errno(sent.failed_errno, ErrorOrigin::kInternal, "it closes on a request");
    }
    bytes.remove_prefix(sent.bytes);
    if (!bytes.empty()) BANYAN_RETURN_IF_ERROR(wait(POLLOUT, deadline_ns));
  }
  return {};
}

Result<ProbeAnswer> SystemProbe::ask(std::string_view method, std::int64_t patience_ns) {
  const std::int64_t deadline = deadline_of(patience_ns);
  std::string message;
  http::write_request_line(message, method, "/");
  http::write_field(message, "Host", authority_);
  http::write_field(message, "User-Agent", "banyan-doctor");
  http::write_end_of_head(message);
  BANYAN_RETURN_IF_ERROR(send_all(message, deadline));
  http::ResponseReader reader{http::ReadLimits{}};
  reader.expect_answer_to(method);
  ProbeAnswer answer;
  std::uint64_t received_bytes = 0;
  std::string buffer(kReadBytes, '\0');
  for (;;) {
    if (!channel_.has_buffered_input()) BANYAN_RETURN_IF_ERROR(wait(POLLIN, deadline));
    const net::Received got = channel_.receive(buffer.data(), buffer.size());
    if (got.outcome == net::ReceiveOutcome::kWouldBlock) continue;
    const bool is_end = got.outcome != net::ReceiveOutcome::kBytes;
    if (is_end && received_bytes == 0) return unavailable("it closes without an answer");
    received_bytes += got.bytes.size();
    if (received_bytes > kProbeBytesMax) return unavailable("its answer to / is very large");
    std::string_view input = got.bytes;
    for (bool needs_more = false; !needs_more;) {
      switch (is_end ? reader.finish_at_close() : reader.next(input)) {
        case http::ReadEvent::kNeedMore: needs_more = true; break;
        case http::ReadEvent::kHead: {
          const http::ResponseHead& head = reader.head();
          answer.status = head.status;
          answer.version_minor = head.version_minor;
          answer.keeps_alive = head.keep_alive;
          answer.is_chunked = head.framing == http::BodyFraming::kChunked;
          if (const auto date = http::find_header(head.fields, "date")) {
            answer.date_s = parse_http_date(*date);
          }
          break;
        }
        case http::ReadEvent::kBody: break;
        case http::ReadEvent::kComplete:
          if (answer.status >= 200) {
            answer.has_ended_early = is_end;
            return answer;
          }
          reader.reset();
          break;
        case http::ReadEvent::kError:
          return unavailable("its answer is not HTTP/1.1: " + std::string(reader.error().message));
      }
    }
    if (is_end) return unavailable("it closes in the middle of an answer");
  }
}

}  // namespace banyan::app
