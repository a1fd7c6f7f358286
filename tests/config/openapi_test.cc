// SPDX-License-Identifier: Apache-2.0
#include "config/openapi.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "comparator/message_types.h"
#include "comparator/path_templates.h"
#include "config/config.h"
#include "tests/support/source_dir.h"

namespace banyan::config {
namespace {

using Paths = std::vector<std::string>;

std::string error_of(std::string_view text) {
  const auto paths = read_openapi(text, "api.yaml");
  return paths.ok() ? "" : paths.error().message;
}

TEST(OpenApiTest, ReadsPathsBehindEachServer) {
  const auto paths = read_openapi(
      "openapi: 3.1.0\n"
      "servers:\n"
      "  - url: https://shop.example.org/v1/\n"
      "  - {description: relative, url: /v2}\n"
      "paths:\n"
      "  /users/{id}: &user\n"
      "    get: {responses: {}}\n"
      "  /users/me: *user\n"
      "  x-internal: true\n",
      "api.yaml");
  ASSERT_TRUE(paths.ok()) << paths.error().message;
  EXPECT_EQ(*paths, (Paths{"/v1/users/me", "/v1/users/{id}", "/v2/users/me", "/v2/users/{id}"}));
}

TEST(OpenApiTest, ReadsJsonAndSwagger) {
  const auto paths = read_openapi(
      R"({"swagger":"2.0","basePath":"/api","paths":{"/a/{b}":{"get":{}},"/":{}}})", "api.json");
  ASSERT_TRUE(paths.ok()) << paths.error().message;
  EXPECT_EQ(*paths, (Paths{"/api/", "/api/a/{b}"}));
}

TEST(OpenApiTest, ErrorsSayWhere) {
  EXPECT_EQ(error_of("openapi: 3\npaths:\n  users: {}\n"),
            "api.yaml:3:3: a path begins with / and has neither spaces nor a query: \"users\"");
  EXPECT_EQ(error_of("openapi: 3\npaths: [/a]\n"),
            "api.yaml:2:8: paths should be a mapping from paths");
  EXPECT_TRUE(error_of("openapi: 3\npaths:\n  /a: [1,\n").starts_with("api.yaml:4:1: is not YAML"));
  EXPECT_EQ(error_of("a: 1\npaths: {}\n"),
            "api.yaml:1:1: is no OpenAPI document: no key openapi or swagger");
  EXPECT_EQ(error_of("openapi: 3\n"), "api.yaml:1:1: has no paths");
  EXPECT_EQ(error_of(std::string_view()), error_of(""));
  EXPECT_EQ(error_of(""), "api.yaml:1:1: is no OpenAPI document: it should be a mapping");
  EXPECT_EQ(error_of("- a\n"), "api.yaml:1:1: is no OpenAPI document: it should be a mapping");
  EXPECT_EQ(error_of("openapi: 3\nservers: [{url: not a path}]\npaths: {}\n"),
            "api.yaml:2:17: a server's url should be a URL or a path");
}

TEST(OpenApiTest, HostileDocumentsAreBounded) {
  // Aliases are not followed, however much they stand for.
  std::string laughs = "a0: &a0 [x]\n";
  for (int i = 1; i < 60; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    laughs +=
        "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before + "," + before + "]\n";
  }
  EXPECT_EQ(error_of(laughs + "openapi: 3\npaths: {/a: *a59}\n"), "");
  const auto nested = [](std::size_t depth) {
    return "openapi: 3\npaths: {}\nx: " + std::string(depth, '[') + std::string(depth, ']') + "\n";
  };
  EXPECT_EQ(error_of(nested(kOpenApiDepthMax)), "");
  EXPECT_NE(error_of(nested(kOpenApiDepthMax + 1)).find("nested too deeply"), std::string::npos);
  const auto many = [](std::size_t count) {
    std::string out = "openapi: 3\npaths:\n";
    for (std::size_t i = 0; i < count; ++i) out += "  /p" + std::to_string(i) + ": {}\n";
    return out;
  };
  EXPECT_EQ(error_of(many(comparator::PathTemplates::kTemplatesMax)), "");
  EXPECT_NE(error_of(many(comparator::PathTemplates::kTemplatesMax + 1)).find("more than 5000"),
            std::string::npos);
  const auto long_path = [](std::size_t bytes) {
    return "openapi: 3\npaths: {\"/" + std::string(bytes - 1, 'a') + "\": {}}\n";
  };
  EXPECT_EQ(error_of(long_path(kOpenApiPathBytesMax)), "");
  EXPECT_NE(error_of(long_path(kOpenApiPathBytesMax + 1)), "");
  std::string servers = "openapi: 3\npaths: {}\nservers:\n";
  for (std::size_t i = 0; i < kOpenApiServersMax; ++i) {
    servers += "- url: /v" + std::to_string(i) + "\n";
  }
  EXPECT_EQ(error_of(servers), "");
  EXPECT_NE(error_of(servers + "- url: /more\n").find("more than 16 servers"), std::string::npos);
}

TEST(OpenApiTest, FilesOfTheConfigAreRead) {
  std::string directory = testing::TempDir() + "banyan-openapi-XXXXXX";
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  const std::string file = directory + "/api.yaml";

  std::ofstream(file) << "openapi: 3.0.0\npaths: {\"/users/{id}\": {}}\n";
  const std::string head =
      "[systems.legacy]\nurls = [\"http://a\"]\n[systems.candidate]\nurls = [\"http://b\"]\n"
      "[[listeners]]\naddress = \"127.0.0.1:0\"\n";
  const auto good = load_text(head + "[endpoints]\nopenapi = [\"" + file + "\"]\n", "b.toml", {});
  EXPECT_EQ(good.config.endpoint_paths, Paths{"/users/{id}"});
  std::ofstream(file) << "paths: {}\n";
  for (const std::string& named : {file, directory + "/none.yaml"}) {
    const auto bad = load_text(head + "[endpoints]\nopenapi = [\"" + named + "\"]\n", "b.toml", {});
    EXPECT_FALSE(bad.ok());
    bool is_told = false;
    for (const Diagnostic& found : bad.diagnostics) {
      is_told |= found.message.find(named) != std::string::npos && found.line == 8;
    }
    EXPECT_TRUE(is_told) << named;
  }
  std::filesystem::remove_all(directory);
}

TEST(DescriptorsTest, FilesOfTheConfigAreRead) {
  std::string directory = testing::TempDir() + "banyan-descriptors-XXXXXX";
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  const std::string bad = directory + "/bad.pb";
  std::ofstream(bad) << "nothing";
  const std::string shop = source_dir() + "/tests/cases/descriptors/shop.pb";
  const auto load = [](const std::string& files) {
    return load_text(
        "[systems.legacy]\nurls = [\"http://a\"]\n[systems.candidate]\nurls = [\"http://b\"]\n"
        "[[listeners]]\naddress = \"127.0.0.1:0\"\n[endpoints]\ndescriptors = [" +
            files + "]\n",
        "b.toml", {});
  };
  const auto quoted = [](const std::string& file) { return "\"" + file + "\""; };
  const auto good = load(quoted(shop));
  ASSERT_NE(good.config.comparator.messages, nullptr);
  EXPECT_NE(good.config.comparator.messages->answer_of("/shop.v1.Orders/Get"), nullptr);
  EXPECT_EQ(load("").config.comparator.messages, nullptr);
  for (const std::string& named : {bad, directory + "/none.pb"}) {
    bool is_told = false;
    for (const Diagnostic& found : load(quoted(shop) + ", " + quoted(named)).diagnostics) {
      is_told |= found.message.find(named) != std::string::npos && found.line == 8 &&
                 found.hint.find("--include_imports") != std::string::npos;
    }
    EXPECT_TRUE(is_told) << named;
  }
  std::string many = quoted(shop);
  for (int i = 0; i < 16; ++i) many += ", " + quoted(shop);
  EXPECT_FALSE(load(many).ok());
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace banyan::config
