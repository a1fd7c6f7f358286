// SPDX-License-Identifier: Apache-2.0
#include "proxy/handshake.h"

#include <memory>
#include <utility>

#include "core/base/text.h"
#include "core/net/tls_server_context.h"
#include "proxy/worker.h"

namespace banyan::proxy {
namespace {

// It goes into a field of every request.
constexpr std::size_t kClientSubjectBytesMax = 2048;

constexpr std::string_view kPlainHttpAnswer =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: 83\r\n"
    "Connection: close\r\n\r\n"
    "{\"error\":{\"code\":\"tls_expected\",\"message\":\"this port speaks TLS only; use "
    "https\"}}\n";

std::string_view name_of(net::TlsVersion version) {
  return version == net::TlsVersion::k13 ? "TLSv1.3" : "TLSv1.2";
}

}  // namespace

Handshake::Handshake(Worker& worker, net::Channel channel, std::string address, Peer peer,
                     std::uint64_t number, const ListenerFacts& facts)
    : Connection(std::move(peer), number),
      worker_(worker),
      facts_(facts),
      channel_(std::move(channel)),
      address_(std::move(address)) {}

void Handshake::start() {
  deadline_ns_ = worker_.loop().now().mono_ns + worker_.shared().options.timeouts.handshake_ns;
  watch_.emplace(worker_.loop(), channel_.fd(),
                 [this](net::FdWatch::Ready ready) { on_ready(ready); });
  if (facts_.has_proxy_header) {
    // Anybody else could claim to be anybody.
    if (!facts_.trusted.is_empty() && !facts_.trusted.contains(address_)) {
      return refuse_proxy_header("untrusted");
    }
    proxy_header_.emplace();
  } else {
    begin_tls();
  }
  watch_->want_read(true);
}

// An answer would cost a whole handshake first.
void Handshake::refuse_over_limit() {
  worker_.count_refused(503);
  close();
}

void Handshake::on_ready(net::FdWatch::Ready) {
  if (is_closed_) return;
  has_received_ = true;
  if (proxy_header_) {
    read_proxy_header();
  } else {
    shake();
  }
}

// ---- PROXY header

// Looks first and takes then, so that not a byte behind the header leaves the socket: TLS, or the
// request, begins there.
void Handshake::read_proxy_header() {
  using Outcome = net::ProxyHeaderReader::Outcome;
  const net::Received seen =
      net::peek(channel_.fd(), worker_.scratch(), net::ProxyHeaderReader::kBinaryBytesMax);
  if (seen.outcome == net::ReceiveOutcome::kWouldBlock) return;
  if (seen.outcome != net::ReceiveOutcome::kBytes) return refuse_proxy_header("closed");
  std::string_view rest = seen.bytes;
  const Outcome outcome = proxy_header_->next(rest);
  const std::size_t taken = seen.bytes.size() - rest.size();
  if (taken > 0) (void)net::receive(channel_.fd(), worker_.scratch(), taken);
  if (outcome == Outcome::kNeedMore) return;
  if (outcome == Outcome::kRefused) return refuse_proxy_header(to_string(proxy_header_->problem()));
  if (proxy_header_->names_client()) address_ = proxy_header_->client().host();
  proxy_header_.reset();
  if (facts_.tls == nullptr) return become_http();
  begin_tls();
}

void Handshake::refuse_proxy_header(std::string_view reason) {
  worker_.shared()
      .metrics
      .counter("banyan_proxy_header_refusals_total",
               "Connections closed for their PROXY header, by reason.",
               {{"reason", std::string(reason)}})
      .add();
  close();
}

// ---- TLS

void Handshake::begin_tls() { channel_.start_tls(facts_.tls->load()->new_session()); }

void Handshake::shake() {
  switch (channel_.handshake()) {
    case net::HandshakeOutcome::kDone: return become_http();
    case net::HandshakeOutcome::kWantRead: watch_->want_write(false); return;
    case net::HandshakeOutcome::kWantWrite: watch_->want_write(true); return;
    case net::HandshakeOutcome::kFailed: return fail_tls();
  }
}

void Handshake::fail_tls() {
  const net::TlsFailure failure = channel_.tls()->failure();
  count_tls_failure(to_string(failure));
  if (failure == net::TlsFailure::kPlainHttp) {
    (void)net::OutputBuffer().send(channel_.fd(), kPlainHttpAnswer);
    net::shut_down_sending(channel_.fd());
  }
  close();
}

void Handshake::count_tls_failure(std::string_view reason) {
  worker_.shared()
      .metrics
      .counter("banyan_tls_handshake_failures_total", "TLS handshakes of clients that failed.",
               {{"reason", std::string(reason)}})
      .add();
}

// False where the client's certificate bears a name that is too long to pass on.
bool Handshake::learn_secure_facts(Peer& peer) const {
  const net::TlsSession& tls = *channel_.tls();
  auto secure = std::make_shared<SecureFacts>();
  secure->version = name_of(tls.version());
  secure->cipher = tls.cipher();
  secure->server_name = to_lower(tls.sni());
  secure->asks_for_certificates = tls.asks_for_certificates();
  if (secure->asks_for_certificates) secure->client_subject = tls.peer_subject();
  worker_.shared()
      .metrics
      .counter("banyan_tls_handshakes_total", "TLS handshakes of clients that succeeded.",
               {{"version", secure->version}, {"resumed", tls.is_resumed() ? "true" : "false"}})
      .add();
  const bool is_good = secure->client_subject.size() <= kClientSubjectBytesMax;
  peer.secure = std::move(secure);
  return is_good;
}

// ---- ends

void Handshake::become_http() {
  Peer client =
      facts_.has_proxy_header ? make_peer(address_, facts_.trusted, facts_.writes_via) : peer();
  if (channel_.is_secure() && !learn_secure_facts(client)) {
    count_tls_failure(to_string(net::TlsFailure::kClientCertificate));
    return close();
  }
  if (facts_.has_proxy_header && !worker_.shared().connections.name_client(client.address)) {
    worker_.count_refused(503);
    return close();
  }
  is_closed_ = true;
  watch_.reset();
  worker_.replace(
      *this, worker_.open_connection(std::move(channel_), std::move(client), number(), facts_));
}

void Handshake::on_tick(std::int64_t now_ns) {
  if (is_closed_ || now_ns < deadline_ns_) return;
  worker_.count_timeout("handshake");
  if (proxy_header_) return refuse_proxy_header("timeout");
  count_tls_failure("timeout");
  close();
}

// One that has not said a word is idle.
void Handshake::drain() {
  is_draining_ = true;
  if (!has_received_) close();
}

void Handshake::close() {
  if (is_closed_) return;
  is_closed_ = true;
  watch_.reset();
  channel_.close();
  worker_.release(*this);
}

}  // namespace banyan::proxy
