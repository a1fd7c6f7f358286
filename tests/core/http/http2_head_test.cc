// SPDX-License-Identifier: Apache-2.0
//
// Field sections become heads, or are refused with a status and a code.
#include "core/http/http2_head.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace banyan::http {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

const Pairs kGet = {{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/"}};

Pairs with(Pairs fields, const Pairs& more) {
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}
// kGet with another value for one pseudo field.
Pairs where(std::string_view name, const std::string& value) {
  Pairs fields = kGet;
  for (auto& field : fields) {
    if (field.first == name) field.second = value;
  }
  return fields;
}

struct Http2Head : ::testing::Test {
  // "" or the code of the refusal.
  std::string parse(const Pairs& fields, bool has_body = false) {
    section.clear();
    for (const auto& [name, value] : fields) section.add(name, value, limits.head_bytes_max);
    const auto error = parse_http2_request(section, has_body, limits, storage, head);
    status = error ? error->status : 0;
    return error ? std::string(error->code) : "";
  }
  ReadLimits limits;
  FieldSection section;
  std::string storage;
  RequestHead head;
  int status = 0;
};

TEST_F(Http2Head, BecomesTheHeadOfARequest) {
  ASSERT_EQ(parse(with(kGet, {{"x", "1"}, {"te", "trailers"}})), "");
  EXPECT_EQ(head.method, "GET");
  EXPECT_EQ(head.target, "/");
  EXPECT_EQ(head.authority, "a");
  EXPECT_EQ(head.version_major, 2);
  EXPECT_EQ(head.version_minor, 0);
  EXPECT_FALSE(head.is_1_0());
  EXPECT_EQ(head.framing, BodyFraming::kNone);
  EXPECT_EQ(find_header(head.fields, "host"), "a");
  EXPECT_EQ(find_header(head.fields, "x"), "1");
}

TEST_F(Http2Head, ABodyWithoutLengthIsOneOfUnknownLength) {
  ASSERT_EQ(parse(kGet, true), "");
  EXPECT_EQ(head.framing, BodyFraming::kChunked);
  ASSERT_EQ(parse(with(kGet, {{"content-length", "7"}}), true), "");
  EXPECT_EQ(head.framing, BodyFraming::kContentLength);
  EXPECT_EQ(head.content_length, 7U);
  ASSERT_EQ(parse(with(kGet, {{"content-length", "0"}}), true), "");
  EXPECT_EQ(head.framing, BodyFraming::kNone);
}

TEST_F(Http2Head, CrumbsOfCookieBecomeOneField) {
  ASSERT_EQ(
      parse(with(kGet, {{"cookie", "a=1"}, {"x", "y"}, {"cookie", "b=2"}, {"cookie", "c=3"}})), "");
  EXPECT_EQ(find_header(head.fields, "cookie"), "a=1; b=2; c=3");
  EXPECT_EQ(head.fields.size(), 3U);  // and Host
}

TEST_F(Http2Head, RefusesWhatWouldBeReadOtherwiseElsewhere) {
  const std::vector<std::pair<Pairs, std::string>> cases = {
      {{{":scheme", "http"}, {":authority", "a"}, {":path", "/"}}, "no_method"},
      {{{":method", "GET"}, {":authority", "a"}, {":path", "/"}}, "no_scheme"},
      {{{":method", "GET"}, {":scheme", "http"}, {":authority", "a"}}, "no_path"},
      {{{":method", "GET"}, {":scheme", "http"}, {":path", "/"}}, "no_host"},
      {with(kGet, {{":path", "/b"}}), "two_pseudo_fields"},
      {with(kGet, {{":authority", "a"}}), "two_pseudo_fields"},
      {with(kGet, {{":status", "200"}}), "bad_pseudo_field"},
      {with(kGet, {{":protocol", "websocket"}}), "bad_pseudo_field"},
      {with(kGet, {{"x", "1"}, {":path", "/b"}}), "bad_field_name"},
      {where(":method", "GE T"), "bad_method"},
      {where(":method", "GET / HTTP/1.1\r\nX:"), "bad_method"},
      {where(":method", "CONNECT"), "connect_unsupported"},
      {where(":method", "FROB"), "unknown_method"},
      {where(":method", ""), "empty_pseudo_field"},
      {where(":scheme", "ftp"), "bad_scheme"},
      {where(":scheme", "http://evil/"), "bad_scheme"},
      {where(":path", ""), "empty_pseudo_field"},
      {where(":path", "x"), "bad_target"},
      {where(":path", "*"), "bad_target"},
      {where(":path", "http://evil/"), "bad_target"},
      {where(":path", "/ HTTP/1.1"), "bad_target"},
      {where(":path", "/\r\nX: y"), "bad_target"},
      {where(":path", "/\x01"), "bad_target"},
      {where(":path", "/\xff"), "bad_target"},
      {where(":path", "/a#b"), "fragment_in_target"},
      {where(":authority", ""), "bad_host"},
      {where(":authority", "a b"), "bad_host"},
      {where(":authority", "u@a"), "bad_host"},
      {where(":authority", "a/b"), "bad_host"},
      {where(":authority", "a:x"), "bad_host"},
      {with(kGet, {{"host", "b"}}), "two_authorities"},
      {with(kGet, {{"host", "a:80"}}), "two_authorities"},
      {with(kGet, {{"host", "a"}, {"host", "a"}}), "two_hosts"},
      {with(kGet, {{"Upper", "x"}}), "bad_field_name"},
      {with(kGet, {{"", "x"}}), "bad_field_name"},
      {with(kGet, {{"a b", "x"}}), "bad_field_name"},
      {with(kGet, {{"a:b", "x"}}), "bad_field_name"},
      {with(kGet, {{"x", "a\r\nb: c"}}), "bad_field_value"},
      {with(kGet, {{"x", std::string("a\0b", 3)}}), "bad_field_value"},
      {with(kGet, {{"x", "a\nb"}}), "bad_field_value"},
      {with(kGet, {{"x", " a"}}), "space_around_value"},
      {with(kGet, {{"x", "a\t"}}), "space_around_value"},
      {with(kGet, {{"connection", "x"}}), "connection_field"},
      {with(kGet, {{"keep-alive", "x"}}), "connection_field"},
      {with(kGet, {{"proxy-connection", "x"}}), "connection_field"},
      {with(kGet, {{"transfer-encoding", "chunked"}}), "connection_field"},
      {with(kGet, {{"upgrade", "x"}}), "connection_field"},
      {with(kGet, {{"http2-settings", "x"}}), "connection_field"},
      {with(kGet, {{"te", "gzip"}}), "bad_te"},
      {with(kGet, {{"te", "trailers, gzip"}}), "bad_te"},
      {with(kGet, {{"content-length", "x"}}), "bad_length"},
      {with(kGet, {{"content-length", "-1"}}), "bad_length"},
      {with(kGet, {{"content-length", "1,1"}}), "bad_length"},
      {with(kGet, {{"content-length", "1234567890123456789"}}), "bad_length"},
      {with(kGet, {{"content-length", "0"}, {"content-length", "0"}}), "bad_length"},
      {with(kGet, {{"content-length", "5"}}), "length_without_body"},
      {with(kGet, {{"content_length", "5"}}), "underscore_name"},
      {with(kGet, {{"x_forwarded_for", "1.2.3.4"}}), "underscore_name"},
  };
  for (const auto& [fields, code] : cases) {
    EXPECT_EQ(parse(fields), code);
    EXPECT_GE(status, 400);
  }
}

TEST_F(Http2Head, LimitsHoldAtTheirEdge) {
  limits.fields_max = 4;  // Host is one of them.
  limits.target_bytes_max = 10;
  limits.line_bytes_max = 20;
  limits.body_bytes_max = 5;
  EXPECT_EQ(parse(with(kGet, {{"a", "1"}, {"b", "1"}, {"c", "1"}, {"d", "1"}})), "");
  EXPECT_EQ(parse(with(kGet, {{"a", "1"}, {"b", "1"}, {"c", "1"}, {"d", "1"}, {"e", "1"}})),
            "too_many_fields");
  EXPECT_EQ(parse(where(":path", "/123456789")), "");
  EXPECT_EQ(parse(where(":path", "/1234567890")), "target_too_long");
  EXPECT_EQ(status, 414);
  EXPECT_EQ(parse(with(kGet, {{"a", std::string(17, 'v')}})), "");
  EXPECT_EQ(parse(with(kGet, {{"a", std::string(18, 'v')}})), "line_too_long");
  EXPECT_EQ(status, 431);
  EXPECT_EQ(parse(with(kGet, {{"content-length", "5"}}), true), "");
  EXPECT_EQ(parse(with(kGet, {{"content-length", "6"}}), true), "body_too_large");
  EXPECT_EQ(status, 413);
  limits.head_bytes_max = 200;
  EXPECT_EQ(parse(with(kGet, {{"a", std::string(200, 'v')}})), "head_too_large");
  EXPECT_EQ(status, 431);
}

TEST_F(Http2Head, LenienciesThatFitAreHonoured) {
  limits.lenient.add(Leniency::kUnknownMethods);
  limits.lenient.add(Leniency::kUnderscoreNames);
  EXPECT_EQ(parse(where(":method", "FROB")), "");
  EXPECT_TRUE(head.lenient.has(Leniency::kUnknownMethods));
  EXPECT_EQ(parse(with(kGet, {{"content_length", "5"}})), "");
  EXPECT_TRUE(head.lenient.has(Leniency::kUnderscoreNames));
}

TEST_F(Http2Head, TrailersHoldNoPseudoFieldAndNothingOfAConnection) {
  const auto trailers = [&](const Pairs& fields) {
    section.clear();
    for (const auto& [name, value] : fields) section.add(name, value, limits.head_bytes_max);
    HeaderList out;
    const auto error = parse_http2_trailers(section, limits, out);
    return error ? std::string(error->code) : "";
  };
  EXPECT_EQ(trailers({{"grpc-status", "0"}}), "");
  EXPECT_EQ(trailers({{":path", "/"}}), "bad_field_name");
  EXPECT_EQ(trailers({{"connection", "x"}}), "connection_field");
  EXPECT_EQ(trailers({{"x", "a\r\nb"}}), "bad_field_value");
  limits.trailer_bytes_max = 40;
  EXPECT_EQ(trailers({{"a", "1234567"}}), "");
  EXPECT_EQ(trailers({{"a", "12345678"}}), "trailers_too_large");
}

}  // namespace
}  // namespace banyan::http
