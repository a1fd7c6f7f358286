// SPDX-License-Identifier: Apache-2.0
//
// Redaction by pattern, and of bodies that are not plain JSON: forms, multipart, coded ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/codec/content_coding.h"
#include "core/codec/content_encoding.h"
#include "core/crypto/key_ring.h"
#include "core/model/redaction.h"
#include "tests/support/memory_file_system.h"

namespace banyan::model {
namespace {

using testing::HasSubstr;
using testing::Not;

const ExchangeId kMasked = ExchangeId::make(1, Epoch{1}, 1, 7);
constexpr std::string_view kCard = "4111111111111111";
constexpr std::string_view kMail = "ada@example.com";
constexpr std::string_view kForm = "application/x-www-form-urlencoded";
constexpr std::string_view kMultipart = "multipart/form-data; boundary=b";

class PatternRedactionTest : public testing::Test {
 protected:
  void use(std::vector<RedactionRule> rules) {
    auto made = Redactor::create({std::move(rules)}, *keys_);
    ASSERT_TRUE(made.ok()) << made.error().message;
    redactor_ = *std::move(made);
  }
  void use_all() { use({{"pattern:card"}, {"pattern:email"}, {"pattern:bearer"}}); }
  // Also checks that the original comes back where nothing is dropped.
  RedactedMessage redact(std::string_view body, std::string_view type, http::HeaderList fields = {},
                         std::string_view target = "/") {
    fields.push_back({"Content-Type", type});
    auto message = redactor_->redact(kMasked, target, fields, body, type);
    if (redactor_->is_clean(target, fields, body)) {
      EXPECT_EQ(message.body, body);
      EXPECT_EQ(message.target, target);
      EXPECT_EQ(message.fields, fields);
    }
    const auto restored = restore(message);
    if (restored.dropped_fields == 0) {
      EXPECT_EQ(restored.body, body);
      EXPECT_EQ(restored.target, target);
    }
    return message;
  }
  Redactor::Restored restore(const RedactedMessage& message) {
    auto restored =
        redactor_->restore(kMasked, message.target, message.fields, message.body, message.sealed);
    EXPECT_TRUE(restored.ok());
    return restored.ok() ? *std::move(restored) : Redactor::Restored();
  }
  std::string token(std::string_view value) const { return redactor_->token_of(value); }

  support::MemoryFileSystem files_;
  std::unique_ptr<crypto::KeyRing> keys_ = *crypto::KeyRing::open(files_, "/keys", Epoch{1}, "");
  std::unique_ptr<Redactor> redactor_ = *Redactor::create({}, *keys_);
};

TEST_F(PatternRedactionTest, OfJsonOnlyTheMatchIsReplacedInStringsNumbersAndNames) {
  use_all();
  EXPECT_TRUE(redactor_->has_body_rules());
  const auto message = redact(
      R"({"note":"pay 4111111111111111 now","card":4111111111111111,"ada@example.com":[1.50]})",
      "application/json");
  EXPECT_TRUE(message.body_is_redacted);
  EXPECT_EQ(message.body, "{\"note\":\"pay " + token(kCard) + " now\",\"card\":\"" + token(kCard) +
                              "\",\"" + token(kMail) + "\":[1.50]}");
}

TEST_F(PatternRedactionTest, EscapesOfJsonHideNothing) {
  use_all();
  const auto message = redact(
      "{\"a\":\"ada\\u0040example.com \\u0034111111111111111\",\"b\":\"Bearer ab\\/cd\\/e7\"}",
      "application/json");
  EXPECT_EQ(message.body, "{\"a\":\"" + token(kMail) + " " + token(kCard) + "\",\"b\":\"Bearer " +
                              token("ab/cd/e7") + "\"}");
}

TEST_F(PatternRedactionTest, ACleanBodyStaysAsItIsToTheByte) {
  use_all();
  const std::string body = "{ \"a\" : [ 1 , 2.50 ], \"b\" : \"2026-11-28T12:00:00Z\" }";
  const http::HeaderList fields{{"Content-Type", "application/json"}};
  EXPECT_TRUE(redactor_->is_clean("/a?b=c", fields, body));
  EXPECT_FALSE(redactor_->is_clean("/a?b=ada%40example.com", fields, body));
  EXPECT_FALSE(redact(body, "application/json").body_is_redacted);
}

TEST_F(PatternRedactionTest, FormsQueriesAndPathsAreReadDecoded) {
  use_all();
  const auto message =
      redact("mail=ada%40example.com&card=4111+1111+1111+1111&x=%zz&ada@example.com", kForm, {},
             "/users/ada%40example.com/x?q=to+ada@example.com&k=v");
  EXPECT_EQ(message.body, "mail=" + token(kMail) + "&card=" + token("4111 1111 1111 1111") +
                              "&x=%zz&" + token(kMail));
  EXPECT_EQ(message.target, "/users/" + token(kMail) + "/x?q=to%20" + token(kMail) + "&k=v");
}

TEST_F(PatternRedactionTest, FieldsLoseOnlyTheMatch) {
  use_all();
  const auto message =
      redact("", "text/plain",
             {{"X-Note", "from ada@example.com!"}, {"Referer", "http://h/?m=ada%40example.com"}});
  EXPECT_EQ(message.fields[0].value, "from " + token(kMail) + "!");
  EXPECT_THAT(std::string(message.fields[1].value), HasSubstr(token("ada@example.com")));
  const auto restored = restore(message);
  EXPECT_EQ(restored.fields[0].second, "from ada@example.com!");
  EXPECT_EQ(restored.fields[1].second, "http://h/?m=ada%40example.com");
  EXPECT_THAT(redactor_->shown_field("X-Note", "ada@example.com"), Not(HasSubstr("ada")));
}

TEST_F(PatternRedactionTest, ReferencesInFieldsLoseNamedParametersToo) {
  use({{"query:token"}});
  for (const char* name : {"Referer", "Location", "Content-Location"}) {
    const auto message = redact("", "text/plain", {{name, "https://h/p?token=canary&b=c"}});
    EXPECT_EQ(message.fields[0].value, "https://h/p?token=" + token("canary") + "&b=c");
    EXPECT_EQ(restore(message).fields[0].second, "https://h/p?token=canary&b=c");
  }
}

TEST_F(PatternRedactionTest, APatternLooksOnlyWhereItsRuleSays) {
  use({{"pattern:email", false, {}, {}, kInQuery}});
  EXPECT_FALSE(redactor_->has_body_rules());
  const auto message = redact("ada@example.com", "text/plain", {{"X-Note", kMail}},
                              "/ada@example.com?m=ada@example.com");
  EXPECT_EQ(message.body, kMail);
  EXPECT_EQ(message.fields[0].value, kMail);
  EXPECT_EQ(message.target, "/ada@example.com?m=" + token(kMail));
}

TEST_F(PatternRedactionTest, ADroppedMatchIsSentAsItsToken) {
  use({{"pattern:card", true}});
  const auto message = redact(R"({"a":"4111111111111111"})", "application/json",
                              {{"X-Note", "4111111111111111"}}, "/4111111111111111");
  const auto restored = restore(message);
  EXPECT_EQ(restored.dropped_fields, 3);
  EXPECT_EQ(restored.body, "{\"a\":\"" + token(kCard) + "\"}");
  EXPECT_EQ(restored.fields[0].second, token(kCard));
  EXPECT_EQ(restored.target, "/" + token(kCard));
}

TEST_F(PatternRedactionTest, PartsOfAMultipartFormAreFields) {
  use({{"body:$.pin"}, {"body:$..inner"}, {"body:$.gone", true}, {"pattern:card"}});
  const std::string body =
      "--b\r\nContent-Disposition: form-data; name=\"pin\"\r\n\r\ncanary\r\n"
      "--b\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\n4111111111111111\r\n"
      "--b\r\nContent-Disposition: form-data; name=\"meta\"\r\nContent-Type: application/json\r\n"
      "\r\n{\"inner\":\"canary\"}\r\n--b--\r\n";
  const auto message = redact(body, kMultipart);
  EXPECT_THAT(std::string(message.body), Not(HasSubstr("canary")));
  EXPECT_THAT(std::string(message.body), HasSubstr(token(kCard)));
  EXPECT_THAT(std::string(message.body), HasSubstr("{\"inner\":\"" + token("canary") + "\"}"));
  const auto dropped = redact(
      "--b\r\nContent-Disposition: form-data; name=\"gone\"\r\n\r\ncanary\r\n" + body, kMultipart);
  EXPECT_EQ(restore(dropped).body, body);
  EXPECT_EQ(restore(dropped).dropped_fields, 1);
  // Without its end nobody can tell what belongs to which part.
  const auto cut = redact(body.substr(0, body.size() - 6), kMultipart);
  EXPECT_EQ(cut.body, "");
  EXPECT_TRUE(cut.body_is_redacted);
}

TEST_F(PatternRedactionTest, LinesOfJsonAreReadEachByItself) {
  use({{"body:$.pin"}, {"pattern:email"}});
  const auto message =
      redact("{\"pin\":1}\n\n{\"a\":\"ada@example.com\"}\n", "application/x-ndjson");
  EXPECT_EQ(message.body, "{\"pin\":\"" + token("1") + "\"}\n\n{\"a\":\"" + token(kMail) + "\"}\n");
  EXPECT_EQ(redact("{\"pin\":1}\n{\"pin\":", "application/x-ndjson").body, "");
}

TEST_F(PatternRedactionTest, OtherBodiesAreTextWhateverTheirType) {
  use_all();
  for (const char* type : {"text/plain", "application/xml", "application/octet-stream", ""}) {
    EXPECT_EQ(redact("<m>ada@example.com</m>\xff\xfe", type).body,
              "<m>" + token(kMail) + "</m>\xff\xfe")
        << type;
  }
  // Looks like JSON and is none: read as text where no escape can hide anything, else left out.
  EXPECT_EQ(redact("[log] ada@example.com", "text/plain").body, "[log] " + token(kMail));
  const auto left_out = redact("[log] ada@example.com \\", "text/plain");
  EXPECT_EQ(left_out.body, "");
  EXPECT_TRUE(left_out.body_is_redacted);
}

TEST_F(PatternRedactionTest, CodedBodiesAreDecodedAndCodedAgain) {
  use({{"pattern:card"}, {"body:$.pin", true}});
  for (const std::string coding : {"gzip", "deflate", "br", "zstd", "gzip, br"}) {
    const auto plain = [&](std::string_view coded) {
      const auto decoded = codec::decode_content(coding, coded);
      return decoded.ok() ? *decoded : decoded.error().message;
    };
    const std::string clean = *codec::encode_content(coding, "{\"a\":1}");
    EXPECT_EQ(redact(clean, "application/json", {{"Content-Encoding", coding}}).body, clean);
    const std::string body = *codec::encode_content(coding, "{\"a\":4111111111111111,\"pin\":7}");
    const auto message = redact(body, "application/json", {{"Content-Encoding", coding}});
    EXPECT_EQ(plain(message.body),
              "{\"a\":\"" + token(kCard) + "\",\"pin\":\"" + token("7") + "\"}");
    EXPECT_EQ(plain(restore(message).body), "{\"a\":4111111111111111}");
  }
  // Two fields are one list.
  const std::string twice = *codec::encode_content("gzip, br", "4111111111111111");
  const auto message =
      redact(twice, "text/plain", {{"Content-Encoding", "gzip"}, {"Content-Encoding", "br"}});
  EXPECT_EQ(*codec::decode_content("gzip, br", message.body), token(kCard));
}

TEST_F(PatternRedactionTest, WhatCannotBeDecodedIsLeftOut) {
  use_all();
  const std::string bomb = *codec::encode_content("gzip", std::string(9U << 20, 'a'));
  for (const auto& [coding, body] : std::vector<std::pair<std::string, std::string>>{
           {"gzip", "no gzip"}, {"compress", "x"}, {"gzip", bomb}, {"gzip", ""}}) {
    const auto message = redact(body, "text/plain", {{"Content-Encoding", coding}});
    EXPECT_EQ(message.body, "");
    EXPECT_EQ(message.body_is_redacted, !body.empty());
  }
  EXPECT_EQ(redactor_->counts().left_out, 3U);
}

TEST_F(PatternRedactionTest, ABodyWithTooManyMatchesIsLeftOut) {
  use_all();
  const auto body_with = [](std::size_t count) {
    std::string body = "[";
    for (std::size_t i = 0; i < count; ++i) body += "\"a@b.com\",";
    return body + "1]";
  };
  EXPECT_NE(redact(body_with(SecretPatterns::kMatchesMax), "application/json").body, "");
  const auto message = redact(body_with(SecretPatterns::kMatchesMax + 1), "application/json");
  EXPECT_EQ(message.body, "");
  EXPECT_TRUE(message.body_is_redacted);
}

TEST_F(PatternRedactionTest, OfABodyThatCannotBeReadNothingIsSealedWhereARuleDrops) {
  use({{"body:$.pin", true}});
  const auto message = redact("{\"pin\":", "application/json");
  const auto restored = restore(message);
  EXPECT_EQ(restored.body, "");
  EXPECT_EQ(restored.dropped_fields, 1);
}

TEST_F(PatternRedactionTest, DeepAndLargeBodiesAreReadOrLeftOut) {
  use_all();
  EXPECT_EQ(redact(std::string(300, '[') + "\\u0040", "application/json").body, "");
  const std::string large = std::string(10U << 20, 'a') + " ada@example.com";
  EXPECT_THAT(std::string(redact(large, "text/plain").body), Not(HasSubstr("ada@")));
}

TEST_F(PatternRedactionTest, TokensCarryTheNumberOfALaterKeyAndStandForThemselves) {
  const std::string first = token("ada");
  ASSERT_TRUE(crypto::KeyRing::rotate_token_key(files_, "/keys", "").ok());
  keys_ = *crypto::KeyRing::open(files_, "/keys", Epoch{2}, "");
  use({});
  const std::string second = token("ada");
  EXPECT_THAT(second, testing::StartsWith("banyan:t:2:"));
  EXPECT_EQ(second.size(), first.size() + 2);
  EXPECT_EQ(token(first), first);
  EXPECT_EQ(token(second), second);
  EXPECT_NE(token(second + "0"), second + "0");
  EXPECT_NE(token("banyan:t:x:" + std::string(32, '0')), "banyan:t:x:" + std::string(32, '0'));
}

TEST_F(PatternRedactionTest, RefusesRulesThatCannotWork) {
  for (const RedactionRule& rule :
       {RedactionRule{"pattern:ssn"}, RedactionRule{"pattern:"}, RedactionRule{"header:X-*"},
        RedactionRule{"header:a b"}, RedactionRule{"body:**"}, RedactionRule{"body:/a/b"},
        RedactionRule{"", false, "(", "x"}, RedactionRule{"", false, "a*", "x"}}) {
    EXPECT_FALSE(Redactor::check(rule).ok()) << rule.field << rule.expression;
  }
  EXPECT_TRUE(Redactor::check({"", false, "KD-[0-9]+", "customer"}).ok());
}

}  // namespace
}  // namespace banyan::model
