// SPDX-License-Identifier: Apache-2.0
//
// Who gets in: names, dates, authorities, clients' certificates, versions and ciphers, resumption.
#include <gmock/gmock.h>

#include <functional>

#include "core/net/ticket_keys.h"
#include "tests/core/net/tls_pair.h"

namespace banyan::net {
namespace {

using support::CertificateSpec;
using support::KeyKind;
using support::MadeCertificate;
using support::TlsFolder;
using ::testing::HasSubstr;

CertificateSpec authority_spec(std::string name = "Test Authority") {
  CertificateSpec spec;
  spec.name = std::move(name);
  spec.is_authority = true;
  return spec;
}

CertificateSpec named(std::vector<std::string> dns, KeyKind key = KeyKind::kEcdsa) {
  CertificateSpec spec;
  spec.name = dns.front();
  spec.dns = std::move(dns);
  spec.key = key;
  return spec;
}

// A client that is OpenSSL itself, and may be told to misbehave.

struct RawOutcome {
  bool is_connected = false;
  int version = 0;
  TlsFailure failure = TlsFailure::kNone;
};

RawOutcome connect_raw(const std::shared_ptr<const TlsServerContext>& ours,
                       const std::function<void(SSL_CTX*)>& set_up,
                       const std::function<void(SSL*, Channel&)>& then = {},
                       const std::string& name = "localhost", SSL_SESSION* resume = nullptr) {
  RawOutcome outcome;
  SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_security_level(context, 0);
  set_up(context);
  SocketPair sockets = connected_sockets();
  Channel accepted(std::move(sockets.server), ours->new_session());
  SSL* const ssl = SSL_new(context);
  SSL_set_fd(ssl, sockets.client.get());
  if (!name.empty()) SSL_set_tlsext_host_name(ssl, name.c_str());
  if (resume != nullptr) SSL_set_session(ssl, resume);
  HandshakeOutcome at_server = HandshakeOutcome::kWantRead;
  int at_client = 0;
  for (int i = 0; i < 200 && !(at_client == 1 && at_server == HandshakeOutcome::kDone); ++i) {
    if (at_client != 1) at_client = SSL_connect(ssl);
    at_server = accepted.handshake();
    if (at_server == HandshakeOutcome::kFailed) break;
    wait_for_bytes(sockets.client.get(), accepted.fd());
  }
  outcome.failure = accepted.tls()->failure();
  outcome.is_connected = at_client == 1 && at_server == HandshakeOutcome::kDone;
  outcome.version = SSL_version(ssl);
  if (outcome.is_connected && then) then(ssl, accepted);
  SSL_free(ssl);
  SSL_CTX_free(context);
  return outcome;
}

class TlsPolicyTest : public ::testing::Test {
 protected:
  TlsPolicyTest() : authority(authority_spec()) {
    ca_file = folder.write("ca.pem", authority.certificate_pem());
    client_options.ca = ca_file;
  }

  TlsIdentityFiles make(const std::string& file, const CertificateSpec& spec) {
    return folder.write(file, MadeCertificate(spec, &authority));
  }
  std::shared_ptr<const TlsServerContext> server(const TlsServerOptions& options,
                                                 const TlsServerContext* earlier = nullptr) {
    auto made = TlsServerContext::create(options, earlier);
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().message);
    return *made;
  }
  std::shared_ptr<const TlsServerContext> server(std::vector<TlsIdentityFiles> certificates) {
    TlsServerOptions options;
    options.certificates = std::move(certificates);
    return server(options);
  }
  std::shared_ptr<const TlsClientContext> client() {
    auto made = TlsClientContext::create(client_options);
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().message);
    return *made;
  }
  // The common name that a client which asks for `name` is shown.
  static std::string shown(const std::shared_ptr<const TlsServerContext>& ours,
                           const std::string& name) {
    std::string subject;
    connect_raw(
        ours, [](SSL_CTX*) {},
        [&](SSL* ssl, Channel&) {
          char text[256] = "";
          X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(ssl)),
                                    NID_commonName, text, sizeof text);
          subject = text;
        },
        name);
    return subject;
  }

  TlsFolder folder;
  MadeCertificate authority;
  std::string ca_file;
  TlsClientOptions client_options;
};

TEST_F(TlsPolicyTest, ChoosesTheCertificateByName) {
  const auto ours =
      server({make("first", named({"first.example"})), make("exact", named({"www.example.com"})),
              make("wild", named({"*.example.com"}))});
  EXPECT_EQ("first.example", shown(ours, "first.example"));
  EXPECT_EQ("www.example.com", shown(ours, "www.example.com"));
  EXPECT_EQ("www.example.com", shown(ours, "WWW.Example.COM"));
  EXPECT_EQ("*.example.com", shown(ours, "api.example.com"));
  // One label only; the bare domain is not covered either.
  EXPECT_EQ("first.example", shown(ours, "a.b.example.com"));
  EXPECT_EQ("first.example", shown(ours, "example.com"));
  EXPECT_EQ("first.example", shown(ours, "other.test"));
  EXPECT_EQ("first.example", shown(ours, ""));  // no SNI at all
}

TEST_F(TlsPolicyTest, OneNameMayHaveRsaAndEcdsa) {
  const auto ours = server({make("rsa", named({"both.example"}, KeyKind::kRsa)),
                            make("ecdsa", named({"both.example"}, KeyKind::kEcdsa))});
  const auto key_type = [&](const char* algorithms) {
    SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set1_sigalgs_list(context, algorithms);
    SocketPair sockets = connected_sockets();
    Channel accepted(std::move(sockets.server), ours->new_session());
    SSL* const ssl = SSL_new(context);
    SSL_set_fd(ssl, sockets.client.get());
    SSL_set_tlsext_host_name(ssl, "both.example");
    for (int i = 0; i < 50 && SSL_connect(ssl) != 1; ++i) (void)accepted.handshake();
    X509* const shown_certificate = SSL_get0_peer_certificate(ssl);
    const int type = shown_certificate == nullptr
                         ? 0
                         : EVP_PKEY_get_base_id(X509_get0_pubkey(shown_certificate));
    SSL_free(ssl);
    SSL_CTX_free(context);
    return type;
  };
  EXPECT_EQ(EVP_PKEY_EC, key_type("ECDSA+SHA256"));
  EXPECT_EQ(EVP_PKEY_RSA, key_type("RSA-PSS+SHA256"));
}

TEST_F(TlsPolicyTest, VerifiesNameDateAndAuthority) {
  CertificateSpec with_address = named({"good.example"});
  with_address.addresses = {"127.0.0.1", "::1"};
  const auto good = server({make("good", with_address)});
  EXPECT_TRUE(TlsPair(good, client(), "good.example").is_done());
  EXPECT_TRUE(TlsPair(good, client(), "127.0.0.1").is_done());
  EXPECT_TRUE(TlsPair(good, client(), "::1").is_done());

  TlsPair wrong_name(good, client(), "bad.example");
  EXPECT_EQ(TlsFailure::kServerCertificate, wrong_name.client_failure);
  EXPECT_THAT(wrong_name.client_message, HasSubstr("hostname mismatch"));
  TlsPair wrong_address(good, client(), "127.0.0.2");
  EXPECT_THAT(wrong_address.client_message, HasSubstr("IP address mismatch"));
  EXPECT_EQ(TlsFailure::kAlert, wrong_address.server.tls()->failure());

  CertificateSpec old = named({"good.example"});
  old.ends_in_s = -60;
  TlsPair expired(server({make("old", old)}), client(), "good.example");
  EXPECT_THAT(expired.client_message, HasSubstr("certificate has expired"));
  CertificateSpec early = named({"good.example"});
  early.begins_in_s = 3600;
  TlsPair not_yet(server({make("early", early)}), client(), "good.example");
  EXPECT_THAT(not_yet.client_message, HasSubstr("not yet valid"));

  // The common name alone is no name.
  CertificateSpec only_cn;
  only_cn.name = "good.example";
  TlsPair common(server({make("cn", only_cn)}), client(), "good.example");
  EXPECT_THAT(common.client_message, HasSubstr("hostname mismatch"));

  const MadeCertificate stranger(authority_spec("Stranger"));
  TlsPair foreign(
      server({folder.write("foreign", MadeCertificate(named({"good.example"}), &stranger))}),
      client(), "good.example");
  EXPECT_EQ(TlsFailure::kServerCertificate, foreign.client_failure);
  client_options.ca.clear();  // the system's store
  TlsPair unknown(good, client(), "good.example");
  EXPECT_EQ(TlsFailure::kServerCertificate, unknown.client_failure);
}

TEST_F(TlsPolicyTest, ServerNameStandsForTheHostAndVerifyMayBeOff) {
  const auto ours = server({make("inner", named({"inner.example"}))});
  client_options.server_name = "inner.example";
  TlsPair pair(ours, client(), "10.1.2.3");
  ASSERT_TRUE(pair.is_done()) << pair.client_message;
  EXPECT_EQ("inner.example", pair.server.sni());
  client_options = TlsClientOptions();
  client_options.verifies = false;
  EXPECT_FALSE(client()->verifies());
  EXPECT_TRUE(TlsPair(ours, client(), "whatever.example").is_done());
}

TEST_F(TlsPolicyTest, IntermediateAuthorityComesWithTheChain) {
  const MadeCertificate intermediate(authority_spec("Intermediate"), &authority);
  const MadeCertificate leaf(named({"leaf.example"}), &intermediate);
  const auto whole = server({folder.write("whole", leaf, intermediate.certificate_pem())});
  EXPECT_TRUE(TlsPair(whole, client(), "leaf.example").is_done());
  const auto lone = server({folder.write("lone", leaf)});
  TlsPair pair(lone, client(), "leaf.example");
  EXPECT_EQ(TlsFailure::kServerCertificate, pair.client_failure);
}

class TlsClientCertificateTest : public TlsPolicyTest {
 protected:
  TlsClientCertificateTest() {
    options.certificates = {make("server", named({"localhost"}))};
    options.client_ca = ca_file;
    options.client_auth = ClientAuth::kRequire;
  }
  void present(const TlsIdentityFiles& files) {
    client_options.certificate = files.certificate;
    client_options.private_key = files.private_key;
  }
  TlsServerOptions options;
};

TEST_F(TlsClientCertificateTest, RequiredAndPresentedIsLetIn) {
  CertificateSpec spec;
  spec.name = "alice, \"ops\"\n+x";
  present(make("alice", spec));
  TlsPair pair(server(options), client());
  ASSERT_TRUE(pair.is_done()) << pair.client_message;
  EXPECT_EQ("CN=alice\\, \\\"ops\\\"\\0A\\+x", pair.server.tls()->peer_subject());
  EXPECT_EQ("q|a", pair.exchange("q", "a"));
  // The ticket carries the client's certificate.
  TlsPair again(server(options), client());
  EXPECT_FALSE(again.server.tls()->is_resumed());
}

TEST_F(TlsClientCertificateTest, RequiredAndAbsentIsRefused) {
  TlsPair pair(server(options), client());
  EXPECT_EQ(HandshakeOutcome::kFailed, pair.server_outcome);
  EXPECT_EQ(TlsFailure::kNoClientCertificate, pair.server.tls()->failure());
}

TEST_F(TlsClientCertificateTest, RequestedMayBeAbsentButNotWrong) {
  options.client_auth = ClientAuth::kRequest;
  TlsPair absent(server(options), client());
  EXPECT_EQ(HandshakeOutcome::kDone, absent.server_outcome);
  EXPECT_EQ("", absent.server.tls()->peer_subject());

  const MadeCertificate stranger(authority_spec("Stranger"));
  CertificateSpec spec;
  spec.name = "mallory";
  present(folder.write("mallory", MadeCertificate(spec, &stranger)));
  TlsPair wrong(server(options), client());
  EXPECT_EQ(HandshakeOutcome::kFailed, wrong.server_outcome);
  EXPECT_EQ(TlsFailure::kClientCertificate, wrong.server.tls()->failure());
  EXPECT_THAT(wrong.server.tls()->failure_message(), HasSubstr("does not verify"));

  spec.name = "old alice";
  spec.ends_in_s = -60;
  present(make("old_alice", spec));
  TlsPair expired(server(options), client());
  EXPECT_EQ(TlsFailure::kClientCertificate, expired.server.tls()->failure());
  EXPECT_THAT(expired.server.tls()->failure_message(), HasSubstr("expired"));
}

TEST_F(TlsClientCertificateTest, ResumedSessionStillKnowsItsClientUnlessTheRulesChanged) {
  CertificateSpec spec;
  spec.name = "alice";
  present(make("alice", spec));
  const auto ours = server(options);
  const auto theirs = client();
  TlsPair first(ours, theirs);
  ASSERT_TRUE(first.is_done());
  EXPECT_EQ("q|a", first.exchange("q", "a"));
  first.client.close();
  TlsPair second(ours, theirs);
  ASSERT_TRUE(second.is_done());
  EXPECT_TRUE(second.server.tls()->is_resumed());
  EXPECT_EQ("CN=alice", second.server.tls()->peer_subject());

  // A reload that trusts another authority: the old ticket opens nothing.
  options.client_ca =
      folder.write("other.pem", MadeCertificate(authority_spec("Other")).certificate_pem());
  TlsPair third(server(options, ours.get()), theirs);
  EXPECT_EQ(HandshakeOutcome::kFailed, third.server_outcome);
}

TEST_F(TlsPolicyTest, ResumesAtAnyWorkerAndAfterAReload) {
  TlsServerOptions options;
  options.certificates = {make("server", named({"localhost"}))};
  const auto ours = server(options);
  const auto theirs = client();
  const auto is_resumed = [&](const std::shared_ptr<const TlsServerContext>& context) {
    TlsPair pair(context, theirs);
    EXPECT_TRUE(pair.is_done());
    EXPECT_EQ("q|a", pair.exchange("q", "a"));
    EXPECT_EQ(pair.server.tls()->is_resumed(), pair.client.tls()->is_resumed());
    return pair.server.tls()->is_resumed();
  };
  EXPECT_FALSE(is_resumed(ours));
  EXPECT_TRUE(is_resumed(ours));
  EXPECT_TRUE(is_resumed(ours));
  options.certificates = {make("renewed", named({"localhost"}))};
  EXPECT_TRUE(is_resumed(server(options, ours.get())));
  EXPECT_FALSE(is_resumed(server(options)));  // keys of its own
}

TEST_F(TlsPolicyTest, ResumesInTls12Too) {
  const auto ours = server({make("server", named({"localhost"}))});
  SSL_SESSION* kept = nullptr;
  const auto is_resumed = [&] {
    bool answer = false;
    connect_raw(
        ours, [](SSL_CTX* context) { SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION); },
        [&](SSL* ssl, Channel&) {
          answer = SSL_session_reused(ssl) == 1;
          SSL_SESSION_free(kept);
          kept = SSL_get1_session(ssl);
          SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN);
        },
        "localhost", kept);
    return answer;
  };
  EXPECT_FALSE(is_resumed());
  EXPECT_TRUE(is_resumed());
  EXPECT_TRUE(is_resumed());
  SSL_SESSION_free(kept);
}

TEST(TicketKeysTest, RotateAndAge) {
  ManualClock clock;
  TicketKeys keys(clock);
  TicketKeys::Key first, key;
  ASSERT_TRUE(keys.current(first));
  clock.advance_ns(TicketKeys::kSealsForNs - 1);
  ASSERT_TRUE(keys.current(key));
  EXPECT_EQ(first.name, key.name);
  clock.advance_ns(1);
  ASSERT_TRUE(keys.current(key));
  EXPECT_NE(first.name, key.name);
  EXPECT_NE(first.cipher, key.cipher);
  EXPECT_TRUE(keys.find(first.name.data(), key));
  EXPECT_EQ(first.mac, key.mac);
  clock.advance_ns(TicketKeys::kSealsForNs * 2 - 1);
  EXPECT_TRUE(keys.find(first.name.data(), key));
  clock.advance_ns(1);
  EXPECT_FALSE(keys.find(first.name.data(), key));
}

// ---- what a client may not do

class TlsBaselineTest : public TlsPolicyTest {
 protected:
  TlsBaselineTest() {
    options.certificates = {make("rsa", named({"localhost"}, KeyKind::kRsa)),
                            make("ecdsa", named({"localhost"}))};
    options.alpn = {"h2", "http/1.1"};
    ours = server(options);
  }
  TlsServerOptions options;
  std::shared_ptr<const TlsServerContext> ours;
};

TEST_F(TlsBaselineTest, OldVersionsAreRefused) {
  for (const int version : {TLS1_VERSION, TLS1_1_VERSION}) {
    const RawOutcome outcome = connect_raw(ours, [&](SSL_CTX* context) {
      SSL_CTX_set_min_proto_version(context, version);
      SSL_CTX_set_max_proto_version(context, version);
      SSL_CTX_set_cipher_list(context, "ALL:@SECLEVEL=0");
    });
    EXPECT_FALSE(outcome.is_connected) << version;
    EXPECT_EQ(TlsFailure::kVersion, outcome.failure) << version;
  }
}

TEST_F(TlsBaselineTest, MinimumVersionMayBeRaised) {
  options.version_min = TlsVersion::k13;
  const auto strict = server(options);
  const auto only_12 = [](SSL_CTX* context) {
    SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
  };
  EXPECT_EQ(TlsFailure::kVersion, connect_raw(strict, only_12).failure);
  const RawOutcome outcome = connect_raw(ours, only_12);
  EXPECT_TRUE(outcome.is_connected);
  EXPECT_EQ(TLS1_2_VERSION, outcome.version);
}

TEST_F(TlsBaselineTest, WeakCiphersAreRefused) {
  for (const char* ciphers :
       {"AES128-SHA", "AES256-GCM-SHA384", "ECDHE-RSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384",
        "DHE-RSA-AES128-GCM-SHA256", "NULL-SHA256", "AECDH-AES128-SHA", "PSK-AES128-GCM-SHA256"}) {
    bool is_known = true;
    const RawOutcome outcome = connect_raw(ours, [&](SSL_CTX* context) {
      SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
      is_known = SSL_CTX_set_cipher_list(context, ciphers) == 1;
    });
    ASSERT_TRUE(is_known) << ciphers;
    EXPECT_FALSE(outcome.is_connected) << ciphers;
  }
  EXPECT_EQ(TlsFailure::kCipher, connect_raw(ours, [](SSL_CTX* context) {
                                   SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
                                   SSL_CTX_set_cipher_list(context, "AES128-SHA");
                                 }).failure);
}

TEST_F(TlsBaselineTest, OtherGroupsAreRefused) {
  EXPECT_EQ(TlsFailure::kCipher, connect_raw(ours, [](SSL_CTX* context) {
                                   SSL_CTX_set1_groups_list(context, "P-521:ffdhe2048");
                                 }).failure);
  for (const char* group : {"X25519", "P-256", "P-384"}) {
    EXPECT_TRUE(
        connect_raw(ours, [&](SSL_CTX* context) { SSL_CTX_set1_groups_list(context, group); })
            .is_connected)
        << group;
  }
}

TEST_F(TlsBaselineTest, ServerPrefersItsOwnOrder) {
  std::string cipher;
  connect_raw(
      ours,
      [](SSL_CTX* context) {
        SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
        SSL_CTX_set_cipher_list(context,
                                "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256");
      },
      [&](SSL* ssl, Channel&) { cipher = SSL_get_cipher_name(ssl); });
  EXPECT_EQ("ECDHE-ECDSA-AES128-GCM-SHA256", cipher);
}

TEST_F(TlsBaselineTest, RenegotiationIsRefused) {
  bool is_renegotiated = true;
  const RawOutcome outcome = connect_raw(
      ours, [](SSL_CTX* context) { SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION); },
      [&](SSL* ssl, Channel& accepted) {
        ASSERT_EQ(1, SSL_renegotiate(ssl));
        int result = 0;
        for (int i = 0; i < 20 && result != 1; ++i) {
          result = SSL_do_handshake(ssl);
          char buffer[1024];
          (void)accepted.receive(buffer, sizeof buffer);
          if (result <= 0 && SSL_get_error(ssl, result) == SSL_ERROR_SSL) break;
        }
        is_renegotiated =
            result == 1 && SSL_num_renegotiations(ssl) > 0 && SSL_is_init_finished(ssl);
        EXPECT_NE(1, result);
      });
  EXPECT_TRUE(outcome.is_connected);
  EXPECT_FALSE(is_renegotiated);
}

TEST_F(TlsBaselineTest, ChoosesTheProtocolByItsOwnPreferenceOrRefuses) {
  const auto with_alpn = [&](std::string_view wire) {
    std::string chosen = "-";
    const RawOutcome outcome = connect_raw(
        ours,
        [&](SSL_CTX* context) {
          if (wire.empty()) return;
          SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>(wire.data()),
                                  static_cast<unsigned>(wire.size()));
        },
        [&](SSL*, Channel& accepted) { chosen = accepted.alpn(); });
    return outcome.failure == TlsFailure::kAlpn ? "refused" : chosen;
  };
  EXPECT_EQ("h2", with_alpn("\x08http/1.1\x02h2"));
  EXPECT_EQ("http/1.1", with_alpn("\x08http/1.1"));
  EXPECT_EQ("", with_alpn(""));
  EXPECT_EQ("refused", with_alpn("\x03"
                                 "ftp"));
}

TEST_F(TlsBaselineTest, HandshakeFailuresAreNamed) {
  const auto after = [&](std::string_view bytes) {
    SocketPair sockets = connected_sockets();
    Channel accepted(std::move(sockets.server), ours->new_session());
    EXPECT_EQ(static_cast<ssize_t>(bytes.size()),
              ::send(sockets.client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL));
    ::shutdown(sockets.client.get(), SHUT_WR);
    HandshakeOutcome outcome = HandshakeOutcome::kWantRead;
    for (int i = 0; i < 100 && outcome != HandshakeOutcome::kFailed; ++i) {
      outcome = accepted.handshake();
      wait_for_bytes(accepted.fd(), accepted.fd());
    }
    EXPECT_EQ(HandshakeOutcome::kFailed, outcome);
    EXPECT_FALSE(accepted.tls()->failure_message().empty());
    return std::string(to_string(accepted.tls()->failure()));
  };
  EXPECT_EQ("closed", after(""));
  EXPECT_EQ("closed", after("\x16\x03\x01"));
  EXPECT_EQ("plain_http", after("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_EQ("protocol", after("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"));
}

TEST_F(TlsBaselineTest, RotationLeavesOpenConnectionsAlone) {
  TlsServerCell cell(ours);
  TlsPair open(cell.load(), client());
  ASSERT_TRUE(open.is_done());
  const CertificateSpec renewed = named({"localhost", "renewed.example"});
  options.certificates = {make("renewed", renewed)};
  cell.store(server(options, cell.load().get()));
  ours.reset();
  EXPECT_EQ("still|here", open.exchange("still", "here"));
  TlsPair fresh(cell.load(), client(), "renewed.example");
  EXPECT_TRUE(fresh.is_done()) << fresh.client_message;
}

}  // namespace
}  // namespace banyan::net
