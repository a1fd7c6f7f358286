// SPDX-License-Identifier: Apache-2.0
//
// Connections to systems over TLS and with PROXY headers.
#include "core/net/dial.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "core/net/channel.h"
#include "core/net/proxy_header.h"
#include "core/net/tls_client_context.h"
#include "core/net/tls_server_context.h"
#include "tests/core/net/fake_http2.h"
#include "tests/core/net/pool_fixture.h"
#include "tests/support/tls_material.h"

namespace banyan::net {
namespace {

using support::CertificateSpec;
using support::MadeCertificate;

// A system behind TLS that sends one answer for each head.
class TlsSystem {
 public:
  struct Peer {
    Channel channel;
    std::unique_ptr<FdWatch> watch;
    OutputBuffer out;
    std::string received;
    bool is_shaken = false;
  };

  TlsSystem(EventLoop& loop, std::shared_ptr<const TlsServerContext> context)
      : loop_(loop), context_(std::move(context)) {
    auto listening = listen_on("127.0.0.1:0", false);
    EXPECT_TRUE(listening.ok());
    address = listening->address;
    fd_ = std::move(listening->fd);
    watch_ = std::make_unique<FdWatch>(loop, fd_.get(), [this](FdWatch::Ready) { on_accept(); });
    watch_->want_read(true);
  }

  std::string address;
  std::string answer{kOk};
  std::string answer_over_http2;  // instead of it, where ALPN agreed on that
  bool closes_without_notice = false, closes_behind_answer = false;
  int handshakes = 0, resumed = 0;
  std::string client_subject, alpn, received, sni;
  std::vector<std::unique_ptr<Peer>> peers;

 private:
  void on_accept() {
    Accepted accepted;
    while (accept_from(fd_.get(), accepted) == AcceptOutcome::kAccepted) {
      peers.push_back(std::make_unique<Peer>());
      Peer& peer = *peers.back();
      peer.channel = Channel(std::move(accepted.fd), context_->new_session());
      peer.watch = std::make_unique<FdWatch>(loop_, peer.channel.fd(),
                                             [this, &peer](FdWatch::Ready) { on_ready(peer); });
      peer.watch->want_read(true);
    }
  }
  void on_ready(Peer& peer) {
    if (!peer.is_shaken) {
      switch (peer.channel.handshake()) {
        case HandshakeOutcome::kDone: break;
        case HandshakeOutcome::kFailed: return end(peer);
        default: return;
      }
      peer.is_shaken = true;
      ++handshakes;
      resumed += peer.channel.tls()->is_resumed() ? 1 : 0;
      client_subject = peer.channel.tls()->peer_subject();
      alpn = std::string(peer.channel.alpn());
      sni = std::string(peer.channel.sni());
    }
    if (!peer.out.is_empty()) {
      peer.watch->want_write(peer.out.flush(peer.channel) == OutputBuffer::Outcome::kWaiting);
    }
    std::string buffer(65536, '\0');
    const Received got = peer.channel.receive(buffer.data(), buffer.size());
    if (got.outcome == ReceiveOutcome::kWouldBlock) return;
    if (got.outcome != ReceiveOutcome::kBytes) return end(peer);
    peer.received.append(got.bytes);
    received.append(got.bytes);
    for (auto at = peer.received.find("\r\n\r\n"); at != std::string::npos;
         at = peer.received.find("\r\n\r\n")) {
      peer.received.erase(0, at + 4);
      const bool is_http2 = !answer_over_http2.empty() && peer.channel.alpn() == "h2";
      peer.watch->want_write(peer.out.send(peer.channel, is_http2 ? answer_over_http2 : answer) ==
                             OutputBuffer::Outcome::kWaiting);
      if (closes_without_notice) {
        peer.watch.reset();
        ::shutdown(peer.channel.fd(), SHUT_RDWR);
        return;
      }
      if (closes_behind_answer) return end(peer);
    }
  }
  static void end(Peer& peer) {
    peer.watch.reset();
    peer.channel.close();
  }

  EventLoop& loop_;
  std::shared_ptr<const TlsServerContext> context_;
  UniqueFd fd_;
  std::unique_ptr<FdWatch> watch_;
};

class DialTest : public PoolTest {
 protected:
  DialTest() : authority_(authority_spec("Root")) {
    ca_ = folder_.write("ca.pem", authority_.certificate_pem());
  }
  static CertificateSpec authority_spec(std::string name) {
    CertificateSpec spec;
    spec.name = std::move(name);
    spec.is_authority = true;
    return spec;
  }
  static CertificateSpec named(std::string dns) {
    CertificateSpec spec;
    spec.dns = {std::move(dns)};
    return spec;
  }

  TlsSystem& serve(const MadeCertificate& certificate, TlsServerOptions options = {}) {
    options.certificates = {folder_.write("server", certificate)};
    auto context = TlsServerContext::create(options);
    EXPECT_TRUE(context.ok());
    system_ = std::make_unique<TlsSystem>(*loop_, *context);
    auto addresses = resolve_url("http://" + system_->address);
    addresses->front().is_secure = true;
    addresses->front().host = "shop.example";
    addresses_ = *addresses;
    return *system_;
  }
  void trust(TlsClientOptions tls) {
    auto made = TlsClientContext::create(tls);
    ASSERT_TRUE(made.ok()) << made.error().message;
    options_.tls = *made;
  }
  TlsClientOptions by_ca() const {
    TlsClientOptions tls;
    tls.ca = ca_;
    return tls;
  }

  support::TlsFolder folder_;
  MadeCertificate authority_;
  std::string ca_;
  std::unique_ptr<TlsSystem> system_;
};

TEST_F(DialTest, AsksOverTlsWithTheNameOfTheUrl) {
  const MadeCertificate certificate(named("shop.example"), &authority_);
  serve(certificate);
  trust(by_ca());
  EXPECT_EQ(ask(), "h200 b complete");
  EXPECT_EQ(ask(), "h200 b complete");
  EXPECT_EQ(system_->sni, "shop.example");
  EXPECT_EQ(pool().stats().connections_opened, 1U);
}

TEST_F(DialTest, ResumesTheSessionOnTheNextConnection) {
  const MadeCertificate certificate(named("shop.example"), &authority_);
  serve(certificate);
  trust(by_ca());
  EXPECT_EQ(ask(), "h200 b complete");
  pool().close_idle();
  EXPECT_EQ(ask(), "h200 b complete");
  EXPECT_EQ(system_->handshakes, 2);
  EXPECT_EQ(system_->resumed, 1);
}

// Nothing of the request leaves towards a system that cannot prove who it is.
TEST_F(DialTest, SendsNothingToASystemItCannotTrust) {
  const MadeCertificate other_authority(authority_spec("Other"));
  CertificateSpec expired = named("shop.example");
  expired.begins_in_s = -7200;
  expired.ends_in_s = -3600;
  CertificateSpec not_yet = named("shop.example");
  not_yet.begins_in_s = 3600;
  const struct {
    const char* name;
    CertificateSpec spec;
    const MadeCertificate* issuer;
  } cases[] = {
      {"wrong name", named("other.example"), &authority_},
      {"no name", CertificateSpec(), &authority_},
      {"expired", expired, &authority_},
      {"not valid yet", not_yet, &authority_},
      {"self-signed", named("shop.example"), nullptr},
      {"another authority", named("shop.example"), &other_authority},
  };
  for (const auto& it : cases) {
    pool_.reset();
    const MadeCertificate certificate(it.spec, it.issuer);
    serve(certificate);
    trust(by_ca());
    EXPECT_EQ(ask(), "tls_failed") << it.name;
    EXPECT_FALSE(failure_.any_byte_sent) << it.name;
    EXPECT_NE(failure_.message.find("TLS with 127.0.0.1:"), std::string::npos) << it.name;
    EXPECT_EQ(system_->received, "") << it.name;
    EXPECT_EQ(pool().stats().connections_open, 0U) << it.name;
  }
}

TEST_F(DialTest, TrustsAnybodyOnlyWhereToldTo) {
  const MadeCertificate certificate(named("other.example"));
  serve(certificate);
  TlsClientOptions tls;
  tls.verifies = false;
  trust(tls);
  EXPECT_EQ(ask(), "h200 b complete");
}

TEST_F(DialTest, VerifiesTheConfiguredNameInstead) {
  const MadeCertificate certificate(named("inner.example"), &authority_);
  serve(certificate);
  TlsClientOptions tls = by_ca();
  tls.server_name = "inner.example";
  trust(tls);
  EXPECT_EQ(ask(), "h200 b complete");
  EXPECT_EQ(system_->sni, "inner.example");
}

TEST_F(DialTest, ShowsItsOwnCertificate) {
  const MadeCertificate certificate(named("shop.example"), &authority_);
  TlsServerOptions server;
  server.client_ca = ca_;
  server.client_auth = ClientAuth::kRequire;
  serve(certificate, server);
  CertificateSpec ours;
  ours.name = "banyan";
  const MadeCertificate own(ours, &authority_);
  const TlsIdentityFiles files = folder_.write("own", own);
  TlsClientOptions tls = by_ca();
  tls.certificate = files.certificate;
  tls.private_key = files.private_key;
  trust(tls);
  EXPECT_EQ(ask(), "h200 b complete");
  EXPECT_NE(system_->client_subject.find("CN=banyan"), std::string::npos);

  pool_.reset();
  trust(by_ca());  // without one
  const std::string seen = ask();
  EXPECT_TRUE(seen == "reset" || seen == "tls_failed") << seen;
}

TEST_F(DialTest, NeedsSettingsForTls) {
  const MadeCertificate certificate(named("shop.example"), &authority_);
  serve(certificate);
  EXPECT_EQ(ask(), "tls_failed");
}

TEST_F(DialTest, GivesAHandshakeTheTimeOfAConnect) {
  FakeUpstream silent(*loop_, [](FakeUpstream::Peer&) {});
  addresses_ = silent.addresses();
  addresses_.front().is_secure = true;
  options_.connect_timeout_ns = 50 * kMs;
  trust(by_ca());
  EXPECT_EQ(ask(), "connect_timeout");
  EXPECT_FALSE(failure_.any_byte_sent);
  EXPECT_TRUE(until([&] { return silent.all_ended(); }));
}

TEST_F(DialTest, ToldByPlainHttpFailsTls) {
  FakeUpstream plain(*loop_, [](FakeUpstream::Peer& peer) {
    peer.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
  });
  addresses_ = plain.addresses();
  addresses_.front().is_secure = true;
  trust(by_ca());
  EXPECT_EQ(ask(), "tls_failed");
}

TEST_F(DialTest, ACutConnectionIsNoEndOfABody) {
  const MadeCertificate certificate(named("shop.example"), &authority_);
  TlsSystem& system = serve(certificate);
  system.answer = "HTTP/1.1 200 OK\r\n\r\nuntil the close";
  trust(by_ca());
  system.closes_without_notice = true;
  EXPECT_EQ(ask(), "h200 b reset");
  system.closes_without_notice = false;
  system.closes_behind_answer = true;  // with its close_notify
  EXPECT_EQ(ask(), "h200 b complete");
}

TEST_F(DialTest, ReadsAnAnswerThatIsLargerThanTheBuffer) {
  const MadeCertificate certificate(named("shop.example"), &authority_);
  TlsSystem& system = serve(certificate);
  const std::size_t size = std::size_t{3} << 20;
  system.answer = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" +
                  std::string(size, 'x');
  trust(by_ca());
  EXPECT_EQ(ask(), "h200 b complete");
  EXPECT_EQ(body_.size(), size);

  KeepingHandler handler;
  const auto call = pool().start(get(), handler);
  handler.at_body = [&, pauses = 0]() mutable {
    if (++pauses % 5 != 0) return;
    call->pause_reading();
    loop_->post([&] { call->resume_reading(); });
  };
  EXPECT_TRUE(until([&] { return handler.is_done; }));
  EXPECT_EQ(handler.body.size(), size);
}

TEST_F(DialTest, TakesHttp2OnlyWhereItIsAskedForAndAgreed) {
  const MadeCertificate certificate(named("shop.example"), &authority_);
  TlsClientOptions offers = by_ca();
  offers.alpn = {"h2", "http/1.1"};
  options_.http2 = UpstreamHttp2::kAuto;
  TlsServerOptions old;
  old.alpn = {"http/1.1"};
  serve(certificate, old);
  trust(offers);
  EXPECT_EQ(ask(), "h200 b complete");
  EXPECT_EQ(system_->alpn, "http/1.1");

  pool_.reset();
  options_.http2 = UpstreamHttp2::kPriorKnowledge;
  serve(certificate);  // agrees on nothing
  EXPECT_EQ(ask(), "tls_failed");
  EXPECT_EQ(system_->received, "");

  pool_.reset();
  options_.http2 = UpstreamHttp2::kAuto;
  TlsServerOptions modern;
  modern.alpn = {"h2"};
  TlsSystem& system = serve(certificate, modern);
  system.answer = http2_frame(NGHTTP2_SETTINGS, 0, 0, "") +
                  http2_headers(1, {{":status", "200"}, {"content-length", "2"}}, false) +
                  http2_data(1, "ok", true);  // once it has seen the preface
  EXPECT_EQ(ask(), "h200 b complete");
  EXPECT_EQ(system.alpn, "h2");
}

TEST_F(DialTest, OffersHttp1AloneWhereTheSystemWantsThat) {
  const MadeCertificate certificate(named("shop.example"), &authority_);
  TlsClientOptions offers = by_ca();
  offers.alpn = {"h2", "http/1.1"};
  trust(offers);
  options_.http2 = UpstreamHttp2::kAuto;
  TlsServerOptions modern;
  modern.alpn = {"h2", "http/1.1"};
  TlsSystem& system = serve(certificate, modern);
  system.answer_over_http2 =
      http2_frame(NGHTTP2_SETTINGS, 0, 0, "") +
      http2_frame(NGHTTP2_RST_STREAM, 0, 1, http2_word(NGHTTP2_HTTP_1_1_REQUIRED));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(ask(), "h200 b complete");
    EXPECT_EQ(system.alpn, "http/1.1");
  }
  EXPECT_EQ(system.handshakes, 2);
  EXPECT_EQ(pool().stats().retries, 1U);
}

// ---- PROXY headers

std::string sockaddr_of(std::string_view text) {
  return resolve_host_port(text, false)->front().bytes;
}

TEST(ProxyHeaderTest, NamesBothEnds) {
  std::string out;
  write_proxy_header(ProxyHeader::kV1, sockaddr_of("192.0.2.1:4711"), sockaddr_of("10.0.0.1:443"),
                     out);
  EXPECT_EQ(out, "PROXY TCP4 192.0.2.1 10.0.0.1 4711 443\r\n");
  write_proxy_header(ProxyHeader::kV1, sockaddr_of("[2001:db8::1]:1"), sockaddr_of("[::1]:80"),
                     out);
  EXPECT_EQ(out, "PROXY TCP6 2001:db8::1 ::1 1 80\r\n");
  const std::string signature("\r\n\r\n\0\r\nQUIT\n", 12);
  write_proxy_header(ProxyHeader::kV2, sockaddr_of("192.0.2.1:258"), sockaddr_of("10.0.0.1:80"),
                     out);
  EXPECT_EQ(out,
            signature + std::string("\x21\x11\0\x0c\xc0\0\x02\x01\x0a\0\0\x01\x01\x02\0\x50", 16));
  write_proxy_header(ProxyHeader::kV2, sockaddr_of("[::2]:1"), sockaddr_of("[::1]:2"), out);
  EXPECT_EQ(out.size(), 16U + 36U);
}

TEST(ProxyHeaderTest, SpeaksForNobodyWhereOneEndIsMissing) {
  const std::string four = sockaddr_of("192.0.2.1:1"), six = sockaddr_of("[::1]:1");
  const std::string signature("\r\n\r\n\0\r\nQUIT\n", 12);
  for (const auto& [client, listener] : {std::pair<std::string, std::string>("", ""),
                                         {four, ""},
                                         {"", four},
                                         {four, six},
                                         {std::string("x"), four},
                                         {std::string(200, '\0'), four}}) {
    std::string out = "old";
    write_proxy_header(ProxyHeader::kV1, client, listener, out);
    EXPECT_EQ(out, "PROXY UNKNOWN\r\n");
    write_proxy_header(ProxyHeader::kV2, client, listener, out);
    EXPECT_EQ(out, signature + std::string("\x20\0\0\0", 4));
  }
  std::string out = "old";
  write_proxy_header(ProxyHeader::kNone, four, four, out);
  EXPECT_EQ(out, "");
}

TEST_F(DialTest, UsesAConnectionForTheClientOfItsProxyHeaderOnly) {
  FakeUpstream system(*loop_, [](FakeUpstream::Peer& peer) {
    if (peer.received.find("\r\n\r\n") == std::string::npos) return;
    peer.send(kOk);
    peer.received += "|";
  });
  addresses_ = system.addresses();
  options_.proxy_header = ProxyHeader::kV1;
  options_.connections_max = 2;
  const auto from = [](std::string_view client) {
    UpstreamRequest request = get();
    request.client_address = sockaddr_of(client);
    request.listener_address = sockaddr_of("10.0.0.1:443");
    return request;
  };
  EXPECT_EQ(ask(from("192.0.2.1:1")), "h200 b complete");
  EXPECT_EQ(ask(from("192.0.2.2:1")), "h200 b complete");
  EXPECT_EQ(ask(from("192.0.2.1:1")), "h200 b complete");
  EXPECT_EQ(pool().stats().connections_opened, 2U);
  // A copy is nobody's; an idle connection of another makes room for it.
  EXPECT_EQ(ask(), "h200 b complete");
  EXPECT_EQ(pool().stats().connections_opened, 3U);
  EXPECT_EQ(pool().stats().connections_open, 2U);
  const std::string head = get().head;
  EXPECT_EQ(system.peer(0).received,
            "PROXY TCP4 192.0.2.1 10.0.0.1 1 443\r\n" + head + "|" + head + "|");
  EXPECT_EQ(system.peer(2).received, "PROXY UNKNOWN\r\n" + head + "|");
}

}  // namespace
}  // namespace banyan::net
