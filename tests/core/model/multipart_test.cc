// SPDX-License-Identifier: Apache-2.0
#include "core/model/multipart.h"

#include <gtest/gtest.h>

namespace banyan::model {
namespace {

std::string joined(const Multipart& parsed) {
  std::string all(parsed.preamble);
  for (const MultipartPart& part : parsed.parts) {
    all.append(part.delimiter).append(part.headers).append(part.content);
  }
  return all.append(parsed.closing);
}

TEST(MultipartTest, TakesPartsApartAndLosesNothing) {
  const std::string body =
      "before\r\n--b\r\nContent-Disposition: form-data; name=\"one\"\r\n\r\nfirst\r\n--b-no\r\n"
      "--b \r\ncontent-disposition: form-data; filename=\"x;y\"; name=\"a\\\"b%22\"\r\n"
      "Content-Type: application/json\r\n\r\n{}\r\n--b--\r\nafter";
  // "--b-no" begins like a delimiter and is none: a body that keeps to its boundary has no such
  // line.
  EXPECT_FALSE(parse_multipart(body, "multipart/form-data; boundary=b").has_value());
  std::string good = body;
  good.erase(good.find("--b-no\r\n"), 8);
  const auto parsed = parse_multipart(good, "multipart/form-data; charset=x; boundary=\"b\"");
  ASSERT_TRUE(parsed.has_value());
  ASSERT_EQ(parsed->parts.size(), 2U);
  EXPECT_EQ(parsed->parts[0].name, "one");
  EXPECT_EQ(parsed->parts[0].content, "first");
  EXPECT_EQ(parsed->parts[1].name, "a\"b\"");
  EXPECT_EQ(parsed->parts[1].content, "{}");
  EXPECT_EQ(parsed->parts[1].content_type, "application/json");
  EXPECT_EQ(joined(*parsed), good);
}

TEST(MultipartTest, RefusesWhatDoesNotKeepToItsBoundary) {
  const std::string good = "--b\r\nA: b\r\n\r\nx\r\n--b--";
  ASSERT_TRUE(parse_multipart(good, "multipart/mixed; boundary=b").has_value());
  EXPECT_FALSE(parse_multipart(good, "multipart/mixed").has_value());
  EXPECT_FALSE(parse_multipart(good, "multipart/mixed; boundary=").has_value());
  EXPECT_FALSE(parse_multipart(good, "multipart/mixed; boundary=\"b").has_value());
  EXPECT_FALSE(
      parse_multipart(good, "multipart/mixed; boundary=" + std::string(201, 'b')).has_value());
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(parse_multipart(good.substr(0, size), "multipart/mixed; boundary=b").has_value())
        << size;
  }
}

TEST(MultipartTest, SaysWhichPartsCannotBeRead) {
  const auto parsed = parse_multipart(
      "--b\r\nContent-Transfer-Encoding: base64\r\n\r\nx\r\n--b\r\nContent-Disposition: form-data; "
      "name*=UTF-8''x\r\n\r\n\r\n--b\r\nContent-Transfer-Encoding: 8BIT\r\n\r\n\r\n--b--",
      "multipart/form-data; boundary=b");
  ASSERT_TRUE(parsed.has_value());
  EXPECT_FALSE(parsed->parts[0].is_readable);
  EXPECT_FALSE(parsed->parts[1].is_readable);
  EXPECT_TRUE(parsed->parts[2].is_readable);
}

TEST(MultipartTest, HasABoundOfParts) {
  std::string body;
  for (std::size_t i = 0; i < kMultipartPartsMax; ++i) body += "--b\r\n\r\n\r\n";
  EXPECT_TRUE(parse_multipart(body + "--b--", "multipart/x; boundary=b").has_value());
  EXPECT_FALSE(
      parse_multipart(body + "--b\r\n\r\n\r\n--b--", "multipart/x; boundary=b").has_value());
}

}  // namespace
}  // namespace banyan::model
