// SPDX-License-Identifier: Apache-2.0
//
// What `doctor` says of certificates, and how it looks names up.
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>

#include "app/doctor.h"
#include "core/base/clock.h"
#include "core/net/socket.h"
#include "tests/core/net/fake_dns_thread.h"
#include "tests/support/tls_material.h"

namespace banyan::app {
namespace {

using support::CertificateSpec;
using support::MadeCertificate;

constexpr std::int64_t kDay = 86'400;

class DoctorTlsTest : public testing::Test {
 protected:
  static MadeCertificate ending_in(std::int64_t days, std::int64_t begins_in_s = -3600) {
    CertificateSpec spec;
    spec.dns = {"localhost"};
    spec.begins_in_s = begins_in_s;
    spec.ends_in_s = days * kDay + 3600;
    return MadeCertificate(spec);
  }
  // The findings about a listener that shows `files`, in one text.
  std::string look_at(net::TlsIdentityFiles files) {
    config::Config config;
    proxy::ListenerOptions& listener = config.proxy.listeners.emplace_back();
    listener.address = "127.0.0.1:443";
    listener.tls.emplace().certificates = {std::move(files)};
    Findings findings;
    check_certificates(config, SystemClock::instance().wall_ns(), findings);
    std::string text;
    for (const Finding& finding : findings.all()) {
      EXPECT_EQ(finding.check, "tls");
      EXPECT_EQ(finding.hint.empty(), finding.health == Health::kOk) << finding.message;
      text.append(to_string(finding.health)).append(" ").append(finding.message).append("\n");
    }
    count_ = findings.all().size();
    return text;
  }
  void expect(const std::string& seen, std::string_view health, std::string_view words) {
    EXPECT_EQ(count_, 1U) << seen;
    EXPECT_EQ(seen.rfind(health, 0), 0U) << seen;
    EXPECT_NE(seen.find(words), std::string::npos) << seen;
  }

  support::TlsFolder folder_;
  std::size_t count_ = 0;
};

TEST_F(DoctorTlsTest, ASoundCertificateIsOk) {
  expect(look_at(folder_.write("server", ending_in(60))), "OK", "ends on ");
}

TEST_F(DoctorTlsTest, AnExpiredOneFailsOnce) {
  CertificateSpec spec;
  spec.begins_in_s = -2 * kDay;
  spec.ends_in_s = -kDay;
  expect(look_at(folder_.write("server", MadeCertificate(spec))), "FAIL", "it has expired");
}

TEST_F(DoctorTlsTest, OneThatEndsWithinThirtyDaysIsAWarning) {
  expect(look_at(folder_.write("server", ending_in(31))), "OK", "ends on ");
  expect(look_at(folder_.write("server", ending_in(29))), "WARN", "in 29 days");
  expect(look_at(folder_.write("server", ending_in(3))), "WARN", "in 3 days");  // told once
}

TEST_F(DoctorTlsTest, OneThatIsNotValidYetFails) {
  const std::string seen = look_at(folder_.write("server", ending_in(60, kDay)));
  EXPECT_NE(seen.find("FAIL"), std::string::npos) << seen;
  EXPECT_NE(seen.find("is not valid before"), std::string::npos) << seen;
}

TEST_F(DoctorTlsTest, AKeyOfAnotherCertificateFails) {
  auto files = folder_.write("server", ending_in(60));
  files.private_key = folder_.write("other", ending_in(60)).private_key;
  expect(look_at(std::move(files)), "FAIL", "is not the key of");
}

TEST_F(DoctorTlsTest, FilesThatCannotBeReadFail) {
  auto files = folder_.write("server", ending_in(60));
  const auto with_key = [&](std::string path) {
    net::TlsIdentityFiles other = files;
    other.private_key = std::move(path);
    return other;
  };
  expect(look_at(with_key("/nowhere.key")), "FAIL", "/nowhere.key does not exist");
  expect(look_at(with_key("/")), "FAIL", "is no regular file");
  expect(look_at(with_key(folder_.write("no.key", "nonsense"))), "FAIL", "holds no private key");
  if (::geteuid() == 0) return;  // Nothing is closed to root.
  expect(look_at(with_key(folder_.write("closed.key", "x", 0))), "FAIL", "permission denied");
}

TEST_F(DoctorTlsTest, TheCertificateTowardsASystemIsLookedAtToo) {
  const auto files = folder_.write("client", ending_in(3));
  config::Config config;
  config.proxy.candidate.tls.certificate = files.certificate;
  config.proxy.candidate.tls.private_key = files.private_key;
  Findings findings;
  check_certificates(config, SystemClock::instance().wall_ns(), findings);
  ASSERT_EQ(findings.all().size(), 1U);
  EXPECT_EQ(findings.all()[0].health, Health::kWarn);
  EXPECT_NE(findings.all()[0].message.find("system candidate"), std::string::npos);
}

// ---- names

TEST(DoctorNamesTest, AreLookedUpAsTheConfigSays) {
  net::FakeDnsThread dns([](const net::DnsQuestion& question) {
    return question.type == 1 ? net::DnsReply(question).a("127.0.0.1").bytes()
                              : net::DnsReply(question).bytes();
  });
  config::Config config;
  config.dns.servers = {dns.address()};
  std::string port;
  {
    const std::string closed = net::listen_on("127.0.0.1:0", false)->address;
    port = closed.substr(closed.rfind(':'));
  }
  config.legacy_urls = {"http://shop.test" + port};
  Findings findings;
  check_systems(config, findings);
  ASSERT_EQ(findings.all().size(), 1U);
  // Found, and asked: nobody listens there.
  EXPECT_NE(findings.all()[0].message.find("does not take a connection"), std::string::npos)
      << findings.all()[0].message;
}

TEST(DoctorNamesTest, OfASilentServerCostABoundedTime) {
  net::FakeDnsThread dns([](const net::DnsQuestion&) { return std::string(); });
  config::Config config;
  config.dns.servers = {dns.address()};
  config.dns.timeout_ns = 60'000'000'000;
  config.legacy_urls = {"http://shop.test"};
  Findings findings;
  const auto before = std::chrono::steady_clock::now();
  check_systems(config, findings, 50'000'000);
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(5));
  ASSERT_EQ(findings.all().size(), 1U);
  EXPECT_EQ(findings.all()[0].health, Health::kFail);
  EXPECT_NE(findings.all()[0].message.find("cannot resolve shop.test"), std::string::npos);
  EXPECT_NE(findings.all()[0].hint.find("[dns]"), std::string::npos);
}

}  // namespace
}  // namespace banyan::app
