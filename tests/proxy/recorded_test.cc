// SPDX-License-Identifier: Apache-2.0
//
// The proxy with the real recorder: what was acknowledged stands in the log.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "recorder/recorder.h"
#include "tests/proxy/loopback.h"
#include "tests/proxy/rig.h"

namespace banyan::proxy {
namespace {

struct ProxyRecorded : ::testing::Test {
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "banyan_proxy_XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory = name;
  }
  void TearDown() override { std::filesystem::remove_all(directory); }
  std::string directory;
};

TEST_F(ProxyRecorded, EveryAcknowledgedExchangeIsClosedOnDisk) {
  FileSystem& files = FileSystem::posix();
  recorder::RecorderOptions recording;
  recording.directory = directory + "/log";
  auto recorder = recorder::Recorder::open(files, SystemClock::instance(), recording);
  ASSERT_TRUE(recorder.ok()) << recorder.error().message;
  auto keys = crypto::KeyRing::open(files, directory + "/keys", (*recorder)->epoch(), "");
  ASSERT_TRUE(keys.ok()) << keys.error().message;
  auto redactor = model::Redactor::create({}, **keys);
  ASSERT_TRUE(redactor.ok());
  routing::RouteOptions route;
  route.name = "default";
  routing::RoutingCell cell;
  cell.publish(std::make_shared<routing::RoutingTable>(
      std::vector<routing::Route>{{route, route.dials}}, 1, "salt", **keys));
  Origin origin(Origin::answering(
      [](const Message& request) { return plain_answer("echo " + request.body); }));
  ProxyOptions options;
  options.workers = 2;
  options.listeners.emplace_back().address = "127.0.0.1:0";
  for (SystemOptions* system : {&options.legacy, &options.candidate}) {
    system->upstream.endpoints =
        net::Endpoints::fixed(*net::resolve_url("http://" + origin.address()));
    system->authority = origin.address();
  }
  options.durable_wait_ns = 10'000'000'000;
  obs::Metrics metrics;
  auto proxy = Proxy::open(options, SystemClock::instance(), cell, **recorder, **redactor, **keys,
                           metrics, {});
  ASSERT_TRUE(proxy.ok()) << proxy.error().message;
  (*proxy)->start();

  constexpr int kRequests = 40;
  Wire client = Wire::connect((*proxy)->addresses().front());
  for (int i = 0; i < kRequests; ++i) {
    client.send("POST /o HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    ASSERT_EQ(client.read_answer().body, "echo abc");
  }
  // Writes wait for the disk by default, twice each; none of them in vain.
  EXPECT_EQ((*proxy)->stats().durable_waits, 2U * kRequests);
  EXPECT_EQ((*proxy)->stats().durable_timeouts, 0U);
  EXPECT_NE(metrics.scrape().find("banyan_requests_total"), std::string::npos);
  (*proxy)->stop(1'000'000'000);
  proxy->reset();
  (*recorder)->stop();

  auto source = (*recorder)->access().open_source({}, model::Fence::kDurable);
  ASSERT_TRUE(source.ok());
  int requests = 0, responses = 0;
  model::SourcedRecord record;
  for (;;) {
    const auto more = (*source)->next(record);
    ASSERT_TRUE(more.ok()) << more.error().message;
    if (!*more) break;
    if (record.type == model::RecordType::kRequest) ++requests;
    if (record.type == model::RecordType::kResponse) ++responses;
  }
  EXPECT_EQ(requests, kRequests);
  EXPECT_EQ(responses, kRequests);
}

}  // namespace
}  // namespace banyan::proxy
