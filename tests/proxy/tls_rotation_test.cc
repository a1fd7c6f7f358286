// SPDX-License-Identifier: Apache-2.0
//
// Certificates are replaced twenty times while TLS clients ask: not one request fails, connections
// that are open stay, and the next handshake shows the new certificate.
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <atomic>
#include <functional>
#include <thread>

#include "tests/proxy/rig.h"
#include "tests/support/tls_material.h"

namespace banyan::proxy {
namespace {

using support::CertificateSpec;
using support::MadeCertificate;
using support::TlsFolder;

// A blocking client of OpenSSL's own.
class TlsClient {
 public:
  TlsClient(SSL_CTX* context, const std::string& address) : ssl_(SSL_new(context)) {
    const auto resolved = net::resolve_host_port(address, false);
    const std::string& bytes = resolved->front().bytes;
    fd_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    is_open_ = ::connect(fd_.get(), reinterpret_cast<const sockaddr*>(bytes.data()),
                         static_cast<socklen_t>(bytes.size())) == 0;
    SSL_set_fd(ssl_, fd_.get());
    is_open_ = is_open_ && SSL_connect(ssl_) == 1;
  }
  ~TlsClient() {
    if (is_open_) (void)SSL_shutdown(ssl_);
    SSL_free(ssl_);
  }
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  bool ask() {
    static constexpr std::string_view kRequest = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    if (!is_open_ || SSL_write(ssl_, kRequest.data(), static_cast<int>(kRequest.size())) <= 0) {
      return false;
    }
    std::string answer;
    char buffer[4096];
    while (answer.find("\r\n\r\nok") == std::string::npos) {
      const int got = SSL_read(ssl_, buffer, sizeof buffer);
      if (got <= 0) return false;
      answer.append(buffer, static_cast<std::size_t>(got));
    }
    return answer.rfind("HTTP/1.1 200", 0) == 0;
  }
  std::string name() const {
    char text[128] = "";
    if (X509* shown = SSL_get0_peer_certificate(ssl_); shown != nullptr) {
      X509_NAME_get_text_by_NID(X509_get_subject_name(shown), NID_commonName, text, sizeof text);
    }
    return text;
  }

 private:
  net::UniqueFd fd_;
  SSL* const ssl_;
  bool is_open_ = false;
};

TEST(TlsRotationTest, TwentyRotationsUnderLoadFailNoRequest) {
  constexpr int kRotations = 20;
  TlsFolder folder;
  const auto make = [&folder](int number) {
    CertificateSpec spec;
    spec.name = "number-" + std::to_string(number);
    spec.dns = {"localhost"};
    return folder.write("server", MadeCertificate(spec));
  };
  Origin legacy{Origin::answering([](const Message&) { return plain_answer("ok"); })};
  Rig rig;
  rig.options.workers = 2;
  rig.set_legacy(legacy.address());
  net::TlsServerOptions tls;
  tls.certificates = {make(0)};
  rig.options.listeners.front().tls = tls;
  rig.start();
  const std::string address = rig.proxy->addresses().front();
  SSL_CTX* const context = SSL_CTX_new(TLS_client_method());

  TlsClient kept(context, address);
  EXPECT_TRUE(kept.ask());
  EXPECT_EQ("number-0", kept.name());
  std::atomic<bool> is_over{false};
  std::atomic<int> asked{0};
  std::atomic<int> failed{0};
  const auto load = [&](int requests) {  // per connection
    while (!is_over) {
      TlsClient client(context, address);
      for (int i = 0; i < requests && !is_over; ++i) {
        ++asked;
        if (!client.ask()) ++failed;
      }
    }
  };
  std::vector<std::thread> clients;
  for (const int requests : {1, 1, 20}) clients.emplace_back(load, requests);
  for (int number = 1; number <= kRotations; ++number) {
    const int before = asked;
    (void)make(number);
    auto change = rig.proxy->prepare(rig.options, false);
    ASSERT_TRUE(change.ok()) << change.error().message;
    EXPECT_TRUE(rig.proxy->apply(*std::move(change), {}));
    TlsClient fresh(context, address);
    EXPECT_EQ("number-" + std::to_string(number), fresh.name());
    EXPECT_TRUE(fresh.ask());
    EXPECT_TRUE(kept.ask());
    EXPECT_TRUE(eventually([&] { return asked > before + 2; }));
  }
  is_over = true;
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(0, failed);
  EXPECT_GT(asked, kRotations);
  EXPECT_EQ("number-0", kept.name());

  // A bad file refuses the change as a whole; the old certificate stays in use.
  folder.write("server.pem", "nonsense");
  EXPECT_FALSE(rig.proxy->prepare(rig.options, false).ok());
  TlsClient after(context, address);
  EXPECT_EQ("number-20", after.name());
  rig.stop();
  SSL_CTX_free(context);
}

}  // namespace
}  // namespace banyan::proxy
