// SPDX-License-Identifier: Apache-2.0
//
// TLS in banyan.toml, with certificates made at test time: good files arrive, bad ones are found at
// their place by `banyan check`.
#include <gmock/gmock.h>

#include "config/config.h"
#include "tests/support/tls_material.h"

namespace banyan::config {
namespace {

using support::CertificateSpec;
using support::MadeCertificate;
using support::TlsFolder;
using ::testing::HasSubstr;

class TlsConfigTest : public ::testing::Test {
 protected:
  TlsConfigTest() {
    CertificateSpec spec;
    spec.dns = {"localhost"};
    folder.write("good", MadeCertificate(spec));
    folder.write("other", MadeCertificate(spec));
    CertificateSpec authority;
    authority.is_authority = true;
    folder.write("ca", MadeCertificate(authority));
  }
  LoadResult load(const std::string& listener_tls, const std::string& system_tls = "") const {
    return load_text("[systems.legacy]\nurls = [\"https://127.0.0.1:1\"]\n" + system_tls +
                         "\n[systems.candidate]\nurls = [\"http://127.0.0.1:2\"]\n"
                         "[[listeners]]\naddress = \"127.0.0.1:0\"\n" +
                         listener_tls + "\n",
                     "test.toml", {"data_dir=/tmp/x"});
  }
  std::string pair(const std::string& name) const {
    return "certificate = \"" + folder.path(name + ".pem") + "\", private_key = \"" +
           folder.path(name + ".key") + "\"";
  }
  static std::string text_of(const LoadResult& result) {
    std::string text;
    for (const Diagnostic& found : result.diagnostics) text += found.to_text();
    return text;
  }
  TlsFolder folder;
};

TEST_F(TlsConfigTest, EveryKeyArrives) {
  const LoadResult result =
      load("tls = { " + pair("good") + ", certificates = [{ " + pair("other") +
               " }], client_ca = \"" + folder.path("ca.pem") +
               "\", client_auth = \"request\", min_version = \"1.3\" }\nproxy_protocol = true\n"
               "trusted = [\"10.0.0.0/8\"]",
           "tls = { ca = \"" + folder.path("ca.pem") + "\", " + pair("good") +
               ", server_name = \"inner.example\", verify = false }");
  ASSERT_TRUE(result.ok()) << text_of(result);
  ASSERT_EQ(1U, result.diagnostics.size()) << text_of(result);
  EXPECT_THAT(result.diagnostics[0].message, HasSubstr("verify is off"));
  const proxy::ListenerOptions& listener = result.config.proxy.listeners.front();
  ASSERT_TRUE(listener.tls.has_value());
  ASSERT_EQ(2U, listener.tls->certificates.size());
  EXPECT_EQ(folder.path("good.pem"), listener.tls->certificates[0].certificate);
  EXPECT_EQ(folder.path("other.key"), listener.tls->certificates[1].private_key);
  EXPECT_EQ(folder.path("ca.pem"), listener.tls->client_ca);
  EXPECT_EQ(net::ClientAuth::kRequest, listener.tls->client_auth);
  EXPECT_EQ(net::TlsVersion::k13, listener.tls->version_min);
  EXPECT_TRUE(listener.has_proxy_header);
  const net::TlsClientOptions& system = result.config.proxy.legacy.tls;
  EXPECT_EQ(folder.path("ca.pem"), system.ca);
  EXPECT_EQ(folder.path("good.key"), system.private_key);
  EXPECT_EQ("inner.example", system.server_name);
  EXPECT_FALSE(system.verifies);
}

TEST_F(TlsConfigTest, DefaultsAreSafe) {
  const LoadResult result = load("tls = { " + pair("good") + " }\nproxy_protocol = true");
  ASSERT_TRUE(result.ok()) << text_of(result);
  EXPECT_EQ(net::ClientAuth::kNone, result.config.proxy.listeners[0].tls->client_auth);
  EXPECT_EQ(net::TlsVersion::k12, result.config.proxy.listeners[0].tls->version_min);
  EXPECT_TRUE(result.config.proxy.legacy.tls.verifies);
  EXPECT_EQ(5'000'000'000, result.config.proxy.timeouts.handshake_ns);
  ASSERT_EQ(1U, result.diagnostics.size());
  EXPECT_THAT(result.diagnostics[0].message, HasSubstr("can claim any client address"));
  const LoadResult with_ca =
      load("tls = { " + pair("good") + ", client_ca = \"" + folder.path("ca.pem") + "\" }");
  EXPECT_EQ(net::ClientAuth::kRequire, with_ca.config.proxy.listeners[0].tls->client_auth);
}

TEST_F(TlsConfigTest, MismatchIsAnErrorAtTheKey) {
  const LoadResult result = load("tls = { certificate = \"" + folder.path("good.pem") +
                                 "\", private_key = \"" + folder.path("other.key") + "\" }");
  ASSERT_FALSE(result.ok());
  ASSERT_EQ(1U, result.diagnostics.size()) << text_of(result);
  EXPECT_THAT(result.diagnostics[0].message, HasSubstr("is not the key of"));
  EXPECT_THAT(result.diagnostics[0].hint, HasSubstr("openssl x509 -pubkey"));
}

// A restart with a certificate that has run out must not take the plain listeners down as well.
TEST_F(TlsConfigTest, ExpiredCertificateFailsCheckAndReloadButNotServe) {
  CertificateSpec old;
  old.ends_in_s = -60;
  folder.write("old", MadeCertificate(old));
  LoadResult result = load("tls = { " + pair("old") + " }");
  EXPECT_TRUE(result.ok()) << text_of(result);
  EXPECT_THAT(text_of(result), HasSubstr("warning: "));
  EXPECT_THAT(text_of(result), HasSubstr("has expired on "));
  result.be_strict();
  EXPECT_FALSE(result.ok());
  EXPECT_THAT(text_of(result), HasSubstr("error: "));
}

}  // namespace
}  // namespace banyan::config
