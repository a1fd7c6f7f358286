// SPDX-License-Identifier: Apache-2.0
//
// Bad files: each is named with what is wrong and what to do, before any socket is opened.
#include <gmock/gmock.h>
#include <unistd.h>

#include "core/net/tls_identity.h"
#include "core/net/tls_server_context.h"
#include "tests/support/tls_material.h"

namespace banyan::net {
namespace {

using support::CertificateSpec;
using support::KeyKind;
using support::MadeCertificate;
using support::TlsFolder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using Key = TlsProblem::Key;

class TlsIdentityTest : public ::testing::Test {
 protected:
  TlsIdentityTest() : made(spec()) { good = folder.write("good", made); }

  static CertificateSpec spec() {
    CertificateSpec result;
    result.dns = {"localhost"};
    return result;
  }
  static std::vector<TlsProblem> check(const TlsIdentityFiles& files) {
    TlsServerOptions options;
    options.certificates = {files};
    return check_tls(options);
  }
  // The one problem of `files`.
  static TlsProblem problem_of(const TlsIdentityFiles& files) {
    const auto problems = check(files);
    EXPECT_EQ(1U, problems.size());
    return problems.empty() ? TlsProblem() : problems.front();
  }

  TlsFolder folder;
  MadeCertificate made;
  TlsIdentityFiles good;
};

TEST_F(TlsIdentityTest, GoodFilesHaveNoProblem) { EXPECT_THAT(check(good), IsEmpty()); }

TEST_F(TlsIdentityTest, EveryBadCertificateFileIsNamed) {
  const std::string pem = made.certificate_pem();
  std::string damaged = pem;
  damaged.replace(100, 4, "????");
  const struct {
    const char* name;
    std::string content;
    const char* message;
  } cases[] = {
      {"empty.pem", "", "is no PEM file"},
      {"der.pem", std::string("\x30\x82\x01\x00\x00", 5), "is no PEM file"},
      {"text.pem", "hello\n", "is no PEM file"},
      {"key.pem", made.key_pem(), "holds a private key, no certificate"},
      {"damaged.pem", damaged, "holds a damaged certificate"},
      {"second.pem", pem + damaged, "holds a damaged certificate behind the first 1"},
      {"request.pem",
       "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
       "holds a certificate request"},
      {"other.pem", "-----BEGIN DH PARAMETERS-----\nAAAA\n-----END DH PARAMETERS-----\n",
       "holds no certificate"},
      {"huge.pem", std::string(2 << 20, 'x'), "larger than 1 MiB"},
  };
  for (const auto& each : cases) {
    const std::string path = folder.write(each.name, each.content);
    const TlsProblem problem = problem_of({path, good.private_key});
    EXPECT_EQ(Key::kCertificate, problem.key) << each.name;
    EXPECT_FALSE(problem.is_warning || problem.is_about_dates) << each.name;
    EXPECT_THAT(problem.message, HasSubstr(path));
    EXPECT_THAT(problem.message, HasSubstr(each.message));
    EXPECT_THAT(problem.hint, Not(IsEmpty())) << each.name;
  }
  EXPECT_THAT(problem_of({folder.path("none.pem"), good.private_key}).message,
              HasSubstr("does not exist"));
  EXPECT_THAT(problem_of({folder.path(""), good.private_key}).message,
              HasSubstr("is no regular file"));
}

TEST_F(TlsIdentityTest, EveryBadKeyFileIsNamed) {
  std::string damaged = made.key_pem();
  damaged.replace(60, 4, "????");
  const MadeCertificate other(spec());
  CertificateSpec rsa = spec();
  rsa.key = KeyKind::kRsa;
  const struct {
    const char* name;
    std::string content;
    const char* message;
  } cases[] = {
      {"encrypted.key", made.key_pem("secret"), "encrypted private key"},
      {"damaged.key", damaged, "holds a damaged private key"},
      {"certificate.key", made.certificate_pem(), "holds a certificate, no private key"},
      {"text.key", "hello", "holds no private key in PEM form"},
      {"empty.key", "", "holds no private key in PEM form"},
      {"other.key", other.key_pem(), "is not the key of"},
      {"rsa.key", MadeCertificate(rsa).key_pem(), "is not the key of"},
  };
  for (const auto& each : cases) {
    const std::string path = folder.write(each.name, each.content);
    const TlsProblem problem = problem_of({good.certificate, path});
    EXPECT_EQ(Key::kPrivateKey, problem.key) << each.name;
    EXPECT_FALSE(problem.is_warning) << each.name;
    EXPECT_THAT(problem.message, HasSubstr(each.message));
    EXPECT_THAT(problem.hint, Not(IsEmpty())) << each.name;
    // Not one line of the key.
    EXPECT_THAT(problem.message + problem.hint, Not(HasSubstr("MI"))) << each.name;
  }
  CertificateSpec weak = spec();
  weak.key = KeyKind::kWeakRsa;
  EXPECT_THAT(problem_of(folder.write("weak", MadeCertificate(weak))).message,
              HasSubstr("too weak (1024 bits)"));
}

TEST_F(TlsIdentityTest, UnreadableFileNamesThePermission) {
  folder.write("secret.key", made.key_pem(), 0000);
  // Root reads everything, so it looks with other eyes.
  const bool is_root = ::geteuid() == 0;
  const uid_t nobody = 65534;
  ASSERT_EQ(0, ::seteuid(is_root ? nobody : ::geteuid()));
  const auto problems = check({good.certificate, folder.path("secret.key")});
  ASSERT_EQ(0, ::seteuid(is_root ? 0 : ::geteuid()));
  ASSERT_FALSE(problems.empty());
  EXPECT_EQ(Key::kPrivateKey, problems.back().key);
  EXPECT_THAT(problems.back().message, HasSubstr("permission denied"));
}

TEST_F(TlsIdentityTest, KeyThatEverybodyCanReadIsAWarning) {
  folder.write("open.key", made.key_pem(), 0644);
  const TlsProblem problem = problem_of({good.certificate, folder.path("open.key")});
  EXPECT_TRUE(problem.is_warning);
  EXPECT_EQ(Key::kPrivateKey, problem.key);
  EXPECT_THAT(problem.message, HasSubstr("every user of this machine can read"));
  folder.write("group.key", made.key_pem(), 0640);
  EXPECT_THAT(check({good.certificate, folder.path("group.key")}), IsEmpty());
}

TEST_F(TlsIdentityTest, DatesAreToldApartFromFaultsOfTheFiles) {
  CertificateSpec old = spec();
  old.ends_in_s = -86'400;
  const TlsIdentityFiles expired = folder.write("expired", MadeCertificate(old));
  TlsProblem problem = problem_of(expired);
  EXPECT_TRUE(problem.is_about_dates);
  EXPECT_THAT(problem.message, HasSubstr("has expired on 20"));
  // A server may still start with it: other listeners must not go down as well.
  TlsServerOptions options;
  options.certificates = {expired};
  EXPECT_TRUE(TlsServerContext::create(options).ok());

  CertificateSpec early = spec();
  early.begins_in_s = 86'400;
  problem = problem_of(folder.write("early", MadeCertificate(early)));
  EXPECT_TRUE(problem.is_about_dates);
  EXPECT_THAT(problem.message, HasSubstr("is not valid before 20"));

  CertificateSpec soon = spec();
  soon.ends_in_s = 13 * 86'400;
  problem = problem_of(folder.write("soon", MadeCertificate(soon)));
  EXPECT_TRUE(problem.is_warning);
  EXPECT_THAT(problem.message, HasSubstr("expires on 20"));
}

TEST_F(TlsIdentityTest, ChainInTheWrongOrderIsAWarning) {
  CertificateSpec authority_spec;
  authority_spec.name = "Root";
  authority_spec.is_authority = true;
  const MadeCertificate root(authority_spec);
  authority_spec.name = "Middle";
  const MadeCertificate middle(authority_spec, &root);
  const MadeCertificate leaf(spec(), &middle);
  EXPECT_THAT(check(folder.write("right", leaf, middle.certificate_pem() + root.certificate_pem())),
              IsEmpty());
  const TlsProblem problem =
      problem_of(folder.write("wrong", leaf, root.certificate_pem() + middle.certificate_pem()));
  EXPECT_TRUE(problem.is_warning);
  EXPECT_THAT(problem.message, HasSubstr("wrong order: \"CN=Root\""));
}

TEST_F(TlsIdentityTest, AllProblemsAreToldAtOnceWithTheirPlace) {
  TlsServerOptions options;
  options.certificates = {good, {folder.path("a.pem"), folder.path("a.key")}};
  options.client_ca = folder.write("ca.pem", "nonsense");
  options.client_auth = ClientAuth::kRequire;
  const auto problems = check_tls(options);
  ASSERT_EQ(3U, problems.size());
  EXPECT_EQ(Key::kCertificate, problems[0].key);
  EXPECT_EQ(1U, problems[0].identity);
  EXPECT_EQ(Key::kPrivateKey, problems[1].key);
  EXPECT_EQ(Key::kClientCa, problems[2].key);
  const auto made_context = TlsServerContext::create(options);
  ASSERT_FALSE(made_context.ok());
  EXPECT_THAT(made_context.error().message, HasSubstr("does not exist"));
}

TEST_F(TlsIdentityTest, AuthorityThatMaySignNothingIsAWarning) {
  TlsClientOptions options;
  options.ca = good.certificate;
  const auto problems = check_tls(options);
  ASSERT_EQ(1U, problems.size());
  EXPECT_TRUE(problems[0].is_warning);
  EXPECT_EQ(Key::kCa, problems[0].key);
  EXPECT_THAT(problems[0].message, HasSubstr("which may sign nothing"));
}

TEST_F(TlsIdentityTest, FactsOfACertificateAreKept) {
  CertificateSpec named = spec();
  named.dns = {"A.example", "*.b.example"};
  named.addresses = {"192.0.2.1", "2001:db8::1"};
  TlsServerOptions options;
  options.certificates = {folder.write("named", MadeCertificate(named))};
  const auto context = TlsServerContext::create(options);
  ASSERT_TRUE(context.ok());
  const auto& facts = (*context)->certificates().front();
  EXPECT_THAT(facts.names, ElementsAre("a.example", "*.b.example", "192.0.2.1", "2001:db8::1"));
  EXPECT_EQ("CN=localhost", facts.subject);
  EXPECT_EQ(90 * 86'400 + 3600, facts.not_after_s - facts.not_before_s);
}

}  // namespace
}  // namespace banyan::net
