// SPDX-License-Identifier: Apache-2.0
#include "admin/config_service.h"

#include <gtest/gtest.h>

#include "core/base/mutex.h"
#include "tests/admin/admin_fixture.h"

namespace banyan::admin {
namespace {

class FakeConfig final : public ConfigService {
 public:
  ReloadReport reload(std::string_view by) override {
    MutexLock lock(mutex_);
    next.by = by;
    auto now = std::make_shared<ConfigStatus>(*status_);
    now->last_reload = next;
    now->generation = next.generation;
    status_ = std::move(now);
    return next;
  }
  std::shared_ptr<const ConfigStatus> status() const override {
    MutexLock lock(mutex_);
    return status_;
  }
  void set(ConfigStatus status) {
    MutexLock lock(mutex_);
    status_ = std::make_shared<ConfigStatus>(std::move(status));
  }
  ReloadReport next;

 private:
  mutable Mutex mutex_;
  std::shared_ptr<const ConfigStatus> status_ GUARDED_BY(mutex_) = std::make_shared<ConfigStatus>();
};

class ConfigApiTest : public AdminFixture {
 protected:
  void SetUp() override {
    AdminFixture::SetUp();
    ConfigStatus status;
    status.path = "banyan.toml";
    status.legacy_urls = {"http://legacy:1"};
    fake_.set(status);
    config_ = &fake_;
  }
  FakeConfig fake_;
};

TEST_F(ConfigApiTest, StatusTellsTheConfigAndItsSystems) {
  start();
  const json::Value status = get("/api/v1/status");
  EXPECT_EQ(status.find("config")->string_or("path", ""), "banyan.toml");
  EXPECT_EQ(status.find("config")->find("generation")->text, "1");
  EXPECT_EQ(status.find("config")->find("last_reload")->type, json::Value::Type::kNull);
  EXPECT_EQ(status.find("systems")->find("legacy")->find("urls")->items.at(0).text,
            "http://legacy:1");
}

TEST_F(ConfigApiTest, AReloadAnswersWhatItChanged) {
  start();
  fake_.next.generation = 2;
  fake_.next.changed = {"limits", "routes"};
  fake_.next.warnings = {"route \"x\" is gone"};
  const Answer answer = ask("POST", "/api/v1/reload", "{\"by\":\"ada\"}");
  EXPECT_EQ(answer.status, 200);
  const json::Value value = value_of(answer);
  EXPECT_EQ(value.string_or("schema", ""), "banyan/reload/1");
  EXPECT_EQ(value.string_or("result", ""), "ok");
  EXPECT_EQ(value.string_or("by", ""), "ada");
  EXPECT_EQ(value.find("generation")->text, "2");
  EXPECT_EQ(value.find("changed")->items.at(1).text, "routes");
  const json::Value status = get("/api/v1/status");
  EXPECT_EQ(status.find("config")->find("last_reload")->string_or("result", ""), "ok");
  EXPECT_TRUE(status.find("alarms")->items.empty());
}

TEST_F(ConfigApiTest, ABadFileIsRefusedWithEveryPlaceAndAnAlarm) {
  start();
  fake_.next.result = ReloadReport::Result::kInvalid;
  fake_.next.message = "banyan.toml has 1 error";
  fake_.next.problems.push_back(
      {"banyan.toml", 7, 3, false, false, "unknown key", "x\" = 1", "did you mean \"y\"?"});
  const Answer answer = ask("POST", "/api/v1/reload", "{}");
  EXPECT_EQ(answer.status, 422);
  const json::Value value = value_of(answer);
  EXPECT_EQ(value.find("error")->string_or("code", ""), "config_invalid");
  const json::Value& problem = value.find("diagnostics")->items.at(0);
  EXPECT_EQ(problem.find("line")->text, "7");
  EXPECT_EQ(problem.find("column")->text, "3");
  EXPECT_EQ(problem.string_or("offending", ""), "x\" = 1");
  EXPECT_EQ(problem.string_or("severity", ""), "error");
  const json::Value status = get("/api/v1/status");
  EXPECT_EQ(status.find("alarms")->items.size(), 1U);
  EXPECT_TRUE(status.bool_or("ready", false));
}

TEST_F(ConfigApiTest, EachRefusalHasItsStatus) {
  start();
  fake_.next.result = ReloadReport::Result::kNeedsRestart;
  EXPECT_EQ(ask("POST", "/api/v1/reload", "{}").status, 409);
  fake_.next.result = ReloadReport::Result::kFailed;
  EXPECT_EQ(ask("POST", "/api/v1/reload", "{}").status, 503);
  EXPECT_EQ(ask("POST", "/api/v1/reload", "{\"unknown\":1}").status, 400);
  EXPECT_EQ(ask("GET", "/api/v1/reload").status, 405);
}

TEST_F(ConfigApiTest, WithoutAConfigThereIsNothingToReload) {
  config_ = nullptr;
  start();
  EXPECT_EQ(ask("POST", "/api/v1/reload", "{}").status, 501);
}

TEST_F(ConfigApiTest, ASystemWhoseCertificateNobodyChecksIsAnAlarm) {
  ConfigStatus status;
  status.unverified_systems = {"candidate"};
  fake_.set(status);
  start();
  const json::Value told = get("/api/v1/status");
  ASSERT_EQ(told.find("alarms")->items.size(), 1U);
  EXPECT_NE(told.find("alarms")->items.at(0).text.find("system candidate"), std::string::npos);
  EXPECT_NE(told.find("alarms")->items.at(0).text.find("tls.verify"), std::string::npos);
  EXPECT_TRUE(told.bool_or("ready", false));
}

TEST_F(ConfigApiTest, OtherRoomsAddAlarms) {
  add_alarms_ = [](std::vector<std::string>& alarms) { alarms.push_back("the disk is full"); };
  start();
  EXPECT_EQ(get("/api/v1/status").find("alarms")->items.at(0).text, "the disk is full");
}

}  // namespace
}  // namespace banyan::admin
