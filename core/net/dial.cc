// SPDX-License-Identifier: Apache-2.0
#include "core/net/dial.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "core/base/check.h"
#include "core/net/tls_client_context.h"
#include "core/net/upstream_call.h"
#include "core/net/upstream_pool.h"

namespace banyan::net {
namespace {

std::string describe(std::string_view what, int error_number) {
  return std::string(what) + ": " + std::generic_category().message(error_number);
}

}  // namespace

bool Dial::connect(UpstreamCallImpl& call) {
  sockaddr_storage storage{};
  const std::string& bytes = place_.address().socket_address;
  CHECK(bytes.size() <= sizeof storage);
  std::memcpy(&storage, bytes.data(), bytes.size());
  UniqueFd fd(::socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) return false;
  set_no_delay(fd.get());
  const int result = ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&storage),
                               static_cast<socklen_t>(bytes.size()));
  if (result != 0 && errno != EINPROGRESS && errno != EINTR) return false;
  channel_ = Channel(std::move(fd));
  only_http1_ = call.needs_http1() || shelf_.needs_http1;
  ride(call);
  watch_.emplace(pool_.loop(), channel_.fd(), [this](FdWatch::Ready) { on_ready(); });
  timer_.emplace(pool_.loop(), [this] {
    fail(UpstreamFailureKind::kConnectTimeout,
         place_.address().text + (step_ == Step::kHandshake
                                      ? " did not finish its TLS handshake in time"
                                      : " did not accept in time"));
  });
  watch_->want_write(true);
  timer_->start(pool_.options().connect_timeout_ns);
  return true;
}

void Dial::ride(UpstreamCallImpl& call) {
  riders_.push_back(&call);
  call.attach_to(*this);
}

void Dial::on_ready() {
  switch (step_) {
    case Step::kConnecting: return check_connected();
    case Step::kSendingSource: return send_source();
    case Step::kHandshake: return shake_hands();
    case Step::kClosed: return;
  }
}

void Dial::check_connected() {
  int error_number = 0;
  socklen_t size = sizeof error_number;
  if (getsockopt(channel_.fd(), SOL_SOCKET, SO_ERROR, &error_number, &size) != 0) {
    error_number = errno;
  }
  if (error_number != 0) {
    return fail(UpstreamFailureKind::kConnectFailed,
                describe("cannot connect to " + place_.address().text, error_number));
  }
  if (source_.empty()) return begin_handshake();
  step_ = Step::kSendingSource;
  out_.append(source_);
  send_source();
}

void Dial::send_source() {
  switch (out_.flush(channel_)) {
    case OutputBuffer::Outcome::kWaiting: return;
    case OutputBuffer::Outcome::kSent: return begin_handshake();
    case OutputBuffer::Outcome::kBroken:
      return fail(
          UpstreamFailureKind::kConnectFailed,
          describe(place_.address().text + " closed at the PROXY header", out_.error_number()));
  }
}

void Dial::begin_handshake() {
  const UpstreamAddress& address = place_.address();
  if (!address.is_secure) return finish();
  const auto& tls = pool_.options().tls;
  if (tls == nullptr) {
    return fail(UpstreamFailureKind::kTlsFailed,
                address.text + " wants TLS, and its system has no settings for it");
  }
  step_ = Step::kHandshake;
  channel_.start_tls(tls->new_session(address.host, only_http1_));
  shake_hands();
}

void Dial::shake_hands() {
  const HandshakeOutcome outcome = channel_.handshake();
  switch (outcome) {
    case HandshakeOutcome::kDone: return finish();
    case HandshakeOutcome::kWantRead:
    case HandshakeOutcome::kWantWrite:
      watch_->want_write(outcome == HandshakeOutcome::kWantWrite);
      watch_->want_read(outcome == HandshakeOutcome::kWantRead);
      return;
    case HandshakeOutcome::kFailed:
      return fail(UpstreamFailureKind::kTlsFailed,
                  "TLS with " + place_.address().text + ": " + channel_.tls()->failure_message());
  }
}

void Dial::finish() {
  const bool asks_for_http2 =
      pool_.options().http2 == UpstreamHttp2::kPriorKnowledge && !only_http1_;
  const bool speaks_http2 = channel_.is_secure() ? channel_.alpn() == "h2" : asks_for_http2;
  if (asks_for_http2 && !speaks_http2) {
    return fail(UpstreamFailureKind::kTlsFailed,
                place_.address().text + " did not agree on HTTP/2, which its system asks for");
  }
  const auto riders = release_riders();
  step_ = Step::kClosed;
  watch_.reset();
  timer_.reset();
  pool_.connected(*this, std::move(place_), std::move(source_), std::move(channel_), speaks_http2,
                  riders);
}

std::vector<UpstreamCallImpl*> Dial::release_riders() {
  for (UpstreamCallImpl* call : riders_) call->detach();
  return std::exchange(riders_, {});
}

// Judged once, however many calls waited for it. Each looks for another address or fails.
void Dial::fail(UpstreamFailureKind kind, std::string message) {
  pool_.failed(shelf_, kind, message);
  const auto riders = release_riders();
  close();
  pool_.dial_failed(riders, kind, message);
}

void Dial::given_up(UpstreamCallImpl&) {
  pool_.failed(shelf_, UpstreamFailureKind::kConnectTimeout, "the request's own deadline passed");
}

void Dial::cancel(UpstreamCallImpl& call) {
  riders_.erase(std::remove(riders_.begin(), riders_.end(), &call), riders_.end());
  if (riders_.empty()) close();
}

void Dial::close() {
  if (step_ == Step::kClosed) return;
  step_ = Step::kClosed;
  watch_.reset();
  timer_.reset();
  channel_.close();
  pool_.closed(*this);
}

}  // namespace banyan::net
