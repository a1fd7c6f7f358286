// SPDX-License-Identifier: Apache-2.0
#include "core/http/message_reader.h"

#include <gtest/gtest.h>

#include "core/base/text.h"
#include "core/http/char_classes.h"
#include "core/http/llhttp_check.h"
#include "tests/core/http/cases.h"
#include "tests/core/http/reading.h"

namespace banyan::http {
namespace {

Reading read_request(std::string_view message, std::size_t first = std::string::npos,
                     std::size_t further = std::string::npos, ReadLimits limits = {}) {
  RequestReader reader(limits);
  return read_message(reader, message, first, further);
}

Reading read_response(std::string_view message, std::size_t first = std::string::npos,
                      std::size_t further = std::string::npos, std::string_view method = "GET") {
  ResponseReader reader(ReadLimits{});
  reader.expect_answer_to(method);
  Reading result = read_message(reader, message, first, further);
  if (result.last == ReadEvent::kNeedMore) result.last = reader.finish_at_close();
  return result;
}

TEST(RequestReaderTest, JudgesTheTableOfHostileRequests) {
  const auto cases = load_cases("http_hostile_requests.txt");
  ASSERT_GT(cases.size(), 100U);
  for (const Case& c : cases) {
    const Reading reading = read_request(c.message);
    if (c.is_accepted) {
      EXPECT_EQ(reading.last, ReadEvent::kComplete) << c.name << ": " << reading.code;
      EXPECT_EQ(reading.consumed, c.message.size()) << c.name;
    } else {
      EXPECT_EQ(reading.last, ReadEvent::kError) << c.name;
      EXPECT_EQ(reading.status, c.status) << c.name << ": " << reading.code;
      EXPECT_EQ(reading.code, c.code) << c.name;
    }
  }
}

TEST(RequestReaderTest, ReadsTheSameHoweverTheBytesAreSplit) {
  for (const Case& c : load_cases("http_hostile_requests.txt")) {
    const Reading whole = read_request(c.message);
    EXPECT_EQ(read_request(c.message, 1, 1), whole) << c.name;
    for (std::size_t at = 1; at < c.message.size(); ++at) {
      EXPECT_EQ(read_request(c.message, at), whole) << c.name << " split at " << at;
    }
  }
}

// Two parsers that disagree are how requests are smuggled.
TEST(RequestReaderTest, AcceptsOnlyWhatLlhttpReadsAlike) {
  for (const Case& c : load_cases("http_hostile_requests.txt")) {
    // llhttp knows no version above 1.1; the reader hands it 1.1 instead.
    if (!c.is_accepted || c.name == "http_1_2") continue;
    const LlhttpReading theirs = read_request_with_llhttp(c.message);
    EXPECT_TRUE(theirs.is_accepted) << c.name;
    EXPECT_EQ(theirs.body, read_request(c.message).body) << c.name;
  }
}

TEST(RequestReaderTest, SplitsAbsoluteTargets) {
  EXPECT_EQ(read_request("GET http://b:81/x?y HTTP/1.1\r\nHost: b:81\r\n\r\n").line,
            "GET /x?y b:81 1.1");
  EXPECT_EQ(read_request("GET http://b?y=1 HTTP/1.1\r\nHost: b\r\n\r\n").line, "GET /?y=1 b 1.1");
  EXPECT_EQ(read_request("GET HTTP://b HTTP/1.1\r\nHost: b\r\n\r\n").line, "GET / b 1.1");
  EXPECT_EQ(read_request("OPTIONS http://b HTTP/1.1\r\nHost: b\r\n\r\n").line, "OPTIONS * b 1.1");
  const auto reading = read_request("GET http://b:81/ HTTP/1.1\r\nHost: B:81\r\n\r\n");
  ASSERT_EQ(reading.fields.size(), 1U);
  EXPECT_EQ(reading.fields[0].second, "b:81");
}

TEST(RequestReaderTest, KeepsHalfAnAbsoluteTargetApartFromTheNext) {
  RequestReader reader(ReadLimits{});
  const std::string two =
      "GET http://b?y HTTP/1.1\r\nHost: b\r\n\r\nGET /z HTTP/1.1\r\nHost: c\r\n\r\n";
  std::string_view input = two;
  ASSERT_EQ(reader.next(input), ReadEvent::kHead);
  EXPECT_EQ(reader.head().target, "/?y");
  ASSERT_EQ(reader.next(input), ReadEvent::kComplete);
  reader.reset();
  ASSERT_EQ(reader.next(input), ReadEvent::kHead);
  EXPECT_EQ(line_of(reader.head()), "GET /z c 1.1");
  EXPECT_TRUE(input.empty());
}

TEST(RequestReaderTest, ReadsPipelinedMessagesInOrder) {
  const std::string bytes =
      "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
      "POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n0\r\n\r\n"
      "GET /3 HTTP/1.1\r\nHost: a\r\n\r\n";
  for (std::size_t size = 1; size <= bytes.size(); ++size) {
    RequestReader reader(ReadLimits{});
    std::string seen;
    for (std::size_t at = 0; at < bytes.size(); at += size) {
      const std::string piece = bytes.substr(at, size);
      std::string_view input = piece;
      for (bool goes_on = true; goes_on;) {
        switch (reader.next(input)) {
          case ReadEvent::kHead: seen.append(reader.head().target).append(":"); break;
          case ReadEvent::kBody: seen.append(reader.body()); break;
          case ReadEvent::kComplete:
            seen.append(";");
            reader.reset();
            break;
          case ReadEvent::kNeedMore: goes_on = false; break;
          case ReadEvent::kError: FAIL() << reader.error().message;
        }
      }
    }
    EXPECT_EQ(seen, "/1:abc;/2:de;/3:;") << "pieces of " << size;
    EXPECT_FALSE(reader.is_mid_message());
  }
}

TEST(RequestReaderTest, NeverReadsOnBehindARefusedMessage) {
  RequestReader reader(ReadLimits{});
  const std::string bytes = "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
  std::string_view input = bytes;
  ASSERT_EQ(reader.next(input), ReadEvent::kError);
  reader.reset();
  std::string_view good = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  EXPECT_EQ(reader.next(good), ReadEvent::kError);
  EXPECT_EQ(reader.error().code, "no_host");
}

TEST(RequestReaderTest, HoldsItsLimitsAtTheEdge) {
  ReadLimits limits;
  limits.target_bytes_max = 20;
  limits.fields_max = 3;
  limits.head_bytes_max = 200;
  const auto with_target = [](std::size_t size) {
    return "GET /" + std::string(size - 1, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n";
  };
  EXPECT_EQ(read_request(with_target(20), 7, 7, limits).last, ReadEvent::kComplete);
  EXPECT_EQ(read_request(with_target(21), 7, 7, limits).status, 414);
  const auto with_fields = [](int count) {
    std::string message = "GET / HTTP/1.1\r\nHost: a\r\n";
    for (int i = 1; i < count; ++i) message += "X: y\r\n";
    return message + "\r\n";
  };
  EXPECT_EQ(read_request(with_fields(3), 9, 9, limits).last, ReadEvent::kComplete);
  EXPECT_EQ(read_request(with_fields(4), 9, 9, limits).status, 431);
  const auto with_size = [](std::size_t size) {
    const std::string start = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
    return start + std::string(size - start.size() - 4, 'x') + "\r\n\r\n";
  };
  for (const std::size_t piece : {std::size_t{1}, std::size_t{50}, std::size_t{1000}}) {
    EXPECT_EQ(read_request(with_size(200), piece, piece, limits).last, ReadEvent::kComplete);
    EXPECT_EQ(read_request(with_size(201), piece, piece, limits).code, "head_too_large");
    EXPECT_EQ(read_request("GET /" + std::string(400, 'a'), piece, piece, limits).status, 414);
  }
}

TEST(RequestReaderTest, HoldsTheLimitOfALineAtTheEdge) {
  ReadLimits limits;
  limits.line_bytes_max = 100;
  const auto with_line = [](std::size_t size, std::string_view end) {
    return "GET /" + std::string(300, 'a') +
           " HTTP/1.1\r\nHost: a\r\nX: " + std::string(size - 3, 'x') + std::string(end);
  };
  for (const std::size_t piece : {std::size_t{1}, std::size_t{50}, std::size_t{1000}}) {
    EXPECT_EQ(read_request(with_line(100, "\r\n\r\n"), piece, piece, limits).last,
              ReadEvent::kComplete);
    EXPECT_EQ(read_request(with_line(100, "\r"), piece, piece, limits).last, ReadEvent::kNeedMore);
    EXPECT_EQ(read_request(with_line(101, "\r\n\r\n"), piece, piece, limits).code, "line_too_long");
    // Told before its end, so that nobody feeds a line for ever.
    EXPECT_EQ(read_request(with_line(102, ""), piece, piece, limits).status, 431);
  }
}

TEST(RequestReaderTest, HoldsTheLimitOfBodies) {
  ReadLimits limits;
  limits.body_bytes_max = 5;
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\n";
  const auto read = [&](const std::string& rest) {
    return read_request(head + rest, 3, 3, limits);
  };
  EXPECT_EQ(read("Content-Length: 5\r\n\r\nabcde").body, "abcde");
  EXPECT_EQ(read("Content-Length: 6\r\n\r\nabcdef").status, 413);
  EXPECT_EQ(read("Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n").body, "abcde");
  EXPECT_EQ(read("Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n").status,
            413);
}

TEST(RequestReaderTest, BoundsExtensionsAndTrailersOfAChunkedBody) {
  ReadLimits limits;
  limits.chunk_extension_bytes_max = 10;
  limits.trailer_bytes_max = 40;
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  const auto read = [&](const std::string& rest) {
    return read_request(head + rest, 3, 3, limits);
  };
  // Nine extension bytes and the CR behind them are counted.
  EXPECT_EQ(read("1;aaaaaaaa\r\nx\r\n0\r\n\r\n").last, ReadEvent::kComplete);
  EXPECT_EQ(read("1;aaaaaaaaa\r\nx\r\n0\r\n\r\n").code, "chunk_extensions_too_large");
  EXPECT_EQ(read("1;aaaa\r\nx\r\n1;aaaa\r\nx\r\n0\r\n\r\n").code, "chunk_extensions_too_large");
  EXPECT_EQ(read("0\r\nX: " + std::string(33, 'x') + "\r\n\r\n").last, ReadEvent::kComplete);
  EXPECT_EQ(read("0\r\nX: " + std::string(34, 'x') + "\r\n\r\n").code, "trailers_too_large");
}

TEST(RequestReaderTest, KeepsTrailersApartAndFiltersThem) {
  const auto reading = read_request(
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: 1\r\n"
      "Host: evil\r\nContent-Length: 9\r\nTransfer-Encoding: x\r\nAuthorization: b\r\n"
      "Cookie: c\r\nX-Forwarded-For: d\r\nX-Last: 2\r\n\r\n");
  ASSERT_EQ(reading.last, ReadEvent::kComplete) << reading.code;
  const std::vector<std::pair<std::string, std::string>> expected{{"X-Sum", "1"}, {"X-Last", "2"}};
  EXPECT_EQ(reading.trailers, expected);
  EXPECT_EQ(reading.fields.size(), 2U);
}

TEST(RequestReaderTest, KnowsWhoKeepsTheConnection) {
  const auto keeps = [](const std::string& rest) {
    RequestReader reader(ReadLimits{});
    const std::string message = "GET / HTTP/1." + rest + "\r\n\r\n";
    std::string_view input = message;
    EXPECT_EQ(reader.next(input), ReadEvent::kHead) << rest;
    return reader.head().keep_alive;
  };
  EXPECT_TRUE(keeps("1\r\nHost: a"));
  EXPECT_FALSE(keeps("1\r\nHost: a\r\nConnection: x, Close"));
  EXPECT_FALSE(keeps("0"));
  EXPECT_TRUE(keeps("0\r\nConnection: Keep-Alive"));
  EXPECT_FALSE(keeps("0\r\nConnection: keep-alive, close"));
}

TEST(RequestReaderTest, FreesTheHeadForAnIdleConnection) {
  RequestReader reader(ReadLimits{});
  EXPECT_FALSE(reader.is_mid_message());
  std::string_view half = "GET / HT";
  EXPECT_EQ(reader.next(half), ReadEvent::kNeedMore);
  EXPECT_TRUE(reader.is_mid_message());
  std::string_view rest = "TP/1.1\r\nHost: a\r\n\r\n";
  EXPECT_EQ(reader.next(rest), ReadEvent::kHead);
  EXPECT_TRUE(reader.has_head());
  EXPECT_EQ(reader.next(rest), ReadEvent::kComplete);
  EXPECT_FALSE(reader.is_mid_message());
  reader.reset();
  EXPECT_FALSE(reader.has_head());
  EXPECT_TRUE(reader.head().fields.empty());
}

TEST(ResponseReaderTest, JudgesTheTableOfHostileAnswers) {
  const auto cases = load_cases("http_hostile_responses.txt");
  ASSERT_GT(cases.size(), 25U);
  for (const Case& c : cases) {
    const Reading whole = read_response(c.message);
    if (c.is_accepted) {
      EXPECT_EQ(whole.last, ReadEvent::kComplete) << c.name << ": " << whole.code;
    } else {
      EXPECT_EQ(whole.last, ReadEvent::kError) << c.name;
      EXPECT_EQ(whole.status, 502) << c.name;
      EXPECT_EQ(whole.code, c.code) << c.name;
    }
    for (std::size_t at = 1; at < c.message.size(); ++at) {
      EXPECT_EQ(read_response(c.message, at), whole) << c.name << " split at " << at;
    }
    EXPECT_EQ(read_response(c.message, 1, 1), whole) << c.name;
  }
}

TEST(ResponseReaderTest, ReadsNoBodyBehindHeadAnd1xxAnd204And304) {
  const std::string length = "Content-Length: 3\r\n\r\nabc";
  for (const std::string status : {"204 No Content", "304 Not Modified", "103 Early Hints"}) {
    const Reading reading = read_response("HTTP/1.1 " + status + "\r\n" + length);
    EXPECT_EQ(reading.last, ReadEvent::kComplete) << status << reading.code;
    EXPECT_EQ(reading.body, "") << status;
  }
  const std::string ok = "HTTP/1.1 200 OK\r\n" + length;
  EXPECT_EQ(read_response(ok, 999, 999, "HEAD").body, "");
  EXPECT_EQ(read_response(ok, 999, 999, "HEAD").consumed, ok.size() - 3);
  EXPECT_EQ(read_response(ok).body, "abc");
}

TEST(ResponseReaderTest, KeepsTheMethodOverA1xxAnswer) {
  ResponseReader reader(ReadLimits{});
  reader.expect_answer_to("HEAD");
  std::string_view input =
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
  ASSERT_EQ(reader.next(input), ReadEvent::kHead);
  EXPECT_EQ(reader.head().status, 100);
  ASSERT_EQ(reader.next(input), ReadEvent::kComplete);
  reader.reset();
  ASSERT_EQ(reader.next(input), ReadEvent::kHead);
  EXPECT_EQ(reader.head().status, 200);
  EXPECT_EQ(reader.head().content_length, 5U);
  EXPECT_EQ(reader.next(input), ReadEvent::kComplete);
}

TEST(ResponseReaderTest, TellsACutFromAnEnd) {
  const auto finish = [](std::string_view bytes) {
    ResponseReader reader(ReadLimits{});
    std::string_view input = bytes;
    while (reader.next(input) != ReadEvent::kNeedMore) {
    }
    const ReadEvent end = reader.finish_at_close();
    return std::pair(end, std::string(reader.error().code));
  };
  EXPECT_EQ(finish(""), std::pair(ReadEvent::kError, std::string("no_answer")));
  EXPECT_EQ(finish("HTTP/1.1 200"), std::pair(ReadEvent::kError, std::string("cut_head")));
  EXPECT_EQ(finish("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"),
            std::pair(ReadEvent::kError, std::string("cut_body")));
  EXPECT_EQ(finish("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"),
            std::pair(ReadEvent::kError, std::string("cut_body")));
  EXPECT_EQ(finish("HTTP/1.1 200 OK\r\n\r\nabc"), std::pair(ReadEvent::kComplete, std::string()));
}

// What llhttp has said of the same bytes is remembered; it must not be said of others.
TEST(RequestReaderTest, KnownFieldsExcuseNoOtherLine) {
  const std::string fields = "Host: a.test\r\nContent-Length: 3\r\nX-Odd: 1\r\n\r\n";
  const auto status_of = [&](std::string_view line) {
    RequestReader reader{ReadLimits{}};
    const std::string bytes = std::string(line) + "\r\n" + fields;
    std::string_view input = bytes;
    return reader.next(input) == ReadEvent::kHead ? 200 : reader.error().status;
  };
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(status_of("POST /a HTTP/1.1"), 200);
    EXPECT_EQ(status_of("POST /b?c=d HTTP/1.1"), 200);
    EXPECT_EQ(status_of("FROBNICATE /a HTTP/1.1"), 501);  // no method of llhttp
    EXPECT_EQ(status_of("POST /a HTTP/1.0"), 200);
    EXPECT_EQ(status_of("POST /a\x01 HTTP/1.1"), 400);
  }
}

// Usual field lines are read by vectors, others and those near the head's end byte by byte. Which
// of the two reads a line must not matter: every byte at every place of a name and of a value, near
// the end and far from it, is judged as its class says.
Reading read_field(std::string_view name, std::string_view value, std::string_view behind) {
  std::string message = "GET / HTTP/1.1\r\nHost: a\r\n";
  message.append(name).append(":").append(value).append("\r\n").append(behind).append("\r\n");
  RequestReader reader{ReadLimits()};
  return read_message(reader, message, message.size(), message.size());
}

constexpr std::string_view kBehind[] = {"", "Last: 0123456789abcdefghijklmnopqrstuvwxyz\r\n"};

TEST(FieldLineTest, ANameIsAToken) {
  for (const std::string_view behind : kBehind) {
    for (const std::size_t size : {1U, 2U, 15U, 16U, 17U, 33U}) {
      for (std::size_t place = 0; place < size; ++place) {
        for (int byte = 0; byte < 256; ++byte) {
          const char c = static_cast<char>(byte);
          if (c == ':') continue;  // ends it
          std::string name(size, 'n');
          name[place] = c;
          const Reading got = read_field(name, " v", behind);
          ASSERT_EQ(got.last == ReadEvent::kComplete, is_token(name))
              << size << ' ' << place << ' ' << byte;
          if (got.last != ReadEvent::kComplete) continue;
          ASSERT_EQ(got.fields[1], std::make_pair(name, std::string("v")));
        }
      }
    }
    EXPECT_EQ(read_field("", " v", behind).code, "bad_field_name");
  }
}

TEST(FieldLineTest, AValueHoldsNoControlByteAndLosesItsSpaces) {
  for (const std::string_view behind : kBehind) {
    for (const std::size_t size : {1U, 2U, 15U, 16U, 17U, 40U}) {
      for (std::size_t place = 0; place < size; ++place) {
        for (int byte = 0; byte < 256; ++byte) {
          std::string value(size, 'v');
          value[place] = static_cast<char>(byte);
          const Reading got = read_field("Name", " \t" + value + "\t ", behind);
          ASSERT_EQ(got.last == ReadEvent::kComplete, is_field_value(value))
              << size << ' ' << place << ' ' << byte;
          if (got.last != ReadEvent::kComplete) continue;
          ASSERT_EQ(got.fields[1], std::make_pair(std::string("Name"), std::string(trim(value))));
          ASSERT_EQ(got.fields.size(), behind.empty() ? 2U : 3U);
        }
      }
    }
    for (const std::string_view empty : {"", " ", "\t", "                     \t"}) {
      EXPECT_EQ(read_field("Name", empty, behind).fields[1].second, "");
    }
  }
}

TEST(FieldLineTest, AReaderIsUsedAgainWithoutATraceOfTheLastMessage) {
  RequestReader reader{ReadLimits()};
  std::string_view first =
      "POST /long HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nX-Two: 2\r\nContent-Length: 0\r\n\r\n";
  while (reader.next(first) != ReadEvent::kComplete) {
  }
  reader.reset();
  EXPECT_TRUE(reader.head().fields.empty());
  EXPECT_EQ(reader.head().method, "");
  std::string_view second = "GET / HTTP/1.1\r\nHost: b\r\n\r\n";
  while (reader.next(second) != ReadEvent::kComplete) {
  }
  EXPECT_EQ(reader.head().authority, "b");
  EXPECT_EQ(reader.head().fields.size(), 1U);
}

}  // namespace
}  // namespace banyan::http
