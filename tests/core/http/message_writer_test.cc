// SPDX-License-Identifier: Apache-2.0
#include "core/http/message_writer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/http/message.h"

namespace banyan::http {
namespace {

TEST(MessageWriterTest, WritesAHead) {
  std::string out;
  EXPECT_TRUE(write_request_line(out, "GET", "/a?b"));
  EXPECT_TRUE(write_field(out, "Host", "a:80"));
  write_content_length(out, 18446744073709551615ULL);
  write_end_of_head(out);
  EXPECT_EQ(out, "GET /a?b HTTP/1.1\r\nHost: a:80\r\nContent-Length: 18446744073709551615\r\n\r\n");
  out.clear();
  EXPECT_TRUE(write_status_line(out, 404, "Not Found"));
  EXPECT_EQ(out, "HTTP/1.1 404 Not Found\r\n");
}

TEST(MessageWriterTest, LeavesOutOneNameOfAList) {
  const HeaderList fields{{"A", "1"}, {"content-LENGTH", "2"}, {"Content-Lengths", "3"}};
  std::string out;
  EXPECT_TRUE(write_fields(out, fields, "Content-Length"));
  EXPECT_EQ(out, "A: 1\r\nContent-Lengths: 3\r\n");
  out.clear();
  EXPECT_TRUE(write_fields(out, fields));
  EXPECT_EQ(out, "A: 1\r\ncontent-LENGTH: 2\r\nContent-Lengths: 3\r\n");
  out.clear();
  EXPECT_FALSE(write_fields(out, {{"", "x"}, {"B", "y"}}));  // No name is none to leave out.
  EXPECT_EQ(out, "B: y\r\n");
}

TEST(MessageWriterTest, CopiesTextsOfEveryLength) {
  for (std::size_t size = 1; size <= 200; ++size) {
    std::string text(size, 'a');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i % 26);
    std::string out = "before;";
    EXPECT_TRUE(write_field(out, text, text));
    EXPECT_EQ(out, "before;" + text + ": " + text + "\r\n");
  }
}

// The second lock behind the readers.
TEST(MessageWriterTest, NeverWritesWhatEndsALine) {
  std::string out;
  for (const char bad : {'\r', '\n', '\0'}) {
    const std::string text = std::string("a") + bad + "b";
    EXPECT_FALSE(write_field(out, "X", text));
    EXPECT_FALSE(write_field(out, text, "x"));
    EXPECT_FALSE(write_request_line(out, "GET", "/" + text));
    EXPECT_FALSE(write_request_line(out, text, "/"));
  }
  EXPECT_FALSE(write_request_line(out, "GET", "/a b"));
  EXPECT_FALSE(write_field(out, "", "x"));
  EXPECT_FALSE(write_field(out, "X Y", "x"));
  EXPECT_FALSE(write_status_line(out, 99, "x"));
  EXPECT_EQ(out, "");
  EXPECT_FALSE(write_status_line(out, 200, "a\nb"));
  EXPECT_EQ(out, "HTTP/1.1 200 \r\n");
  out.clear();
  write_last_chunk(out, {{"X", "1"}, {"Y", "a\nb"}});
  EXPECT_EQ(out, "0\r\nX: 1\r\n\r\n");
}

TEST(MessageWriterTest, WritesChunks) {
  std::string out;
  write_chunk_head(out, 0x1a3);
  EXPECT_EQ(out, "1a3\r\n");
}

TEST(MessageTest, FindsFieldsWithoutCase) {
  const HeaderList fields{{"X-A", "1"}, {"x-a", "2"}, {"Connection", "close, X-Hop ,"}};
  EXPECT_EQ(find_header(fields, "x-A"), "1");
  EXPECT_EQ(find_header(fields, "x-b"), std::nullopt);
  EXPECT_EQ(count_header(fields, "X-A"), 2U);
  EXPECT_TRUE(list_field_contains(fields, "connection", "CLOSE"));
  EXPECT_FALSE(list_field_contains(fields, "connection", "clos"));
  EXPECT_TRUE(is_connection_specific(fields, "x-hop"));
  EXPECT_TRUE(is_connection_specific(fields, "TE"));
  EXPECT_FALSE(is_connection_specific(fields, "X-A"));
  const ConnectionFields connection(fields);
  EXPECT_TRUE(connection.contains("x-hop"));
  EXPECT_TRUE(connection.contains("TE"));
  EXPECT_FALSE(connection.contains("X-A"));
  const HeaderList plain{{"Connection", "keep-alive"}, {"X-Hop", "1"}};
  EXPECT_FALSE(ConnectionFields(plain).contains("X-Hop"));
  EXPECT_TRUE(ConnectionFields(plain).contains("Connection"));
}

TEST(MessageTest, KnowsMethodsAndPhrases) {
  EXPECT_TRUE(is_safe_method("QUERY"));
  EXPECT_FALSE(is_safe_method("get"));
  EXPECT_FALSE(is_safe_method("POST"));
  EXPECT_TRUE(is_idempotent_method("DELETE"));
  EXPECT_FALSE(is_idempotent_method("PATCH"));
  for (const auto name : {"Connection", "keep-alive", "Proxy-Connection", "te", "Trailer",
                          "Transfer-Encoding", "UPGRADE"}) {
    EXPECT_TRUE(is_hop_by_hop(name)) << name;
  }
  EXPECT_FALSE(is_hop_by_hop("Host"));
  EXPECT_EQ(reason_phrase(503), "Service Unavailable");
  EXPECT_EQ(reason_phrase(299), "");
}

TEST(MessageWriterTest, WritesAListAsItWritesOneByOne) {
  std::vector<std::string> texts;
  for (std::size_t size = 0; size <= 40; ++size) texts.push_back("X-" + std::string(size, 'n'));
  HeaderList fields;
  for (const std::string& text : texts) fields.push_back({text, text});
  std::string one_by_one = "before\r\n";
  std::string together = one_by_one;
  for (const Header& field : fields) EXPECT_TRUE(write_field(one_by_one, field.name, field.value));
  EXPECT_TRUE(write_fields(together, fields));
  EXPECT_EQ(together, one_by_one);
}

TEST(MessageWriterTest, WritesParsedFieldsAsItWritesOthers) {
  std::vector<std::string> texts;
  for (std::size_t size = 0; size <= 300; ++size) texts.push_back("X-" + std::string(size, 'n'));
  HeaderList fields;
  for (const std::string& text : texts) {
    fields.push_back({text, text});
    std::string checked;
    std::string parsed;
    EXPECT_TRUE(write_fields(checked, fields, "X-nn"));
    EXPECT_TRUE(write_parsed_fields(parsed, fields, "x-NN"));
    EXPECT_EQ(parsed, checked);
  }
}

// No byte that could end a line gets through, wherever it stands and whoever says it was checked.
TEST(MessageWriterTest, ParsedFieldsAreLinesOrCheckedOneByOne) {
  for (std::size_t size = 1; size <= 70; ++size) {
    for (std::size_t at = 0; at < size; ++at) {
      for (const char bad : {'\r', '\n', '\0', '\x1f', '\x7f'}) {
        std::string text(size, 'v');
        text[at] = bad;
        std::string out;
        EXPECT_FALSE(write_parsed_fields(out, {{"A", "1"}, {"B", text}, {"C", "2\t3"}}));
        EXPECT_EQ(out, "A: 1\r\nC: 2\t3\r\n") << size << " " << at;
        out.clear();
        EXPECT_FALSE(write_parsed_fields(out, {{text, "1"}, {"C", "2"}}));
        EXPECT_EQ(out, "C: 2\r\n") << size << " " << at;
      }
    }
  }
}

TEST(MessageWriterTest, LeavesBadFieldsOutOfAList) {
  std::string out = "before\r\n";
  EXPECT_FALSE(write_fields(out, {{"A", "1"}, {"B", "x\r\ny"}, {"C D", "2"}, {"E", "3"}}));
  EXPECT_EQ(out, "before\r\nA: 1\r\nE: 3\r\n");
  EXPECT_TRUE(write_fields(out, {}));
  EXPECT_EQ(out, "before\r\nA: 1\r\nE: 3\r\n");
}

}  // namespace
}  // namespace banyan::http
