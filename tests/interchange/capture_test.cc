// SPDX-License-Identifier: Apache-2.0
//
// Captured connections, cut and mixed in every way that a capture may hold.
#include <gtest/gtest.h>

#include "core/base/bytes.h"
#include "core/base/text.h"
#include "tests/interchange/exchanges.h"

namespace banyan::interchange {
namespace {

std::string bytes_field(std::uint64_t number, std::string_view bytes) {
  std::string out;
  ByteWriter writer(out);
  writer.varint(number << 3 | 2);
  writer.bytes(bytes);
  return out;
}

std::string number_field(std::uint64_t number, std::uint64_t value) {
  std::string out;
  ByteWriter writer(out);
  writer.varint(number << 3);
  writer.varint(value);
  return out;
}

std::string observation(std::uint64_t kind, std::string_view data = {}, std::uint64_t nanos = 1) {
  const std::string stamp = number_field(1, 1'700'000'000) + number_field(2, nanos);
  const std::uint64_t inner = kind == 5 || kind == 9 ? 2 : 1;
  return bytes_field(
      2, bytes_field(1, stamp) + bytes_field(kind, data.empty() ? "" : bytes_field(inner, data)));
}
std::string read(std::string_view data, std::uint64_t nanos = 1) {
  return observation(4, data, nanos);
}
std::string write(std::string_view data, std::uint64_t nanos = 2) {
  return observation(8, data, nanos);
}

std::string line(std::string_view connection, std::uint64_t number, std::string_view observations,
                 bool is_last = false) {
  return base64_of_bytes(bytes_field(1, connection) + bytes_field(5, "node") +
                         std::string(observations) + number_field(is_last ? 4 : 3, number)) +
         "\n";
}

const std::string kGet = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
const std::string kPost = "POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
const std::string kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

TEST(CaptureReaderTest, ReadsStreamsThatAreCutAtEveryByte) {
  const std::string in = kGet + kPost;
  const std::string out =
      "HTTP/1.1 100 Continue\r\n\r\n" + kOk +
      "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-T: 1\r\n\r\n";
  for (std::size_t cut = 1; cut < std::max(in.size(), out.size()); ++cut) {
    std::string lines = line("c", 0, read(in.substr(0, cut)));
    std::uint64_t number = 1;
    if (cut < in.size()) lines += line("c", number++, read(in.substr(cut)));
    lines += line("c", number++, write(out.substr(0, cut)));
    lines += line("c", number, cut < out.size() ? write(out.substr(cut), 9) : "", true);
    const ReadBack back = read_as(Format::kCapture, lines);
    ASSERT_EQ(back.exchanges.size(), 2U) << cut;
    EXPECT_EQ(back.exchanges[0].target, "/a");
    EXPECT_EQ(back.exchanges[0].answer->body.bytes, "ok");
    EXPECT_EQ(back.exchanges[0].connection, "node.c");
    EXPECT_EQ(back.exchanges[0].started.wall_ns, 1'700'000'000'000'000'001);
    EXPECT_EQ(back.exchanges[1].body.bytes, "abc");
    EXPECT_EQ(back.exchanges[1].answer->body.bytes, "hi");
    EXPECT_EQ(back.exchanges[1].answer->trailers, (Fields{{"X-T", "1"}}));
    EXPECT_TRUE(back.problems.empty());
  }
}

TEST(CaptureReaderTest, EndsABodyAtTheCloseThatEndsIt) {
  const ReadBack back = read_as(
      Format::kCapture,
      line("c", 0,
           read(kGet) + write("HTTP/1.1 200 OK\r\n\r\nall of") + write(" it") + observation(11),
           true));
  ASSERT_EQ(back.exchanges.size(), 1U);
  EXPECT_EQ(back.exchanges[0].answer->body.bytes, "all of it");
  EXPECT_EQ(back.exchanges[0].answer->body.held, Held::kAll);
}

TEST(CaptureReaderTest, TellsOfAnAnswerThatWasCut) {
  const ReadBack back = read_as(
      Format::kCapture,
      line("c", 0, read(kGet) + write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"), true));
  ASSERT_EQ(back.exchanges.size(), 1U);
  EXPECT_EQ(back.exchanges[0].answer->body.bytes, "half");
  EXPECT_EQ(back.exchanges[0].answer->body.held, Held::kPart);
}

TEST(CaptureReaderTest, TakesAnAnswerBeforeTheRequestsBody) {
  const ReadBack back =
      read_as(Format::kCapture, line("c", 0,
                                     read(kPost.substr(0, kPost.size() - 2)) + write(kOk) +
                                         read(kPost.substr(kPost.size() - 2)),
                                     true));
  ASSERT_EQ(back.exchanges.size(), 1U);
  EXPECT_EQ(back.exchanges[0].body.bytes, "abc");
  EXPECT_EQ(back.exchanges[0].answer->status, 200);
}

TEST(CaptureReaderTest, PassesOverWhatTheCaptureDropped) {
  const ReadBack back = read_as(
      Format::kCapture,
      line("c", 0, read(kPost.substr(0, 20)) + observation(16) + read(kGet) + write(kOk), true));
  ASSERT_EQ(back.exchanges.size(), 1U);
  EXPECT_EQ(back.exchanges[0].target, "/a");
  EXPECT_EQ(back.exchanges[0].answer->status, 200);
}

TEST(CaptureReaderTest, TakesPartsThatComeTwiceOnce) {
  const std::string first = line("c", 0, read(kGet));
  const ReadBack back = read_as(Format::kCapture, first + first + line("c", 1, write(kOk), true));
  ASSERT_EQ(back.exchanges.size(), 1U);
  EXPECT_EQ(back.losses.of("parts of a connection came twice; the first one counts"), 1U);
}

TEST(CaptureReaderTest, CountsWhatItCannotImport) {
  const std::string upgrade =
      "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: ws\r\n\r\n";
  const std::string switched =
      "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: ws\r\n\r\n";
  const ReadBack back =
      read_as(Format::kCapture,
              line("h2", 0, read("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")) +
                  line("h2", 1, read("more"), true) + line("late", 4, read(kGet), true) +
                  line("junk", 0, read("\x16\x03\x01 junk\r\n\r\n"), true) +
                  line("orphan", 0, write(kOk), true) +
                  line("cut", 0, read(kPost.substr(0, kPost.size() - 1)), true) +
                  line("ws", 0, read(upgrade) + write(switched) + read("\x81\x05hello"), true) +
                  line("gap", 0, read(kGet)) + line("gap", 2, write(kOk), true));
  EXPECT_TRUE(back.problems.empty());
  ASSERT_EQ(back.exchanges.size(), 2U);
  EXPECT_EQ(back.exchanges[0].answer->status, 101);
  EXPECT_FALSE(back.exchanges[1].answer) << "of the connection that lacks a part";
  EXPECT_EQ(back.losses.of("connections speak HTTP/2; not imported"), 1U);
  EXPECT_EQ(back.losses.of("connections lack a part (the capture began or was cut within them)"),
            2U);
  EXPECT_EQ(back.losses.of("connections hold a request that is not HTTP/1; the rest is left out"),
            1U);
  EXPECT_EQ(back.losses.of("connections hold an answer without a request; the rest is left out"),
            1U);
  EXPECT_EQ(back.losses.of("requests were cut; not imported"), 1U);
  EXPECT_EQ(back.losses.of("connections were upgraded; what followed is not HTTP"), 1U);
  EXPECT_EQ(back.losses.of("requests have no answer in the capture"), 1U);
}

TEST(CaptureReaderTest, GoesOnBehindABadLine) {
  const ReadBack back = read_as(
      Format::kCapture, "%%%\nAAAA\n\r\n" + line("c", 0, read(kGet) + write(kOk), true) + "CgE=\n");
  EXPECT_EQ(back.exchanges.size(), 1U);
  ASSERT_EQ(back.problems.size(), 3U);
  EXPECT_EQ(back.problems[0], "line 1: it is not base64");
  EXPECT_EQ(back.problems[1].rfind("line 2: it is no TrafficStream message", 0), 0U);
}

TEST(CaptureReaderTest, SurvivesEveryCutOfAMessage) {
  const std::string message =
      bytes_field(1, "c") + bytes_field(5, "node") + read(kGet) + write(kOk) + number_field(4, 0);
  for (std::size_t size = 0; size < message.size(); ++size) {
    const ReadBack back = read_as(
        Format::kCapture, base64_of_bytes(std::string_view(message).substr(0, size)) + "\n");
    EXPECT_LE(back.exchanges.size(), 1U);
  }
}

}  // namespace
}  // namespace banyan::interchange
