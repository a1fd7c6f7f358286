// SPDX-License-Identifier: Apache-2.0
//
// The last piece of an answer goes on from where it was received. Whatever holds it up, what the
// client gets and what the log holds are the origin's bytes, not those of who came after.
#include <gtest/gtest.h>

#include "tests/proxy/rig.h"

namespace banyan::proxy {
namespace {

// A body that no other size or seed shares a piece with.
std::string body_of(std::size_t size, int seed) {
  std::string body;
  for (std::size_t i = 0; body.size() < size; ++i) {
    body += std::to_string(seed) + "." + std::to_string(i) + ";";
  }
  body.resize(size);
  return body;
}

struct ProxyLentBody : ::testing::Test, Rig {
  // Asked for /SIZE/SEED, the origin sends that body.
  void serve() {
    origin = std::make_unique<Origin>(Origin::answering([](const Message& request) {
      const auto parts = split(split(request.first_line, ' ')[1], '/');
      return plain_answer(
          body_of(parse_u64(parts[1]).value(), static_cast<int>(parse_u64(parts[2]).value())));
    }));
    set_legacy(origin->address());
    set_candidate(origin->address());
    start();
  }
  void TearDown() override { stop(); }
  static std::string get(std::size_t size, int seed) {
    return "GET /" + std::to_string(size) + "/" + std::to_string(seed) +
           " HTTP/1.1\r\nHost: a\r\n\r\n";
  }
  // Another client's exchanges, which use the memory that answers are received in.
  void run_others(int count) {
    Wire other = client();
    for (int seed = 1000; seed < 1000 + count; ++seed) {
      ASSERT_TRUE(other.send(get(50'000, seed)));
      ASSERT_EQ(other.read_answer().body, body_of(50'000, seed));
    }
  }
  // The recorded body of the answer with this number, by the order of the log.
  std::string recorded_body(std::size_t number) {
    const Recorded all = wait_for_closed(number + 1);
    const model::Body& body = all.responses.at(number).answer.body;
    return std::string(body.kind == model::Body::Kind::kInline ? body.bytes : "not inline");
  }

  std::unique_ptr<Origin> origin;
};

TEST_F(ProxyLentBody, EachSizeArrivesAndIsRecordedAsItWas) {
  serve();
  Wire client = this->client();
  std::size_t number = 0;
  // Around what is copied, what one receive brings, what is held, and what is recorded inline.
  for (const std::size_t size : {1U, 8191U, 8192U, 8193U, 40'000U, 65'000U, 65'535U, 65'536U,
                                 65'537U, 66'000U, 131'072U, 200'000U}) {
    const std::string body = body_of(size, static_cast<int>(number));
    ASSERT_TRUE(client.send(get(size, static_cast<int>(number))));
    EXPECT_EQ(client.read_answer().body, body) << size;
    EXPECT_EQ(recorded_body(number), body) << size;
    ++number;
  }
}

TEST_F(ProxyLentBody, AnswerThatWaitsForTheDiskKeepsItsBytes) {
  options.durable_wait_ns = 60'000'000'000;
  route.durability = Durability::kResponse;
  log.set_durability(FakeLog::Durability::kByHand);
  serve();
  Wire first = client();
  Wire second = client();
  ASSERT_TRUE(first.send(get(40'000, 1)));
  ASSERT_TRUE(eventually([&] { return log.wanted() >= 1; }));
  ASSERT_TRUE(second.send(get(40'000, 2)));
  ASSERT_TRUE(eventually([&] { return log.wanted() >= 2; }));
  log.make_durable_so_far();
  EXPECT_EQ(first.read_answer().body, body_of(40'000, 1));
  EXPECT_EQ(second.read_answer().body, body_of(40'000, 2));
  EXPECT_EQ(recorded_body(0), body_of(40'000, 1));
  EXPECT_EQ(recorded_body(1), body_of(40'000, 2));
}

TEST_F(ProxyLentBody, AnswerToASlowClientKeepsItsBytes) {
  serve();
  Wire slow = client();
  const int little = 128 << 10;
  ASSERT_EQ(::setsockopt(slow.fd(), SOL_SOCKET, SO_RCVBUF, &little, sizeof little), 0);
  // 9 MB, more than sockets on both sides take. The larger ones stop before their last piece.
  constexpr int kAnswers = 90;
  const auto size_of = [](int seed) { return seed % 2 == 0 ? 60'000U : 140'000U; };
  std::string requests;
  for (int seed = 0; seed < kAnswers; ++seed) requests += get(size_of(seed), seed);
  ASSERT_TRUE(slow.send(requests));
  // It stands still once the kernel takes no more of it.
  std::size_t before = 0;
  ASSERT_TRUE(eventually([&] {
    const std::size_t now = recorded().closers();
    return now > 0 && now == std::exchange(before, now);
  }));
  run_others(20);
  for (int seed = 0; seed < kAnswers; ++seed) {
    ASSERT_EQ(slow.read_answer().body, body_of(size_of(seed), seed)) << seed;
  }
  for (const model::ResponseRecord& response : wait_for_closed(kAnswers + 20).responses) {
    const std::string body(response.answer.body.bytes);
    const auto seed = parse_u64(std::string_view(body).substr(0, body.find('.')));
    ASSERT_TRUE(seed.has_value());
    EXPECT_EQ(body, body_of(body.size(), static_cast<int>(*seed)));
  }
}

TEST_F(ProxyLentBody, ClientThatLeavesTakesNothingWithIt) {
  serve();
  for (int i = 0; i < 20; ++i) {
    Wire client = this->client();
    ASSERT_TRUE(client.send(get(60'000, i)));
    client.reset();
  }
  run_others(5);
  for (const model::ResponseRecord& response : wait_for_closed(25).responses) {
    if (response.delivery != Delivery::kWhole) continue;
    const std::string body(response.answer.body.bytes);
    const auto seed = parse_u64(std::string_view(body).substr(0, body.find('.')));
    ASSERT_TRUE(seed.has_value());
    EXPECT_EQ(body, body_of(body.size(), static_cast<int>(*seed)));
  }
}

}  // namespace
}  // namespace banyan::proxy
