// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "core/base/text.h"
#include "tests/support/source_dir.h"

namespace banyan::config {
namespace {

constexpr std::string_view kMinimal = R"(
[systems.legacy]
urls = ["http://127.0.0.1:9001"]
[systems.candidate]
urls = ["http://127.0.0.1:9002"]
[[listeners]]
address = "127.0.0.1:8080"
)";

std::string file_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::string all_text(const LoadResult& result) {
  std::string out;
  for (const Diagnostic& found : result.diagnostics) out += found.to_text();
  return out;
}

LoadResult load(std::string_view more, const std::vector<std::string>& overrides = {}) {
  return load_text(std::string(kMinimal) + std::string(more), "banyan.toml", overrides);
}

TEST(ConfigTest, MinimalFileTakesTheDefaults) {
  const LoadResult result = load("");
  ASSERT_TRUE(result.ok()) << all_text(result);
  EXPECT_TRUE(result.diagnostics.empty());
  const Config& config = result.config;
  EXPECT_EQ(config.data_dir, "banyan-data");
  EXPECT_EQ(config.recorder.directory, "banyan-data/log");
  EXPECT_EQ(config.routing.state_directory, "banyan-data/state");
  EXPECT_EQ(config.admin.address, "127.0.0.1:9901");
  EXPECT_TRUE(config.admin.needs_token);
  EXPECT_EQ(config.legacy_urls, std::vector<std::string>{"http://127.0.0.1:9001"});
  EXPECT_EQ(config.mirror.in_flight_max, 256U);
  EXPECT_EQ(config.proxy.limits.inline_body_max, 256U * 1024);
  EXPECT_TRUE(config.routing.routes.empty());
}

// Each key of the contract's example arrives where it belongs.
TEST(ConfigTest, LoadsEveryKeyOfTheContract) {
  const LoadResult result =
      load_text(file_text(source_dir() + "/tests/cases/config_full.toml"), "full.toml", {});
  ASSERT_TRUE(result.ok()) << all_text(result);
  ASSERT_TRUE(result.diagnostics.empty());
  const Config& c = result.config;
  EXPECT_EQ(c.data_dir, "/var/lib/banyan");
  EXPECT_EQ(c.proxy.workers, 3);
  EXPECT_EQ(c.legacy_urls.size(), 2U);
  EXPECT_EQ(c.twin_urls, std::vector<std::string>{"http://10.0.0.3:9001"});
  EXPECT_EQ(c.proxy.legacy.upstream.connect_timeout_ns, 1'500'000'000);
  EXPECT_EQ(c.proxy.legacy.upstream.first_byte_timeout_ns, 50'000'000'000);
  EXPECT_EQ(c.proxy.legacy.upstream.idle_timeout_ns, 40'000'000'000);
  EXPECT_EQ(c.proxy.legacy.upstream.connections_max, 77U);
  EXPECT_EQ(c.proxy.legacy.upstream.calls_max, 900U);
  EXPECT_EQ(c.proxy.legacy.upstream.waiting_max, 33U);
  const net::HealthOptions& health = c.proxy.legacy.health;
  EXPECT_EQ(health.path, "/health?deep=1");
  EXPECT_EQ(health.interval_ns, 3'000'000'000);
  EXPECT_EQ(health.timeout_ns, 500'000'000);
  EXPECT_EQ(health.healthy, 4U);
  EXPECT_EQ(health.unhealthy, 5U);
  EXPECT_EQ(health.statuses,
            (std::vector<net::HealthOptions::Statuses>{{200, 299}, {304, 304}, {400, 403}}));
  const net::EndpointsOptions& judgement = c.proxy.legacy.judgement;
  EXPECT_EQ(judgement.slow_start_ns, 20'000'000'000);
  EXPECT_EQ(judgement.failures_max, 7U);
  EXPECT_FALSE(judgement.counts_gateway_errors);
  EXPECT_EQ(judgement.ejection_ns, 4'000'000'000);
  EXPECT_EQ(judgement.ejection_max_ns, 40'000'000'000);
  EXPECT_EQ(judgement.ejected_percent_max, 30U);
  EXPECT_EQ(judgement.circuit.failures_max, 9U);
  EXPECT_EQ(judgement.circuit.open_ns, 2'000'000'000);
  EXPECT_EQ(judgement.circuit.open_max_ns, 20'000'000'000);
  EXPECT_EQ(c.proxy.candidate.health.path, "");
  EXPECT_EQ(c.dns.servers, (std::vector<std::string>{"10.0.0.2:53", "[::1]:5353"}));
  EXPECT_EQ(c.dns.timeout_ns, 1'000'000'000);
  EXPECT_EQ(c.dns.tries, 2);
  EXPECT_EQ(c.dns.ttl_min_ns, 10'000'000'000);
  EXPECT_EQ(c.dns.ttl_max_ns, 600'000'000'000);
  EXPECT_EQ(c.dns.addresses_max, 16U);
  EXPECT_EQ(c.proxy.legacy.host, "");
  EXPECT_EQ(c.proxy.candidate.host, "shop.internal");
  EXPECT_EQ(c.proxy.candidate.upstream.http2, net::UpstreamHttp2::kPriorKnowledge);
  EXPECT_EQ(c.proxy.candidate.upstream.proxy_header, net::ProxyHeader::kV2);
  EXPECT_EQ(c.proxy.candidate.tls.alpn, (std::vector<std::string>{"h2"}));
  EXPECT_EQ(c.proxy.legacy.upstream.http2, net::UpstreamHttp2::kOff);
  EXPECT_EQ(c.proxy.legacy.tls.alpn, (std::vector<std::string>{"http/1.1"}));
  ASSERT_EQ(c.proxy.listeners.size(), 2U);
  EXPECT_EQ(c.proxy.listeners[0].trusted.size(), 2U);
  EXPECT_TRUE(c.proxy.listeners[0].writes_via);
  EXPECT_FALSE(c.admin.needs_token);
  EXPECT_EQ(c.recorder.segment_bytes, 64ULL << 20);
  EXPECT_EQ(c.recorder.retention_age_ns, 3LL * 86'400 * 1'000'000'000);
  EXPECT_EQ(c.recorder.retention_bytes, 20ULL << 30);
  EXPECT_EQ(c.recorder.min_free_bytes, 10ULL << 30);
  EXPECT_EQ(c.recorder.min_free_ratio, 0);
  EXPECT_EQ(c.recorder.flush_interval_ns, 20'000'000);
  EXPECT_EQ(c.recorder.compression, recorder::RecorderOptions::Compression::kZstd);
  EXPECT_TRUE(c.recorder.keys->has_key());
  EXPECT_TRUE(c.recorder.encrypts);
  EXPECT_TRUE(c.recorder.chains);
  EXPECT_EQ(c.proxy.limits.inline_body_max, 128U * 1024);
  EXPECT_EQ(c.proxy.durable_wait_ns, 100'000'000);
  EXPECT_EQ(c.proxy.limits.head_bytes_max, 32U * 1024);
  EXPECT_EQ(c.proxy.legacy.upstream.limits.head_bytes_max, 32U * 1024);
  EXPECT_EQ(c.proxy.limits.fields_max, 50U);
  EXPECT_EQ(c.proxy.limits.target_bytes_max, 4096U);
  EXPECT_EQ(c.proxy.limits.body_bytes_max, 1ULL << 30);
  EXPECT_EQ(c.proxy.limits.body_captured_max, 8ULL << 20);
  EXPECT_EQ(c.mirror.body_bytes_max, 8ULL << 20);
  EXPECT_EQ(c.proxy.limits.connections_max, 5000U);
  EXPECT_EQ(c.proxy.limits.connections_per_client_max, 50U);
  EXPECT_TRUE(c.proxy.listeners[0].speaks_http2);
  EXPECT_FALSE(c.proxy.listeners[1].speaks_http2);
  EXPECT_EQ(c.proxy.limits.http2.streams_max, 50U);
  EXPECT_EQ(c.proxy.limits.http2.section_bytes_max, 32U * 1024);
  EXPECT_EQ(c.proxy.limits.http2.stream_window_bytes, 128U * 1024);
  EXPECT_EQ(c.proxy.limits.http2.connection_window_bytes, 512U * 1024);
  EXPECT_EQ(c.proxy.limits.http2.continuations_max, 6U);
  EXPECT_EQ(c.proxy.limits.http2.control_frames_max, 500U);
  EXPECT_EQ(c.proxy.limits.http2.control_frames_per_second, 60U);
  EXPECT_EQ(c.proxy.limits.http2.resets_max, 90U);
  EXPECT_EQ(c.proxy.limits.http2.resets_per_second, 9U);
  EXPECT_EQ(c.proxy.timeouts.handshake_ns, 4'000'000'000);
  EXPECT_EQ(c.proxy.timeouts.head_ns, 9'000'000'000);
  EXPECT_EQ(c.proxy.timeouts.body_ns, 29'000'000'000);
  EXPECT_EQ(c.proxy.timeouts.keep_alive_ns, 59'000'000'000);
  EXPECT_EQ(c.proxy.timeouts.write_ns, 28'000'000'000);
  EXPECT_EQ(c.proxy.timeouts.drain_ns, 27'000'000'000);
  EXPECT_EQ(c.proxy.timeouts.rate_grace_ns, 8'000'000'000);
  EXPECT_EQ(c.proxy.limits.line_bytes_max, 16U * 1024);
  EXPECT_EQ(c.proxy.legacy.upstream.limits.line_bytes_max, 16U * 1024);
  EXPECT_EQ(c.proxy.limits.requests_per_connection_max, 1000U);
  EXPECT_EQ(c.proxy.limits.rate_floor, 128U);
  EXPECT_TRUE(c.proxy.lenient.has(http::Leniency::kEqualLengths));
  EXPECT_TRUE(c.proxy.candidate.upstream.limits.lenient.has(http::Leniency::kBareLfInAnswers));
  EXPECT_FALSE(c.proxy.lenient.has(http::Leniency::kMissingHost));
  EXPECT_EQ(c.mirror.in_flight_max, 32U);
  EXPECT_EQ(c.mirror.deadline_ns, 20'000'000'000);
  EXPECT_EQ(c.mirror.read_staleness_ns, 5'000'000'000);
  EXPECT_EQ(c.mirror.rate_per_second, 500);
  EXPECT_EQ(c.mirror.catch_up, 1.5);
  EXPECT_EQ(c.mirror.noise.confirm, 3U);
  EXPECT_EQ(c.mirror.noise.legacy_budget, 0.05);
  EXPECT_EQ(c.mirror.noise.legacy_floor, 4);
  EXPECT_EQ(c.mirror.noise.control, 0.02);
  EXPECT_EQ(c.mirror.noise.twin, 0.5);
  EXPECT_EQ(c.mirror.noise.queue_max, 64U);
  EXPECT_EQ(c.mirror.noise.in_flight_max, 4U);
  EXPECT_EQ(c.routing.salt, "fleet");
  ASSERT_EQ(c.routing.routes.size(), 2U);
  const routing::RouteOptions& orders = c.routing.routes[0];
  EXPECT_EQ(orders.name, "orders");
  EXPECT_EQ(orders.match.path, "/orders/**");
  EXPECT_EQ(orders.match.methods, (std::vector<std::string>{"GET", "POST"}));
  EXPECT_EQ(orders.match.host, "*.shop.example");
  ASSERT_EQ(orders.match.headers.size(), 2U);
  ASSERT_EQ(orders.match.query.size(), 1U);
  EXPECT_EQ(orders.match.query[0].value, "2");
  EXPECT_EQ(orders.dials, (model::Dials{1225, 5000, true}));
  EXPECT_EQ(orders.sticky, routing::StickyKind::kCookie);
  EXPECT_EQ(orders.sticky_name, "session");
  EXPECT_EQ(orders.durability, Durability::kResponse);
  EXPECT_EQ(orders.on_failure, OnFailure::kFailClosed);
  EXPECT_EQ(orders.record, RecordMode::kHead);
  EXPECT_EQ(orders.treat_as_write, false);
  EXPECT_TRUE(orders.falls_back_to_legacy);
  EXPECT_EQ(orders.upgrades, (std::vector<std::string>{"websocket", "foo/2"}));
  EXPECT_EQ(c.readiness.mismatch_rate_max, 0.002);
  EXPECT_TRUE(c.readiness.gate);
  EXPECT_EQ(c.readiness.time_min_ns, 12LL * 3'600 * 1'000'000'000);
  EXPECT_EQ(c.readiness.cell_pairs_min, 50U);
  EXPECT_TRUE(c.readiness.needs_every_cell);
  EXPECT_EQ(c.readiness.rate_max_of("orders"), 0.0001);
  EXPECT_EQ(c.readiness.rate_max_of("rest"), 0.002);
  EXPECT_EQ(c.readiness.set_aside("orders"), "answers are random");
  EXPECT_EQ(c.routing.routes[1].dials, (model::Dials{0, 10000, false}));
  EXPECT_EQ(c.routing.routes[1].sticky, routing::StickyKind::kClientIp);
  EXPECT_FALSE(c.routing.routes[1].durability.has_value());
  ASSERT_EQ(c.comparator.rules.size(), 1U);
  EXPECT_EQ(c.comparator.rules[0].ignore.size(), 2U);
  EXPECT_EQ(c.comparator.rules[0].unordered[0].path, "body:$.items");
  EXPECT_EQ(c.comparator.rules[0].unordered[0].by, "sku");
  EXPECT_EQ(c.comparator.rules[0].tolerance[0].absolute, 0.005);
  ASSERT_EQ(c.redaction.rules.size(), 4U);
  EXPECT_TRUE(c.redaction.rules[2].is_dropped);
}

// Each bad file says in comments what it must lead to: "# expect LINE:COLUMN part of the message".
// Exactly those problems are found, all at once.
TEST(ConfigTest, EveryBadFileIsReportedWithItsPlaces) {
  int files = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(source_dir() + "/tests/cases/config_bad")) {
    const std::string text = file_text(entry.path());
    const std::string name = entry.path().filename().string();
    const LoadResult result = load_text(text, name, {});
    std::size_t expected = 0;
    for (const std::string_view line : split(text, '\n')) {
      constexpr std::string_view kMark = "# expect ";
      if (line.substr(0, kMark.size()) != kMark) continue;
      ++expected;
      const std::string_view rest = line.substr(kMark.size());
      const std::string place = std::string(rest.substr(0, rest.find(' ')));
      const std::string part = std::string(rest.substr(rest.find(' ') + 1));
      bool is_found = false;
      for (const Diagnostic& found : result.diagnostics) {
        const std::string at = std::to_string(found.line) + ":" + std::to_string(found.column);
        is_found = is_found || (at == place && found.message.find(part) != std::string::npos);
      }
      EXPECT_TRUE(is_found) << name << ": " << line << "\nfound:\n" << all_text(result);
    }
    EXPECT_FALSE(result.ok()) << name;
    EXPECT_GT(expected, 0U) << name;
    EXPECT_EQ(result.diagnostics.size(), expected) << name << "\n" << all_text(result);
    ++files;
  }
  EXPECT_GE(files, 10);
}

TEST(ConfigTest, ADiagnosticShowsItsLineACaretAndAHint) {
  const LoadResult result = load("[mirror]\nin_flght = 3\n");
  ASSERT_EQ(result.diagnostics.size(), 1U);
  EXPECT_EQ(result.diagnostics[0].to_text(),
            "banyan.toml:9:1: error: unknown key \"in_flght\" in mirror\n"
            "    in_flght = 3\n"
            "    ^\n"
            "    hint: did you mean \"in_flight\"?\n");
}

TEST(ConfigTest, OverridesReachEveryKindOfPlace) {
  const LoadResult result = load(
      "[[routes]]\nname = \"orders\"\nmatch = { path = \"/o\" }\n[[routes]]\nname = \"stock\"\n",
      {"routes.orders.candidate_percent=5", "routes.1.mirror_percent=2.5", "mirror.in_flight=8",
       "log.wait=100ms", "data_dir=/tmp/x", "listeners.0.address=127.0.0.1:0",
       "listeners.1.address=[::1]:0", "systems.legacy.urls=[\"http://h:1\", \"http://h:2\"]",
       "record.key=0123456789abcdef=", "admin.auth=\"none\""});
  ASSERT_TRUE(result.ok()) << all_text(result);
  EXPECT_EQ(result.config.routing.routes[0].dials.candidate_share, 500U);
  EXPECT_EQ(result.config.routing.routes[1].dials.mirror_share, 250U);
  EXPECT_EQ(result.config.mirror.in_flight_max, 8U);
  EXPECT_EQ(result.config.proxy.durable_wait_ns, 100'000'000);
  EXPECT_EQ(result.config.data_dir, "/tmp/x");
  ASSERT_EQ(result.config.proxy.listeners.size(), 2U);
  EXPECT_EQ(result.config.proxy.listeners[0].address, "127.0.0.1:0");
  EXPECT_EQ(result.config.legacy_urls.size(), 2U);
  EXPECT_EQ(result.config.record_key, "0123456789abcdef=");
  EXPECT_FALSE(result.config.admin.needs_token);
}

TEST(ConfigTest, BadOverridesAreNamed) {
  const struct {
    const char* text;
    const char* message;
  } kCases[] = {
      {"nonsense", "KEY=VALUE"},
      {"=5", "KEY=VALUE"},
      {"mirror.in_flight=0", "must lie between"},
      {"mirror.in_flight=many", "must be an integer"},
      {"mirrow.in_flight=1", "unknown key"},
      {"routes.orderz.candidate_percent=5", "there is no \"orderz\""},
      {"routes.7.candidate_percent=5", "there is no \"7\""},
      {"data_dir.x=5", "must be a string"},
      {"listeners.0.address.x=1", "nothing below"},
  };
  for (const auto& c : kCases) {
    const LoadResult result = load("[[routes]]\nname = \"orders\"\n", {c.text});
    ASSERT_FALSE(result.ok()) << c.text;
    EXPECT_EQ(result.diagnostics.back().file, "--set") << all_text(result);
    EXPECT_NE(all_text(result).find(c.message), std::string::npos) << all_text(result);
    EXPECT_NE(all_text(result).find(c.text), std::string::npos) << all_text(result);
  }
}

TEST(ConfigTest, ReferencesAreResolvedInStringsOnlyAndNeverShown) {
  ASSERT_EQ(setenv("BANYAN_TEST_SECRET", "canary-secret-0123456789", 1), 0);
  const std::string path = testing::TempDir() + "banyan_config_test_secret";
  std::ofstream(path) << "file-secret-0123456789\n";
  const LoadResult good = load(
      "[record]\nkey = \"${env:BANYAN_TEST_SECRET}\"\n[routing]\nsalt = "
      "\"a${file:" +
      path + "}$${b}\"\n");
  ASSERT_TRUE(good.ok()) << all_text(good);
  EXPECT_EQ(good.config.record_key, "canary-secret-0123456789");
  EXPECT_EQ(good.config.routing.salt, "afile-secret-0123456789${b}");
  const LoadResult bad = load(
      "[record]\nkey = \"${env:BANYAN_TEST_UNSET}\"\n[routing]\nsalt = \"${file:/nowhere/x}\"\n"
      "[log]\nwait = \"${env:BANYAN_TEST_SECRET}\"\n[[routes]]\nname = "
      "\"${env:BANYAN_TEST_SECRET}!\"\n"
      "sticky = \"${env:BANYAN_TEST_SECRET}\"\ndurability = \"${nope}\"\n");
  EXPECT_EQ(bad.diagnostics.size(), 6U) << all_text(bad);
  EXPECT_EQ(all_text(bad).find("canary-secret"), std::string::npos) << all_text(bad);
  std::filesystem::remove(path);
}

TEST(ConfigTest, SecretsOfTheFileAreNotShown) {
  for (const char* text :
       {"[record]\nkey = \"short-canary\"\n", "record = { \"key\" = \"short-canary\" }\n",
        "[record]\nkey = \"short-canary\n"}) {
    const LoadResult result = load(text);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(all_text(result).find("canary\""), std::string::npos) << all_text(result);
    EXPECT_EQ(all_text(result).find("short-canary"), std::string::npos) << all_text(result);
  }
  const LoadResult url = load_text("[systems.legacy]\nurls = [\"http://u:canary@h:1\"]\n", "f", {});
  EXPECT_EQ(all_text(url).find("canary"), std::string::npos) << all_text(url);
  const LoadResult set = load("", {"record.key=short-canary"});
  ASSERT_FALSE(set.ok());
  EXPECT_EQ(all_text(set).find("canary"), std::string::npos) << all_text(set);
}

TEST(ConfigTest, ASubjectIsNamedByItsPlaceInARequest) {
  using Kind = proxy::SubjectOptions::Kind;
  const struct {
    const char* text;
    Kind kind;
    const char* name;
  } kGood[] = {{"header:X-Customer-Id", Kind::kHeader, "X-Customer-Id"},
               {"cookie:customer", Kind::kCookie, "customer"},
               {"query:c", Kind::kQuery, "c"},
               {"session", Kind::kSession, ""}};
  for (const auto& good : kGood) {
    const LoadResult result = load("[record]\nsubject = \"" + std::string(good.text) + "\"\n");
    ASSERT_TRUE(result.ok()) << all_text(result);
    EXPECT_EQ(result.config.proxy.subject, (proxy::SubjectOptions{good.kind, good.name}));
  }
  EXPECT_EQ(load("").config.proxy.subject.kind, Kind::kNone);
  for (const char* bad : {"", "customer", "body:$.id", "header:", "cookie:a b", "Session"}) {
    const LoadResult result = load("[record]\nsubject = \"" + std::string(bad) + "\"\n");
    ASSERT_EQ(result.diagnostics.size(), 1U) << bad;
    EXPECT_EQ(result.diagnostics[0].line, 9) << bad;
    EXPECT_EQ(result.diagnostics[0].column, 11) << bad;
    EXPECT_NE(result.diagnostics[0].message.find("record.subject"), std::string::npos);
    EXPECT_NE(result.diagnostics[0].hint.find("header:X-Customer-Id"), std::string::npos);
  }
}

TEST(ConfigTest, ProblemsAreBounded) {
  std::string text;
  for (int i = 0; i < 300; ++i) text += "unknown_" + std::to_string(i) + " = 1\n";
  const LoadResult result = load_text(text, "f", {});
  EXPECT_EQ(result.diagnostics.size(), 101U);
  EXPECT_NE(result.diagnostics.back().message.find("more problems"), std::string::npos);
  const LoadResult large = load_text(std::string((4 << 20) + 1, ' '), "f", {});
  EXPECT_EQ(large.diagnostics.size(), 1U);
}

TEST(ConfigTest, AMissingFileSaysHowToStart) {
  const LoadResult result = load_file(testing::TempDir() + "banyan_no_such.toml", {});
  ASSERT_FALSE(result.ok());
  EXPECT_NE(all_text(result).find("banyan init"), std::string::npos);
}

TEST(ConfigTest, TheStarterLoadsWithoutAWord) {
  for (const auto& [legacy, candidate] :
       {std::pair<std::string, std::string>{"", ""}, {"http://old:1", "http://new:2"}}) {
    const LoadResult result = load_text(starter_text(legacy, candidate), "starter", {});
    EXPECT_TRUE(result.diagnostics.empty()) << all_text(result);
    ASSERT_EQ(result.config.routing.routes.size(), 1U);
    if (!legacy.empty()) {
      EXPECT_EQ(result.config.legacy_urls[0], legacy);
      EXPECT_EQ(result.config.candidate_urls[0], candidate);
    }
  }
  // Hostile URLs stay inside their string.
  const LoadResult hostile = load_text(starter_text("\"]\nx = 1 #\\", ""), "starter", {});
  ASSERT_FALSE(hostile.ok());
  EXPECT_NE(all_text(hostile).find("starts with http://"), std::string::npos);
}

// Commented lines of the starter are examples too: uncommented, they load.
TEST(ConfigTest, TheStarterLoadsUncommented) {
  std::string text;
  const std::string starter = starter_text("", "");
  for (const std::string_view line : split(starter, '\n')) {
    const bool is_example = line.substr(0, 2) == "# " &&
                            (line.find(" = ") != std::string_view::npos || line.find('[') == 2);
    text += std::string(is_example ? line.substr(2) : line) + "\n";
  }
  const LoadResult result = load_text(text, "starter", {});
  EXPECT_TRUE(result.diagnostics.empty()) << all_text(result);
  EXPECT_EQ(result.config.comparator.rules.size(), 1U);
  EXPECT_EQ(result.config.redaction.rules.size(), 5U);
}

// The fenced toml blocks of the reference load; those marked "toml part" on top of the minimal
// file.
TEST(ConfigTest, TheReferencesExamplesLoad) {
  const std::string page = file_text(source_dir() + "/docs/configuration.md");
  int blocks = 0;
  for (std::size_t at = page.find("```toml"); at != std::string::npos;
       at = page.find("```toml", at)) {
    const std::size_t start = page.find('\n', at) + 1;
    const std::size_t end = page.find("```", start);
    ASSERT_NE(end, std::string::npos);
    const bool is_part = page.substr(at, start - at).find("part") != std::string::npos;
    const std::string block = page.substr(start, end - start);
    const LoadResult result = is_part ? load(block) : load_text(block, "configuration.md", {});
    EXPECT_TRUE(result.diagnostics.empty()) << block << all_text(result);
    ++blocks;
    at = end + 3;
  }
  EXPECT_GE(blocks, 8);
}

// ---- reload

LoadResult reload(std::string_view more, const Config& running,
                  const std::vector<std::string>& overrides = {}) {
  return reload_text(std::string(kMinimal) + std::string(more), "banyan.toml", overrides, running);
}

TEST(ConfigReloadTest, WhatCannotChangeAtRunTimeIsNamedAtItsPlaceAllAtOnce) {
  const Config running = load("").config;
  const LoadResult result = reload(
      "[admin]\naddress = \"127.0.0.1:1\"\nauth = \"none\"\n[record]\nkey = "
      "\"0123456789abcdef-\"\n",
      running, {"data_dir=/elsewhere", "workers=7"});
  EXPECT_FALSE(result.ok());
  EXPECT_TRUE(result.needs_restart());
  const std::string text = all_text(result);
  ASSERT_EQ(result.diagnostics.size(), 5U) << text;
  EXPECT_EQ(result.diagnostics[0].line, 9);
  EXPECT_EQ(result.diagnostics[0].column, 11);
  for (const char* key : {"data_dir", "workers", "admin.address", "admin.auth", "record.key"}) {
    EXPECT_NE(text.find(std::string(key) + " cannot change while Banyan runs"), std::string::npos)
        << text;
  }
  EXPECT_NE(text.find("restart"), std::string::npos);
  EXPECT_EQ(text.find("0123456789abcdef-"), std::string::npos) << "shows a secret";
}

TEST(ConfigReloadTest, AKeyThatWasRemovedIsNamedWithoutAPlace) {
  const Config running = load("", {"workers=3"}).config;
  const LoadResult result = reload("", running);
  ASSERT_EQ(result.diagnostics.size(), 1U);
  EXPECT_TRUE(result.needs_restart());
  EXPECT_EQ(result.diagnostics[0].line, 0);
  EXPECT_NE(result.diagnostics[0].message.find("\"3\" now, \"0\" here"), std::string::npos);
}

TEST(ConfigReloadTest, ABadFileIsBadFirst) {
  const Config running = load("").config;
  const LoadResult result = reload("[limits]\nhead = \"no size\"\n", running, {"workers=7"});
  EXPECT_FALSE(result.ok());
  EXPECT_FALSE(result.needs_restart());
  EXPECT_EQ(result.diagnostics.size(), 2U);
}

TEST(ConfigReloadTest, TheRestMayChangeAndItsSectionsAreNamed) {
  const Config running = load("[limits]\nhead = \"32KiB\"\n[mirror]\nrate = 5\n").config;
  const LoadResult same = reload("[mirror]\nrate = 5\n[limits]\nhead = \"32KiB\"\n", running);
  ASSERT_TRUE(same.ok()) << all_text(same);
  EXPECT_FALSE(same.needs_restart());
  EXPECT_TRUE(changed_sections(running, same.config).empty());
  const LoadResult result =
      reload("[limits]\nhead = \"16KiB\"\n[log]\nwait = \"90ms\"\n[[routes]]\nname = \"a\"\n",
             running, {"systems.legacy.connections=9"});
  ASSERT_TRUE(result.ok()) << all_text(result);
  EXPECT_EQ(changed_sections(running, result.config),
            (std::vector<std::string>{"limits", "log", "mirror", "routes", "systems"}));
}

TEST(ConfigReloadTest, AMissingFileIsAnError) {
  const LoadResult result = reload_file("/nonexistent/banyan.toml", {}, Config());
  EXPECT_FALSE(result.ok());
  EXPECT_FALSE(result.needs_restart());
}

TEST(ConfigAccessLogTest, HasAPathAndOneOfFourFormats) {
  EXPECT_EQ(load("").config.access_log.path, "");
  const LoadResult full =
      load_text(file_text(source_dir() + "/tests/cases/config_full.toml"), "full.toml", {});
  EXPECT_EQ(full.config.access_log.path, "/var/log/banyan/access.log");
  EXPECT_EQ(full.config.access_log.format, access_log::Format::kCombined);
  const LoadResult standard = load("[access_log]\npath = \"-\"\nformat = \"ecs\"\n");
  EXPECT_TRUE(standard.ok()) << all_text(standard);
  EXPECT_EQ(standard.config.access_log.format, access_log::Format::kEcs);
  for (const char* bad : {"[access_log]\n", "[access_log]\npath = \"\"\n",
                          "[access_log]\npath = \"a\"\nformat = \"xml\"\n",
                          "[access_log]\npath = \"a\"\nrotate = true\n"}) {
    const LoadResult result = load(bad);
    ASSERT_EQ(result.diagnostics.size(), 1U) << bad << all_text(result);
    EXPECT_FALSE(result.ok());
  }
}

TEST(ConfigTest, ReadinessStaysInsideItsBounds) {
  const LoadResult none = load("");
  EXPECT_EQ(none.config.readiness.mismatch_rate_max, 0.001);
  EXPECT_FALSE(none.config.readiness.gate);
  EXPECT_EQ(none.config.readiness.time_min_ns, 86'400LL * 1'000'000'000);
  for (const char* bad :
       {"[readiness]\nmismatch_rate_max = 0.6\n", "[readiness]\nmismatch_rate_max = 0\n",
        "[readiness]\ntime_min = \"400d\"\n", "[readiness]\ncell_pairs_min = 0\n",
        "[readiness]\ngates = true\n",
        "[[routes]]\nname = \"a\"\nreadiness = { set_aside = \" \" }\n",
        "[[routes]]\nname = \"a\"\nreadiness = { rate = 1 }\n"}) {
    const LoadResult result = load(bad);
    ASSERT_EQ(result.diagnostics.size(), 1U) << bad << all_text(result);
    EXPECT_FALSE(result.ok()) << bad;
  }
}

TEST(ConfigTest, RedactionTakesPatternsAndSaysWhatIsWrongWithThem) {
  const LoadResult good = load(R"(
[record]
redact = ["pattern:card", { field = "pattern:email", keep = "drop", in = ["body", "query"] },
          { pattern = "KD-[0-9]{8}", name = "customer", in = ["path", "headers"] }]
)");
  ASSERT_TRUE(good.ok()) << all_text(good);
  const auto& rules = good.config.redaction.rules;
  ASSERT_EQ(rules.size(), 3U);
  EXPECT_EQ(rules[0].places, model::kInEverything);
  EXPECT_TRUE(rules[1].is_dropped);
  EXPECT_EQ(rules[1].places, model::kInBody | model::kInQuery);
  EXPECT_EQ(rules[2].expression, "KD-[0-9]{8}");
  EXPECT_EQ(rules[2].name, "customer");
  EXPECT_EQ(rules[2].places, model::kInPath | model::kInHeaders);
  for (const auto& [rule, problem] : std::vector<std::pair<std::string, std::string>>{
           {"\"pattern:ssn\"", "no known pattern"},
           {"\"header:X-*\"", "no wildcard"},
           {"\"body:/a/b\"", "can be redacted"},
           {"{ pattern = \"a\" }", "needs a name"},
           {"{ pattern = \"(\", name = \"x\" }", "\"x\": the pattern does not compile"},
           {"{ pattern = \"a*\", name = \"x\" }", "empty text"},
           {"{ field = \"query:a\", pattern = \"a\", name = \"x\" }", "either field or pattern"},
           {"{ field = \"query:a\", in = [\"body\"] }", "only a pattern takes in"},
           {"{ field = \"pattern:card\", in = [\"cookies\"] }", "in holds no"},
           {"{ field = \"pattern:card\", in = [] }", "names no place"}}) {
    const LoadResult bad = load("[record]\nredact = [" + rule + "]\n");
    EXPECT_FALSE(bad.ok()) << rule;
    EXPECT_THAT(all_text(bad), testing::HasSubstr(problem)) << rule;
  }
}

}  // namespace
}  // namespace banyan::config
