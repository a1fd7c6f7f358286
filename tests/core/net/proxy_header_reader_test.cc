// SPDX-License-Identifier: Apache-2.0
//
// Every case is read whole and byte by byte; what stands behind the header must stay.
#include "core/net/proxy_header_reader.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace banyan::net {
namespace {

using Outcome = ProxyHeaderReader::Outcome;

const std::string kBehind = "GET / HTTP/1.1\r\n";

std::string binary(unsigned version_command, unsigned family, std::string_view body) {
  std::string header("\r\n\r\n\0\r\nQUIT\n", 12);
  header.push_back(static_cast<char>(version_command));
  header.push_back(static_cast<char>(family));
  header.push_back(static_cast<char>(body.size() >> 8));
  header.push_back(static_cast<char>(body.size() & 0xff));
  return header.append(body);
}

std::string v4_body(std::string_view extensions = {}) {
  return std::string("\xc0\x00\x02\x01\x0a\x00\x00\x01\x12\x34\x01\xbb", 12).append(extensions);
}

std::string v6_body() {
  std::string body(36, '\0');
  body[0] = 0x20;
  body[1] = 0x01;
  body[15] = 0x07;
  body[31] = 0x01;
  body[32] = 0x00;
  body[33] = 0x50;
  return body;
}

// The client's address, "-" where the header names nobody, "need more", or why it was refused.
std::string read(const std::string& header, std::size_t step) {
  ProxyHeaderReader reader;
  const std::string stream = header + kBehind;
  std::string_view rest = stream;
  std::size_t given = 0;
  Outcome outcome = Outcome::kNeedMore;
  while (outcome == Outcome::kNeedMore && given < stream.size()) {
    given = std::min(stream.size(), given + step);
    const std::size_t at = stream.size() - rest.size();
    std::string_view piece = std::string_view(stream).substr(at, given - at);
    const std::size_t before = piece.size();
    outcome = reader.next(piece);
    rest.remove_prefix(before - piece.size());
  }
  switch (outcome) {
    case Outcome::kNeedMore: return "need more";
    case Outcome::kRefused: return std::string(to_string(reader.problem()));
    case Outcome::kDone: break;
  }
  EXPECT_EQ(kBehind, rest);
  return reader.names_client() ? reader.client().text() : "-";
}

TEST(ProxyHeaderReaderTest, ReadsOrRefusesEveryCase) {
  const std::string unix_body(216, 'u');
  const struct {
    std::string header;
    std::string expected;
  } cases[] = {
      {"PROXY TCP4 192.0.2.1 10.0.0.1 56324 443\r\n", "192.0.2.1:56324"},
      {"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255:65535"},
      {"PROXY TCP6 2001:db8::7 ::1 0 80\r\n", "[2001:db8::7]:0"},
      {"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
       "65535 65535\r\n",
       "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
      {"PROXY UNKNOWN\r\n", "-"},
      {"PROXY UNKNOWN whatever stands here 1 2 3\r\n", "-"},
      {"PROXY UNKNOWN " + std::string(91, 'x') + "\r\n", "-"},
      // Nothing like it.
      {"", "missing"},
      {"POST / HTTP/1.1\r\n", "missing"},
      {"proxy TCP4 192.0.2.1 10.0.0.1 1 2\r\n", "missing"},
      {"PROXYTCP4 192.0.2.1 10.0.0.1 1 2\r\n", "missing"},
      {" PROXY TCP4 192.0.2.1 10.0.0.1 1 2\r\n", "missing"},
      {"\r\n\r\n", "missing"},
      {"\x16\x03\x01", "missing"},
      // Not quite.
      {"PROXY \r\n", "malformed"},
      {"PROXY  TCP4 192.0.2.1 10.0.0.1 1 2\r\n", "malformed"},
      {"PROXY TCP4\r\n", "malformed"},
      {"PROXY TCP4 192.0.2.1 10.0.0.1 1\r\n", "malformed"},
      {"PROXY TCP4 192.0.2.1 10.0.0.1 1 2 3\r\n", "malformed"},
      {"PROXY TCP4 192.0.2.1 10.0.0.1 1 2 \r\n", "malformed"},
      {"PROXY TCP4 192.0.2.1  10.0.0.1 1 2\r\n", "malformed"},
      {"PROXY TCP4 192.0.2.1 10.0.0.1 1 2\n", "malformed"},
      {"PROXY TCP4 192.0.2.1\r10.0.0.1 1 2\r\n", "malformed"},
      {"PROXY TCP4 192.0.2.256 10.0.0.1 1 2\r\n", "malformed"},
      {"PROXY TCP4 192.0.2 10.0.0.1 1 2\r\n", "malformed"},
      {"PROXY TCP4 0300.0.2.1 10.0.0.1 1 2\r\n", "malformed"},
      {"PROXY TCP4 ::1 ::1 1 2\r\n", "malformed"},
      {"PROXY TCP6 192.0.2.1 10.0.0.1 1 2\r\n", "malformed"},
      {"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", "malformed"},
      {"PROXY TCP4 192.0.2.1 10.0.0.1 65536 2\r\n", "malformed"},
      {"PROXY TCP4 192.0.2.1 10.0.0.1 01 2\r\n", "malformed"},
      {"PROXY TCP4 192.0.2.1 10.0.0.1 -1 2\r\n", "malformed"},
      {"PROXY TCP4 192.0.2.1 10.0.0.1 1 two\r\n", "malformed"},
      {std::string("PROXY TCP4 192.0.2.1\0 10.0.0.1 1 2\r\n", 36), "malformed"},
      {"PROXY UDP4 192.0.2.1 10.0.0.1 1 2\r\n", "unsupported"},
      {"PROXY TCP5 192.0.2.1 10.0.0.1 1 2\r\n", "unsupported"},
      {"PROXY UNKNOWN " + std::string(92, 'x') + "\r\n", "too_long"},
      {"PROXY " + std::string(4000, 'x'), "too_long"},
      // Version 2.
      {binary(0x21, 0x11, v4_body()), "192.0.2.1:4660"},
      {binary(0x21, 0x21, v6_body()), "[2001::7]:80"},
      {binary(0x21, 0x11, v4_body(std::string("\x04\x00\x02xy\x01\x00\x00", 8))), "192.0.2.1:4660"},
      {binary(0x20, 0x11, v4_body()), "-"},
      {binary(0x20, 0x00, ""), "-"},
      {binary(0x20, 0x77, "what a health check likes"), "-"},
      {binary(0x21, 0x00, ""), "-"},
      {binary(0x21, 0x00, "anything"), "-"},
      {binary(0x21, 0x31, unix_body), "-"},
      {binary(0x21, 0x11,
              std::string(4080, '\0')
                  .replace(0, 12, v4_body())
                  .replace(12, 3, std::string("\x04\x0f\xe1", 3))),
       "192.0.2.1:4660"},
      {binary(0x11, 0x11, v4_body()), "unsupported"},
      {binary(0x31, 0x11, v4_body()), "unsupported"},
      {binary(0x22, 0x11, v4_body()), "unsupported"},
      {binary(0x2f, 0x11, v4_body()), "unsupported"},
      {binary(0x21, 0x12, v4_body()), "unsupported"},  // UDP
      {binary(0x21, 0x41, v4_body()), "unsupported"},
      {binary(0x21, 0x11, v4_body().substr(0, 11)), "malformed"},
      {binary(0x21, 0x11, ""), "malformed"},
      {binary(0x21, 0x21, v4_body()), "malformed"},
      {binary(0x21, 0x31, v4_body()), "malformed"},
      {binary(0x21, 0x11, v4_body("\x04")), "malformed"},
      {binary(0x21, 0x11, v4_body(std::string("\x04\x00\x03xy", 5))), "malformed"},
      {binary(0x21, 0x11, std::string(4081, '\0')), "too_long"},
      {binary(0x21, 0x11, std::string(65535, '\0')), "too_long"},
      {std::string("\r\n\r\n\0\r\nQUIT\r", 12), "missing"},
  };
  for (const auto& each : cases) {
    // Cases that lack everything begin with what stands behind them.
    for (const std::size_t step : {std::size_t{1 << 20}, std::size_t{1}, std::size_t{7}}) {
      EXPECT_EQ(each.expected, read(each.header, step))
          << step << ": " << each.header.substr(0, 120);
    }
  }
}

TEST(ProxyHeaderReaderTest, EveryCutOfAGoodHeaderNeedsMore) {
  for (const std::string& header :
       {std::string("PROXY TCP4 192.0.2.1 10.0.0.1 56324 443\r\n"),
        binary(0x21, 0x11, v4_body(std::string("\x04\x00\x02xy", 5)))}) {
    for (std::size_t size = 0; size < header.size(); ++size) {
      ProxyHeaderReader reader;
      std::string_view input = std::string_view(header).substr(0, size);
      EXPECT_EQ(Outcome::kNeedMore, reader.next(input)) << size;
      EXPECT_TRUE(input.empty());
    }
  }
}

TEST(ProxyHeaderReaderTest, RefusedStaysRefused) {
  ProxyHeaderReader reader;
  std::string_view input = "GET / HTTP/1.1\r\n";
  EXPECT_EQ(Outcome::kRefused, reader.next(input));
  input = "PROXY UNKNOWN\r\n";
  EXPECT_EQ(Outcome::kRefused, reader.next(input));
}

}  // namespace
}  // namespace banyan::net
