// SPDX-License-Identifier: Apache-2.0
#include "config/secret_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/config.h"
#include "recorder/log_keys.h"

namespace banyan::config {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(SecretCommandTest, GivesWhatTheProgramPrintedWithoutTheLineEnd) {
  EXPECT_EQ(*output_of_command({"printf", "a secret key\\r\\n\\n"}), "a secret key");
  // No shell looks at the words.
  EXPECT_EQ(*output_of_command({"echo", "$(id)", "; ls"}), "$(id) ; ls");
}

TEST(SecretCommandTest, SaysWhyThereIsNoSecret) {
  const auto why = [](const std::vector<std::string>& words) {
    const auto output = output_of_command(words);
    return output.ok() ? "it gave one" : output.error().message;
  };
  EXPECT_THAT(why({"/no/such/program"}), HasSubstr("cannot be run"));
  EXPECT_THAT(why({"true"}), HasSubstr("printed nothing"));
  EXPECT_THAT(why({"sh", "-c", "echo secret; exit 3"}), HasSubstr("status 3"));
  EXPECT_THAT(why({"sh", "-c", "echo secret; exit 3"}), Not(HasSubstr("secret;")));
  EXPECT_THAT(why({"head", "-c", "5000", "/dev/zero"}), HasSubstr("more than 4096 bytes"));
  EXPECT_THAT(why({"yes"}), HasSubstr("more than 4096 bytes"));
}

TEST(SecretCommandTest, IsAKeyOfTheLog) {
  const LoadResult result = load_text(R"([systems.legacy]
urls = ["http://127.0.0.1:9001"]
[systems.candidate]
urls = ["http://127.0.0.1:9002"]
[[listeners]]
address = "127.0.0.1:8080"
[log]
encryption = true
key_command = ["echo", "a key of sixteen bytes or more"]
)",
                                      "banyan.toml", {});
  ASSERT_TRUE(result.ok());
  const auto same = recorder::LogKeys::create({"a key of sixteen bytes or more"});
  EXPECT_EQ(result.config.recorder.keys->current_id(), (*same)->current_id());
}

}  // namespace
}  // namespace banyan::config
