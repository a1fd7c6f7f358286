// SPDX-License-Identifier: Apache-2.0
#include "core/model/redaction.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "core/crypto/key_ring.h"
#include "tests/support/memory_file_system.h"

namespace banyan::model {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

const ExchangeId kRedacted = ExchangeId::make(1, Epoch{1}, 1, 7);

class RedactionTest : public testing::Test {
 protected:
  void use(std::vector<RedactionRule> rules) {
    auto made = Redactor::create({std::move(rules)}, *keys_);
    ASSERT_TRUE(made.ok()) << made.error().message;
    redactor_ = *std::move(made);
  }
  RedactedMessage redact(const http::HeaderList& fields, std::string_view target = "/",
                         std::string_view body = "", std::string_view type = "application/json") {
    return redactor_->redact(kRedacted, target, fields, body, type);
  }
  Redactor::Restored restore(const RedactedMessage& message) {
    auto restored =
        redactor_->restore(kRedacted, message.target, message.fields, message.body, message.sealed);
    EXPECT_TRUE(restored.ok());
    return restored.ok() ? *std::move(restored) : Redactor::Restored();
  }
  static std::string everything(const RedactedMessage& message) {
    std::string all(message.target);
    for (const auto& field : message.fields) all.append(field.name).append(field.value);
    return all.append(message.body).append(message.sealed);
  }

  support::MemoryFileSystem files_;
  std::unique_ptr<crypto::KeyRing> keys_ = *crypto::KeyRing::open(files_, "/keys", Epoch{1}, "");
  std::unique_ptr<Redactor> redactor_ = *Redactor::create({}, *keys_);
};

TEST_F(RedactionTest, LeavesAMessageWithoutSecretsAlone) {
  const http::HeaderList fields{{"Host", "a"}, {"Accept", "*/*"}};
  const auto message = redact(fields, "/x?token=1", "{\"password\":1}");
  EXPECT_EQ(message.fields, fields);
  EXPECT_EQ(message.target, "/x?token=1");
  EXPECT_EQ(message.body, "{\"password\":1}");
  EXPECT_FALSE(message.body_is_redacted);
  EXPECT_TRUE(message.sealed.empty());
  EXPECT_TRUE(message.storage.empty());
}

TEST_F(RedactionTest, ReplacesEachDefaultFieldWhateverItsSpelling) {
  for (const std::string_view name :
       {"Authorization", "PROXY-AUTHORIZATION", "x-api-key", "Api-Key", "X-Auth-Token",
        "X-Access-Token", "X-Csrf-Token", "X-Amz-Security-Token"}) {
    const http::HeaderList fields{{"Host", "a"}, {name, "canary"}};
    const auto message = redact(fields);
    EXPECT_THAT(everything(message), Not(HasSubstr("canary"))) << name;
    EXPECT_EQ(message.fields[1].value, redactor_->token_of("canary")) << name;
    EXPECT_THAT(std::string(message.fields[1].value), StartsWith("banyan:t:"));
    EXPECT_EQ(message.fields[1].value.size(), 9U + 32U);
    const auto restored = restore(message);
    EXPECT_EQ(restored.fields[1].second, "canary") << name;
    EXPECT_EQ(restored.dropped_fields, 0);
  }
}

TEST_F(RedactionTest, KeepsNamesAndAttributesOfCookies) {
  const auto token = [this](std::string_view value) { return redactor_->token_of(value); };
  const auto message = redact(
      {{"Cookie", "a=one; b=two;c=; flag"}, {"Set-Cookie", "a=one; Path=/; Max-Age=3; HttpOnly"}});
  EXPECT_EQ(message.fields[0].value,
            "a=" + token("one") + "; b=" + token("two") + ";c=; " + token("flag"));
  EXPECT_EQ(message.fields[1].value, "a=" + token("one") + "; Path=/; Max-Age=3; HttpOnly");
  EXPECT_EQ(restore(message).fields[0].second, "a=one; b=two;c=; flag");
}

TEST_F(RedactionTest, RedactsNamedQueryParameters) {
  use({{"query:token"}, {"query:a b", true}});
  const auto message = redact({}, "/p?x=1&token=se=cret&token&to%6ben=two&a+b=gone#");
  EXPECT_EQ(message.target, "/p?x=1&token=" + redactor_->token_of("se=cret") +
                                "&token&to%6ben=" + redactor_->token_of("two") +
                                "&a+b=" + redactor_->token_of("gone#"));
  const auto restored = restore(message);
  EXPECT_EQ(restored.target, "/p?x=1&token=se=cret&token&to%6ben=two");
  EXPECT_EQ(restored.dropped_fields, 1);
}

TEST_F(RedactionTest, DropsWhatARuleSaysAndCountsIt) {
  use({{"header:X-Partner", true}, {"header:authorization", true}, {"body:$.user.pin", true}});
  const auto message = redact({{"x-partner", "canary1"}, {"Authorization", "canary2"}, {"A", "b"}},
                              "/", R"({"user":{"pin":"canary3","name":"ada"}})");
  EXPECT_THAT(everything(message), Not(HasSubstr("canary")));
  const auto restored = restore(message);
  ASSERT_EQ(restored.fields.size(), 1U);
  EXPECT_EQ(restored.fields[0].first, "A");
  EXPECT_EQ(restored.body, R"({"user":{"name":"ada"}})");
  EXPECT_EQ(restored.dropped_fields, 3);
}

TEST_F(RedactionTest, RedactsPathsOfJsonBodies) {
  use({{"body:$..password"}, {"body:$.cards[].number"}});
  const std::string body =
      R"({"a":{"password":"canary"},"cards":[{"number":4111},{"number":"4111"}],"n":1.50})";
  const auto message = redact({}, "/", body);
  EXPECT_TRUE(message.body_is_redacted);
  EXPECT_THAT(everything(message), Not(HasSubstr("canary")));
  EXPECT_THAT(std::string(message.body), Not(HasSubstr("4111")));
  EXPECT_THAT(std::string(message.body), HasSubstr("1.50"));  // Numbers keep their spelling.
  EXPECT_THAT(std::string(message.body), HasSubstr(redactor_->token_of("canary")));
  EXPECT_EQ(restore(message).body, body);
  const auto other = redact({}, "/", R"({"b":1})");
  EXPECT_FALSE(other.body_is_redacted);
  EXPECT_EQ(other.body, R"({"b":1})");
}

TEST_F(RedactionTest, LeavesOutABodyThatItCannotRead) {
  use({{"body:$..password"}});
  EXPECT_TRUE(redactor_->has_body_rules());
  for (const auto& [body, type, coding] :
       std::vector<std::tuple<std::string, std::string, std::string>>{
           {R"({"password":"canary")", "application/json", ""},
           {R"({"password":"canary")", "text/plain", ""},  // Begins like JSON.
           {"canary", "application/json", "gzip"}}) {
    http::HeaderList fields;
    if (!coding.empty()) fields.push_back({"Content-Encoding", coding});
    const auto message = redact(fields, "/", body, type);
    EXPECT_EQ(message.body, "");
    EXPECT_TRUE(message.body_is_redacted);
    EXPECT_THAT(message.sealed, Not(HasSubstr("canary")));
    EXPECT_EQ(restore(message).body, body);
  }
  const auto form = redact({}, "/", "user=a&password=canary", "application/x-www-form-urlencoded");
  EXPECT_EQ(form.body, "user=a&password=" + redactor_->token_of("canary"));
  EXPECT_EQ(restore(form).body, "user=a&password=canary");
  EXPECT_EQ(redact({}, "/", "plain", "text/plain").body, "plain");
}

TEST_F(RedactionTest, ATokenFromAClientIsJustAValue) {
  const http::HeaderList fields{{"X-Other", "banyan:t:00000000000000000000000000000000"}};
  const auto restored = restore(redact(fields));
  ASSERT_EQ(restored.fields.size(), 1U);
  EXPECT_EQ(restored.fields[0].second, fields[0].value);
}

TEST_F(RedactionTest, WhatIsSealedOpensOnlyForItsOwnExchange) {
  const auto message = redact({{"Authorization", "a"}});
  const auto other = ExchangeId::make(1, Epoch{1}, 1, 8);
  EXPECT_EQ(redactor_->restore(other, "/", message.fields, "", message.sealed).error().code,
            ErrorCode::kDamaged);
  EXPECT_EQ(redactor_->restore(kRedacted, "/", {}, "", message.sealed).error().code,
            ErrorCode::kDamaged);
}

TEST_F(RedactionTest, RefusesRulesThatNameNothing) {
  for (const char* field : {"", "header:", "query:", "body:a", "body:$[", "cookie:x"}) {
    const auto made = Redactor::create({{{field}}}, *keys_);
    ASSERT_FALSE(made.ok()) << field;
    EXPECT_EQ(made.error().code, ErrorCode::kInvalidArgument);
  }
}

// restore∘redact is identity for whatever a client may send, as long as nothing is dropped.
TEST_F(RedactionTest, RestoreIsTheInverse) {
  use({{"header:X-Secret"}, {"query:k"}, {"body:$..k"}});
  const unsigned seed = 20261123;
  RecordProperty("seed", static_cast<int>(seed));
  std::mt19937 random(seed);
  const auto pick = [&random](const std::vector<std::string>& from) {
    return from[random() % from.size()];
  };
  const auto noise = [&random] {
    std::string text;
    for (std::size_t i = random() % 12; i > 0; --i) text += "=;&?k \"{}\x01z"[random() % 11];
    return text;
  };
  for (int round = 0; round < 3000; ++round) {
    std::vector<std::pair<std::string, std::string>> sent;
    for (std::size_t i = random() % 5; i > 0; --i) {
      sent.emplace_back(pick({"Cookie", "set-cookie", "X-Secret", "AUTHORIZATION", "Other"}),
                        noise());
    }
    const std::string target = "/" + noise() + "?k=" + noise() + "&" + noise();
    const std::string body = pick({R"({"k":1,"x":[{"k":null}]})", "k=1&b=2", "{", "", noise()});
    http::HeaderList fields;
    for (const auto& [name, value] : sent) fields.push_back({name, value});
    const auto message =
        redact(fields, target, body,
               pick({"application/json", "text/html", "application/x-www-form-urlencoded"}));
    const auto restored = restore(message);
    EXPECT_EQ(restored.target, target) << "seed " << seed;
    EXPECT_EQ(restored.body, body) << "seed " << seed;
    EXPECT_EQ(restored.fields, sent) << "seed " << seed;
  }
}

TEST_F(RedactionTest, RulesCanBeReplacedAndWhatWasSealedBeforeIsRestored) {
  use({{"header:X-Old", false}});
  const http::HeaderList fields{{"X-Old", "first"}, {"X-New", "second"}, {"Cookie", "a=third"}};
  const auto before = redact(fields);
  ASSERT_TRUE(redactor_->replace_rules({{{"header:X-New", false}, {"body:$.p", false}}}).ok());
  EXPECT_TRUE(redactor_->has_body_rules());
  const auto after = redact(fields);
  EXPECT_EQ(after.fields[0].value, "first");
  EXPECT_THAT(everything(after), Not(HasSubstr("second")));
  EXPECT_THAT(everything(after), Not(HasSubstr("third")));
  const auto restored = restore(before);
  EXPECT_EQ(restored.fields[0].second, "first");
  EXPECT_EQ(restored.fields[2].second, "a=third");
}

TEST_F(RedactionTest, AShownTargetHoldsTokensInPlaceOfSecrets) {
  EXPECT_EQ(redactor_->shown_target("/a?token=x"), "/a?token=x");
  use({{"query:token", false}, {"query:gone", true}});
  EXPECT_EQ(redactor_->shown_target("/a"), "/a");
  EXPECT_EQ(redactor_->shown_target("/a?b=c"), "/a?b=c");
  const std::string shown = redactor_->shown_target("/a?token=canary&b=c&gone=canary");
  EXPECT_THAT(shown, StartsWith("/a?token=banyan:t:"));
  EXPECT_THAT(shown, HasSubstr("&b=c"));
  EXPECT_THAT(shown, Not(HasSubstr("canary")));
}

TEST_F(RedactionTest, AShownFieldHoldsNoSecretNorDoesARefererWithOne) {
  use({{"query:token", false}, {"header:User-Agent", false}});
  EXPECT_EQ(redactor_->shown_field("Accept", "x"), "x");
  EXPECT_THAT(redactor_->shown_field("user-agent", "canary"), StartsWith("banyan:t:"));
  const std::string referer = redactor_->shown_field("Referer", "https://a/b?token=canary&c=d");
  EXPECT_THAT(referer, StartsWith("https://a/b?token=banyan:t:"));
  EXPECT_THAT(referer, Not(HasSubstr("canary")));
}

TEST_F(RedactionTest, ARuleThatIsNoneChangesNothing) {
  use({{"header:X-Old", false}});
  EXPECT_FALSE(redactor_->replace_rules({{{"nonsense", false}}}).ok());
  EXPECT_THAT(everything(redact({{"X-Old", "secret"}})), Not(HasSubstr("secret")));
}

TEST_F(RedactionTest, RuleSetsAreKeptUpToTheirBoundAndUsedAgain) {
  const auto set = [](std::size_t i) {
    return RedactionOptions{{{"header:X-" + std::to_string(i), false}}};
  };
  // One is there from the start.
  for (std::size_t i = 1; i < Redactor::kRuleSetsMax; ++i) {
    ASSERT_TRUE(redactor_->replace_rules(set(i)).ok()) << i;
  }
  const Status full = redactor_->replace_rules(set(0));
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().code, ErrorCode::kExhausted);
  EXPECT_TRUE(redactor_->replace_rules(set(7)).ok());
  EXPECT_THAT(everything(redact({{"X-7", "secret"}})), Not(HasSubstr("secret")));
}

}  // namespace
}  // namespace banyan::model
