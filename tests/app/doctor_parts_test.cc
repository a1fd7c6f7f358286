// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <filesystem>

#include "app/doctor.h"
#include "app/libraries.h"
#include "app/system_probe.h"
#include "core/net/socket.h"

namespace banyan::app {
namespace {

TEST(LibrariesTest, NamesWhatIsLinked) {
  const auto libraries = linked_libraries();
  ASSERT_EQ(libraries.size(), 3U);
  for (const auto& [name, version] : libraries) EXPECT_FALSE(version.empty()) << name;
}

TEST(LibrariesTest, KnownBadIsByDebianUpdate) {
  const KnownBad known{"libnghttp2-14", "1.52.0-1", 3, "floods"};
  for (const char* bad : {"1.52.0-1", "1.52.0-1+deb12u1", "1.52.0-1+deb12u2"}) {
    EXPECT_TRUE(is_known_bad(known, bad)) << bad;
  }
  for (const char* good :
       {"1.52.0-1+deb12u3", "1.52.0-1+deb12u10", "1.52.0-12", "1.64.0-1", "1.52.0-1ubuntu1", ""}) {
    EXPECT_FALSE(is_known_bad(known, good)) << good;
  }
  EXPECT_FALSE(known_bad_packages().empty());
}

TEST(LibrariesTest, FindsTheVersionOfAnInstalledPackage) {
  constexpr std::string_view kStatus =
      "Package: liba\nStatus: install ok installed\nVersion: 1.0-1\n\n"
      "Package: libb\nStatus: deinstall ok config-files\nVersion: 2.0-1\n\n"
      "Package: libc\nVersion: 3.0-1\nDescription: x\n Package: liba\nStatus: install ok installed";
  EXPECT_EQ(version_in_status(kStatus, "liba"), "1.0-1");
  EXPECT_EQ(version_in_status(kStatus, "libb"), std::nullopt);
  EXPECT_EQ(version_in_status(kStatus, "libc"), "3.0-1");
  EXPECT_EQ(version_in_status(kStatus, "lib"), std::nullopt);
  EXPECT_EQ(version_in_status("", "liba"), std::nullopt);
}

TEST(HttpDateTest, ReadsThePreferredFormAlone) {
  EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), 784'111'777);
  for (const char* bad : {"", "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 Nox 1994 08:49:37 GMT",
                          "Sun, 32 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT",
                          "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"}) {
    EXPECT_EQ(parse_http_date(bad), std::nullopt) << bad;
  }
}

TEST(DoctorTest, DescriptorsAreHeldAgainstTheirLimit) {
  config::Config config;
  config.proxy.limits.connections_max = 100;
  config.proxy.legacy.upstream.connections_max = 10;
  config.proxy.candidate.upstream.connections_max = 10;
  Findings enough, few;
  check_descriptors(config, 100 + 10 + 20 + 256, enough);
  check_descriptors(config, 100 + 10 + 20 + 255, few);
  EXPECT_EQ(enough.all().at(0).health, Health::kOk);
  EXPECT_EQ(few.all().at(0).health, Health::kWarn);
  EXPECT_FALSE(few.all().at(0).hint.empty());
}

TEST(DoctorTest, PortsAreFreeOrOursOrSomebodyElses) {
  config::Config config;
  config.proxy.listeners.emplace_back().address = "127.0.0.1:0";
  const auto taken = net::listen_on("127.0.0.1:0", false);
  config.admin.address = taken->address;
  Findings alone, beside;
  check_ports(config, false, alone);
  check_ports(config, true, beside);
  EXPECT_EQ(alone.all().at(0).health, Health::kOk);
  EXPECT_EQ(alone.all().at(1).health, Health::kFail);
  EXPECT_EQ(beside.all().at(1).health, Health::kOk);
}

TEST(DoctorTest, AFolderWithoutRoomOrRightsIsTold) {
  config::Config config;
  config.data_dir = std::string(testing::TempDir()) + "banyan_doctor/deep/data";
  Findings fresh;
  check_data_directory(config, fresh);
  EXPECT_EQ(fresh.count(Health::kFail), 0U);
  config.recorder.min_free_bytes = 1ULL << 60;
  Findings full;
  check_data_directory(config, full);
  EXPECT_EQ(full.count(Health::kFail), 1U);
  config.data_dir = "/proc/banyan";
  Findings refused;
  check_data_directory(config, refused);
  EXPECT_GE(refused.count(Health::kFail) + refused.count(Health::kWarn), 1U);
}

TEST(DoctorTest, ASystemThatIsDownFails) {
  config::Config config;
  { config.legacy_urls = {"http://" + net::listen_on("127.0.0.1:0", false)->address}; }
  Findings findings;
  check_systems(config, findings);
  ASSERT_EQ(findings.all().size(), 1U);
  EXPECT_EQ(findings.all()[0].health, Health::kFail);
}

}  // namespace
}  // namespace banyan::app
