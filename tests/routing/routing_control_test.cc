// SPDX-License-Identifier: Apache-2.0
#include "routing/routing_control.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <thread>
#include <vector>

#include "routing/session.h"
#include "routing/state_file.h"
#include "tests/routing/routing_fixture.h"

namespace banyan::routing {
namespace {

using support::MemoryFileSystem;
using Call = MemoryFileSystem::Call;

constexpr char kFile[] = "data/state/routing";

DialsPatch candidate(std::uint32_t share) {
  DialsPatch patch;
  patch.candidate_share = share;
  return patch;
}

class RoutingControlTest : public testing::Test {
 protected:
  MemoryFileSystem files_;
  ManualClock clock_;
  std::unique_ptr<crypto::KeyRing> keys_ = test_keys(files_);
  RouteSink sink_;
  std::vector<std::string> warnings_;
  RoutingOptions options_;
  std::unique_ptr<RoutingControl> control_;

  RoutingControlTest() {
    options_.routes = {route_named("orders", "/orders/**"), route_named("rest", "")};
    options_.state_directory = "data/state";
  }
  ~RoutingControlTest() override {
    files_.release();
    files_.clear_failures();
  }

  Result<std::unique_ptr<RoutingControl>> try_open() {
    warnings_.clear();
    return RoutingControl::open(files_, clock_, options_, *keys_, &sink_, warnings_);
  }
  void open() {
    control_.reset();
    auto opened = try_open();
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    control_ = *std::move(opened);
  }
  void settle() {
    ASSERT_TRUE(eventually([&] { return !control_->has_unpersisted_change(); }));
  }
  RouteStatus status_of(std::string_view name) {
    for (const RouteStatus& status : control_->list()) {
      if (status.name == name) return status;
    }
    ADD_FAILURE() << name;
    return {};
  }
  std::uint32_t share_of(std::string_view name) { return status_of(name).dials.candidate_share; }
  // What a worker would do now.
  System primary_of(std::string_view target) {
    std::shared_ptr<const RoutingTable> held;
    RequestFacts facts;
    facts.method = "GET";
    facts.target = target;
    facts.client_address = "192.0.2.1";
    return control_->cell().load(held).decide(facts).primary;
  }
  SavedState saved() {
    const auto state = decode_state(files_.synced_content(kFile));
    EXPECT_TRUE(state.ok());
    return state.ok() ? *state : SavedState();
  }
  bool warned_of(std::string_view text) const {
    for (const std::string& warning : warnings_) {
      if (warning.find(text) != std::string::npos) return true;
    }
    return false;
  }
};

TEST_F(RoutingControlTest, StagesAreNamesForTheDials) {
  EXPECT_EQ(stage_of({0, 0, false}), "observe");
  EXPECT_EQ(stage_of({0, 1, false}), "parallel_run");
  EXPECT_EQ(stage_of({1, 0, false}), "canary");
  EXPECT_EQ(stage_of({9999, 10000, false}), "canary");
  EXPECT_EQ(stage_of({10000, 1, false}), "cutover");
  EXPECT_EQ(stage_of({10000, 0, false}), "retired");
}

TEST_F(RoutingControlTest, FirstStartTakesTheConfig) {
  options_.routes[0].dials.candidate_share = kShareWhole;
  open();
  EXPECT_TRUE(warnings_.empty());
  EXPECT_EQ(primary_of("/orders/1"), System::kCandidate);
  EXPECT_EQ(primary_of("/other"), System::kLegacy);
  EXPECT_EQ(saved().routes[0].dials.candidate_share, kShareWhole);
  ASSERT_EQ(sink_.seen().size(), 2U);
  EXPECT_EQ(sink_.seen()[0].action, "start");
  EXPECT_EQ(sink_.seen()[0].epoch, control_->epoch());
  EXPECT_EQ(status_of("orders").stage, "cutover");
  EXPECT_EQ(status_of("orders").changed_by, "config");
}

TEST_F(RoutingControlTest, WithoutRoutesThereIsOneThatMatchesEverything) {
  options_.routes.clear();
  open();
  ASSERT_EQ(control_->list().size(), 1U);
  EXPECT_EQ(control_->list()[0].name, "default");
  EXPECT_EQ(control_->list()[0].stage, "parallel_run");
}

TEST_F(RoutingControlTest, RefusesRoutesThatCannotBeCompiled) {
  options_.routes[0].match.path = "orders";
  EXPECT_EQ(try_open().error().code, ErrorCode::kInvalidArgument);
  options_.routes = {route_named("a"), route_named("a")};
  EXPECT_EQ(try_open().error().code, ErrorCode::kInvalidArgument);
}

TEST_F(RoutingControlTest, AChangeIsInForceSavedRecordedAndTold) {
  open();
  std::vector<RouteStatus> told;
  control_->set_change_listener([&](const RouteStatus& status) { told.push_back(status); });
  clock_.advance_ns(5);
  const std::uint64_t epoch = control_->epoch();
  const auto status = control_->set("orders", candidate(kShareWhole), "ada", "looks\ngood");
  ASSERT_TRUE(status.ok()) << status.error().message;
  // On disk before it was in force: no waiting here.
  EXPECT_EQ(saved().routes[0].dials.candidate_share, kShareWhole);
  EXPECT_EQ(primary_of("/orders/1"), System::kCandidate);
  EXPECT_EQ(status->changed_by, "ada");
  EXPECT_EQ(status->changed_reason, "looks\\x0agood");
  EXPECT_EQ(status->changed_wall_ns, clock_.wall_ns());
  EXPECT_EQ(control_->epoch(), epoch + 1);
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].name, "orders");
  const auto record = sink_.seen().back();
  EXPECT_EQ(record.action, "set");
  EXPECT_EQ(record.route, "orders");
  EXPECT_EQ(record.by, "ada");
  EXPECT_EQ(record.epoch, epoch + 1);
  EXPECT_EQ(record.before.candidate_share, 0U);
  EXPECT_EQ(record.after.candidate_share, kShareWhole);
}

TEST_F(RoutingControlTest, RefusesChangesThatMakeNoSense) {
  open();
  EXPECT_EQ(control_->set("orders", candidate(kShareWhole + 1), "a", "").error().code,
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(control_->set("orders", DialsPatch(), "a", "").error().code,
            ErrorCode::kInvalidArgument);
  const auto unknown = control_->set("order", candidate(1), "a", "");
  EXPECT_EQ(unknown.error().code, ErrorCode::kNotFound);
  EXPECT_NE(unknown.error().message.find("did you mean \"orders\""), std::string::npos);
  EXPECT_EQ(control_->rollback("nope", "a", "").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(control_->reset("nope", "a", "").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(sink_.seen().size(), 2U);
}

TEST_F(RoutingControlTest, RunTimeChangesOutliveARestartAndEpochsGrow) {
  open();
  DialsPatch patch = candidate(1234);
  patch.mirror_share = 77;
  patch.mirror_writes = true;
  ASSERT_TRUE(control_->set("orders", patch, "ada", "why").ok());
  const std::uint64_t epoch = control_->epoch();
  open();
  EXPECT_GT(control_->epoch(), epoch);
  const RouteStatus status = status_of("orders");
  EXPECT_EQ(status.dials, (model::Dials{1234, 77, true}));
  EXPECT_EQ(status.configured, (model::Dials{0, 10000, false}));
  EXPECT_EQ(status.changed_by, "ada");
  EXPECT_EQ(status.conflict, "");
  EXPECT_TRUE(warnings_.empty());
}

TEST_F(RoutingControlTest, BucketsSurviveARestart) {
  open();
  settle();
  const std::string salt = saved().salt;
  EXPECT_EQ(salt.size(), 16U);
  open();
  settle();
  EXPECT_EQ(saved().salt, salt);
  options_.salt = "fleet";
  open();
  EXPECT_TRUE(warned_of("salt"));
  settle();
  EXPECT_EQ(saved().salt, "fleet");
}

TEST_F(RoutingControlTest, RollbackIsLatchedUntilAPersonRaisesIt) {
  options_.routes[0].dials.candidate_share = 5000;
  open();
  const auto rolled = control_->rollback("orders", "ada", "errors");
  ASSERT_TRUE(rolled.ok());
  ASSERT_EQ(rolled->size(), 1U);
  EXPECT_TRUE((*rolled)[0].is_rolled_back);
  EXPECT_EQ((*rolled)[0].dials, (model::Dials{0, 10000, false}));
  settle();
  // Not even a config that asks for more lifts it.
  options_.routes[0].dials.candidate_share = 9000;
  open();
  EXPECT_EQ(share_of("orders"), 0U);
  EXPECT_TRUE(status_of("orders").is_rolled_back);
  EXPECT_NE(status_of("orders").conflict, "");
  DialsPatch mirror;
  mirror.mirror_share = 100;
  ASSERT_TRUE(control_->set("orders", mirror, "ada", "").ok());
  EXPECT_TRUE(status_of("orders").is_rolled_back);
  ASSERT_TRUE(control_->set("orders", candidate(1), "ada", "").ok());
  EXPECT_FALSE(status_of("orders").is_rolled_back);
  ASSERT_TRUE(control_->rollback("", "ada", "").ok());
  EXPECT_TRUE(status_of("rest").is_rolled_back);
  ASSERT_TRUE(control_->reset("orders", "ada", "").ok());
  EXPECT_FALSE(status_of("orders").is_rolled_back);
  EXPECT_EQ(share_of("orders"), 9000U);
}

TEST_F(RoutingControlTest, RollbackOfAllIsOneTable) {
  options_.routes[0].dials.candidate_share = options_.routes[1].dials.candidate_share = kShareWhole;
  open();
  const std::uint64_t epoch = control_->epoch();
  ASSERT_TRUE(control_->rollback("", "ada", "").ok());
  EXPECT_EQ(control_->epoch(), epoch + 1);
  EXPECT_EQ(primary_of("/orders/1"), System::kLegacy);
  EXPECT_EQ(primary_of("/"), System::kLegacy);
  ASSERT_EQ(sink_.seen().size(), 4U);
  EXPECT_EQ(sink_.seen()[3].action, "rollback");
  EXPECT_EQ(sink_.seen()[3].epoch, epoch + 1);
}

TEST_F(RoutingControlTest, WhereConfigAndRunTimeDisagreeTheLowerShareHolds) {
  options_.routes[0].dials.candidate_share = 1000;
  open();
  ASSERT_TRUE(control_->set("orders", candidate(5000), "ada", "").ok());
  // Raised in the file: the run-time value is lower and stays.
  options_.routes[0].dials.candidate_share = 8000;
  open();
  EXPECT_EQ(share_of("orders"), 5000U);
  EXPECT_NE(status_of("orders").conflict.find("candidate_percent is 80.00"), std::string::npos)
      << status_of("orders").conflict;
  EXPECT_TRUE(warned_of("candidate_percent is 80.00"));
  // Lowered below it: that holds, also when the file goes up again.
  options_.routes[0].dials.candidate_share = 200;
  open();
  EXPECT_EQ(share_of("orders"), 200U);
  EXPECT_NE(status_of("orders").conflict, "");
  options_.routes[0].dials.candidate_share = 9000;
  open();
  EXPECT_EQ(share_of("orders"), 200U);
  // A person decides: the conflict is over.
  ASSERT_TRUE(control_->set("orders", candidate(300), "ada", "").ok());
  EXPECT_EQ(status_of("orders").conflict, "");
  open();
  EXPECT_EQ(share_of("orders"), 300U);
  ASSERT_TRUE(control_->reset("orders", "ada", "").ok());
  EXPECT_EQ(share_of("orders"), 9000U);
  EXPECT_EQ(sink_.seen().back().action, "reset");
  // From here on the config rules again.
  options_.routes[0].dials.candidate_share = 50;
  open();
  EXPECT_EQ(share_of("orders"), 50U);
  EXPECT_EQ(status_of("orders").conflict, "");
}

TEST_F(RoutingControlTest, MirrorDialsInConflictKeepTheRunTimeValue) {
  open();
  DialsPatch patch;
  patch.mirror_share = 0;
  patch.mirror_writes = true;
  ASSERT_TRUE(control_->set("orders", patch, "ada", "").ok());
  settle();
  options_.routes[0].dials.mirror_share = 5000;
  open();
  EXPECT_EQ(status_of("orders").dials, (model::Dials{0, 0, true}));
  EXPECT_NE(status_of("orders").conflict.find("mirror_percent is 50.00"), std::string::npos);
}

TEST_F(RoutingControlTest, RoutesThatLeftTheConfigAreForgottenWithAWarning) {
  open();
  ASSERT_TRUE(control_->set("orders", candidate(5000), "ada", "").ok());
  options_.routes.erase(options_.routes.begin());
  open();
  EXPECT_TRUE(warned_of("\"orders\" is not in the config any more"));
  settle();
  EXPECT_EQ(saved().routes.size(), 1U);
}

TEST_F(RoutingControlTest, ALostStateMeansLegacyLatchedAndLoud) {
  options_.routes[0].dials.candidate_share = 5000;
  open();
  const std::uint64_t epoch = control_->epoch();
  control_.reset();
  ASSERT_TRUE(files_.remove(kFile).ok());
  open();
  EXPECT_TRUE(warned_of("is missing"));
  EXPECT_EQ(share_of("orders"), 0U);
  EXPECT_TRUE(status_of("orders").is_rolled_back);
  EXPECT_GT(control_->epoch(), epoch);
  // And it stays so over the next start.
  settle();
  open();
  EXPECT_TRUE(warnings_.empty());
  EXPECT_EQ(share_of("orders"), 0U);
}

TEST_F(RoutingControlTest, ADamagedStateMeansLegacyAndIsKeptAside) {
  options_.routes[0].dials.candidate_share = 5000;
  open();
  control_.reset();
  const std::string before = files_.content(kFile);
  files_.flip_byte(kFile, before.size() / 2);
  const std::string damaged = files_.content(kFile);
  open();
  EXPECT_TRUE(warned_of("damaged"));
  EXPECT_EQ(primary_of("/orders/1"), System::kLegacy);
  EXPECT_TRUE(status_of("orders").is_rolled_back);
  EXPECT_EQ(files_.content(std::string(kFile) + ".damaged"), damaged);
  settle();
  EXPECT_EQ(saved().routes[0].dials.candidate_share, 0U);
}

TEST_F(RoutingControlTest, AnUnreadableStateMeansLegacy) {
  options_.routes[0].dials.candidate_share = 5000;
  open();
  control_.reset();
  files_.fail_call(Call::kRead, 1, EIO);
  open();
  EXPECT_EQ(share_of("orders"), 0U);
  EXPECT_FALSE(warnings_.empty());
}

TEST_F(RoutingControlTest, RollbackWorksWhileTheDiskHangs) {
  options_.routes[0].dials.candidate_share = kShareWhole;
  open();
  files_.hang(Call::kSync);
  const auto rolled = control_->rollback("", "signal", "SIGUSR2");
  ASSERT_TRUE(rolled.ok());
  EXPECT_EQ(primary_of("/orders/1"), System::kLegacy);
  EXPECT_TRUE(control_->has_unpersisted_change());
  ASSERT_TRUE(eventually([&] { return files_.is_hanging(); }));
  // Again and again, also while the first one is stuck in the disk.
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(control_->rollback("orders", "ada", "").ok());
  DialsPatch mirror;
  mirror.mirror_share = 0;
  ASSERT_TRUE(control_->set("orders", mirror, "ada", "").ok());
  EXPECT_EQ(status_of("orders").dials.mirror_share, 0U);
  files_.release();
  settle();
  EXPECT_EQ(saved().routes[0].dials, (model::Dials{0, 0, false}));
}

TEST_F(RoutingControlTest, ARaiseIsRefusedWhileTheDiskHangsAndStaysRefused) {
  options_.persist_wait_ns = 50'000'000;
  open();
  settle();
  files_.hang(Call::kSync);
  const auto raised = control_->set("orders", candidate(kShareWhole), "ada", "");
  ASSERT_FALSE(raised.ok());
  EXPECT_EQ(raised.error().code, ErrorCode::kUnavailable);
  EXPECT_TRUE(raised.error().may_retry);
  EXPECT_EQ(share_of("orders"), 0U);
  EXPECT_EQ(primary_of("/orders/1"), System::kLegacy);
  files_.release();
  settle();
  EXPECT_EQ(saved().routes[0].dials.candidate_share, 0U);
  EXPECT_EQ(primary_of("/orders/1"), System::kLegacy);
  EXPECT_TRUE(control_->set("orders", candidate(kShareWhole), "ada", "").ok());
}

TEST_F(RoutingControlTest, ARollbackDuringARaiseWins) {
  options_.persist_wait_ns = 20'000'000'000;
  open();
  settle();
  files_.hang(Call::kSync);
  std::thread person([&] {
    const auto raised = control_->set("orders", candidate(kShareWhole), "ada", "");
    ASSERT_FALSE(raised.ok());
    EXPECT_EQ(raised.error().code, ErrorCode::kCancelled);
  });
  EXPECT_TRUE(eventually([&] { return files_.is_hanging(); }));
  EXPECT_TRUE(control_->rollback("orders", "bob", "").ok());
  files_.release();
  person.join();
  settle();
  EXPECT_EQ(share_of("orders"), 0U);
  EXPECT_TRUE(status_of("orders").is_rolled_back);
  EXPECT_EQ(saved().routes[0].dials.candidate_share, 0U);
}

TEST_F(RoutingControlTest, ChangesOfOtherRoutesDuringARaiseAreKept) {
  options_.persist_wait_ns = 20'000'000'000;
  open();
  settle();
  files_.hang(Call::kSync);
  std::thread person(
      [&] { EXPECT_TRUE(control_->set("orders", candidate(kShareWhole), "ada", "").ok()); });
  EXPECT_TRUE(eventually([&] { return files_.is_hanging(); }));
  DialsPatch mirror;
  mirror.mirror_share = 1;
  EXPECT_TRUE(control_->set("orders", mirror, "bob", "").ok());
  EXPECT_TRUE(control_->rollback("rest", "bob", "").ok());
  EXPECT_EQ(share_of("orders"), 0U);
  files_.release();
  person.join();
  EXPECT_EQ(status_of("orders").dials, (model::Dials{kShareWhole, 1, false}));
  settle();
  EXPECT_EQ(saved().routes[0].dials, (model::Dials{kShareWhole, 1, false}));
  EXPECT_TRUE(saved().routes[1].is_rolled_back);
}

TEST_F(RoutingControlTest, AFullDiskRefusesARaiseAtOnceAndAlarmsUntilItIsWritten) {
  open();
  settle();
  files_.fail_call(Call::kWrite, 1, ENOSPC, 3);
  const auto raised = control_->set("orders", candidate(1), "ada", "");
  ASSERT_FALSE(raised.ok());
  EXPECT_EQ(raised.error().system_errno, ENOSPC);
  EXPECT_EQ(share_of("orders"), 0U);
  EXPECT_TRUE(control_->has_unpersisted_change());
  EXPECT_NE(control_->persist_error(), "");
  ASSERT_TRUE(control_->rollback("orders", "ada", "").ok());
  settle();
  EXPECT_EQ(control_->persist_error(), "");
  EXPECT_GE(control_->persist_failures(), 1U);
  EXPECT_TRUE(saved().routes[0].is_rolled_back);
}

TEST_F(RoutingControlTest, AConfigThatRaisesIsHeldWhereTheStateCannotBeSaved) {
  open();
  settle();
  control_.reset();
  options_.persist_wait_ns = 50'000'000;
  options_.routes[0].dials.candidate_share = 5000;
  files_.fail_call(Call::kWrite, 1, ENOSPC, 1000);
  open();
  EXPECT_EQ(share_of("orders"), 0U);
  EXPECT_TRUE(warned_of("stays at candidate_percent 0.00"));
  files_.clear_failures();
  settle();
}

// Whatever call the disk dies at, and whatever it then forgets, the file is the old or the new one.
TEST_F(RoutingControlTest, AfterAPowerCutAtAnyStepTheFileIsOldOrNew) {
  for (std::uint64_t step = 1; step < 40; ++step) {
    MemoryFileSystem disk;
    std::vector<std::string> warnings;
    RoutingOptions options = options_;
    options.persist_wait_ns = 20'000'000;
    auto keys = test_keys(disk);
    bool was_acknowledged = false;
    std::uint64_t changes = 0;
    {
      auto opened = RoutingControl::open(disk, clock_, options, *keys, nullptr, warnings);
      ASSERT_TRUE(opened.ok());
      ASSERT_TRUE(eventually([&] { return !(*opened)->has_unpersisted_change(); }));
      disk.fail_any_change(step, EIO);
      const std::uint64_t before = disk.changes();
      was_acknowledged = (*opened)->set("orders", candidate(4200), "ada", "").ok();
      changes = disk.changes() - before;
      disk.fail_any_change(1, EIO);  // The process dies here: nothing more reaches the disk.
    }
    disk.clear_failures();
    disk.drop_unsynced();
    auto again = RoutingControl::open(disk, clock_, options, *keys, nullptr, warnings);
    ASSERT_TRUE(again.ok());
    EXPECT_TRUE(warnings.empty()) << step << ": " << warnings[0];
    const std::uint32_t share = (*again)->list()[0].dials.candidate_share;
    EXPECT_TRUE(share == 0 || share == 4200) << step;
    if (was_acknowledged) {
      EXPECT_EQ(share, 4200U) << step;
    }
    if (was_acknowledged && changes < step) return;  // Beyond the last step of one save.
  }
  ADD_FAILURE() << "a save takes more steps than expected";
}

// ---- reload

class RoutingReloadTest : public RoutingControlTest {
 protected:
  bool is_refused_ = false;
  Status reload(std::vector<RouteOptions> routes, const std::function<void()>& before = {}) {
    RoutingOptions next = options_;
    next.routes = std::move(routes);
    warnings_.clear();
    return control_->reload(
        std::move(next),
        [&](const RoutingControl::Publish& publish) {
          if (before) before();
          if (is_refused_) return false;
          publish();
          return true;
        },
        warnings_);
  }
};

TEST_F(RoutingReloadTest, RoutesComeGoAndMoveInOneTable) {
  open();
  std::shared_ptr<const RoutingTable> before;
  control_->cell().load(before);
  ASSERT_TRUE(
      reload({route_named("stock", "/stock/**", kShareWhole), route_named("rest", "")}).ok());
  std::shared_ptr<const RoutingTable> after;
  control_->cell().load(after);
  ASSERT_EQ(after->routes().size(), 2U);
  EXPECT_EQ(after->routes()[0].options.name, "stock");
  EXPECT_GT(after->epoch(), before->epoch());
  EXPECT_EQ(primary_of("/stock/1"), System::kCandidate);
  EXPECT_EQ(primary_of("/orders/1"), System::kLegacy);
  EXPECT_FALSE(control_->set("orders", candidate(100), "ada", "").ok());
  settle();
  EXPECT_EQ(saved().routes.size(), 2U);
  EXPECT_EQ(saved().routes[0].dials.candidate_share, kShareWhole);
  EXPECT_EQ(sink_.seen().back().action, "reload");
  ASSERT_EQ(warnings_.size(), 1U);
  EXPECT_NE(warnings_[0].find("\"orders\""), std::string::npos);
}

TEST_F(RoutingReloadTest, WhatPeopleSetBeatsTheFileUntilReset) {
  open();
  ASSERT_TRUE(control_->set("orders", candidate(2500), "ada", "canary").ok());
  ASSERT_TRUE(reload({route_named("orders", "/orders/**"), route_named("rest", "")}).ok());
  EXPECT_EQ(share_of("orders"), 2500U);
  EXPECT_TRUE(status_of("orders").conflict.empty());
  // The file's new value is higher: the lower one holds, and it is said.
  ASSERT_TRUE(reload({route_named("orders", "/orders/**", 5000), route_named("rest", "")}).ok());
  EXPECT_EQ(share_of("orders"), 2500U);
  EXPECT_FALSE(status_of("orders").conflict.empty());
  // Lower than what is in force: it acts, and stays lowered.
  ASSERT_TRUE(reload({route_named("orders", "/orders/**", 1000), route_named("rest", "")}).ok());
  EXPECT_EQ(share_of("orders"), 1000U);
  ASSERT_TRUE(control_->reset("orders", "ada", "").ok());
  EXPECT_EQ(share_of("orders"), 1000U);
  ASSERT_TRUE(reload({route_named("orders", "/orders/**", 7000), route_named("rest", "")}).ok());
  EXPECT_EQ(share_of("orders"), 7000U);
}

TEST_F(RoutingReloadTest, ARolledBackRouteStaysBack) {
  open();
  ASSERT_TRUE(control_->rollback("", "ada", "").ok());
  ASSERT_TRUE(reload({route_named("orders", "", kShareWhole), route_named("rest", "", 1)}).ok());
  EXPECT_EQ(share_of("orders"), 0U);
  EXPECT_TRUE(status_of("orders").is_rolled_back);
}

TEST_F(RoutingReloadTest, RoutesThatCannotBeCompiledChangeNothing) {
  open();
  bool was_called = false;
  EXPECT_FALSE(
      reload({route_named("a", "/a"), route_named("a", "/b")}, [&] { was_called = true; }).ok());
  EXPECT_FALSE(was_called);
  EXPECT_EQ(control_->list().size(), 2U);
  EXPECT_EQ(control_->list()[0].name, "orders");
}

TEST_F(RoutingReloadTest, ARaiseThatTheDiskDoesNotTakeRefusesTheWhole) {
  options_.persist_wait_ns = 50'000'000;
  open();
  settle();
  files_.hang(Call::kSync);
  bool was_called = false;
  const Status refused = reload({route_named("orders", "/other/**", 100), route_named("rest", "")},
                                [&] { was_called = true; });
  ASSERT_FALSE(refused.ok());
  EXPECT_TRUE(refused.error().may_retry);
  EXPECT_FALSE(was_called);
  EXPECT_EQ(share_of("orders"), 0U);
  files_.release();
  settle();
  EXPECT_EQ(saved().routes[0].dials.candidate_share, 0U);
  // One that raises nothing needs no disk.
  files_.hang(Call::kSync);
  EXPECT_TRUE(reload({route_named("only", "")}).ok());
  EXPECT_EQ(control_->list().size(), 1U);
}

TEST_F(RoutingReloadTest, WhereTheRestIsNotReadyNothingChanges) {
  open();
  is_refused_ = true;
  EXPECT_FALSE(reload({route_named("orders", "/orders/**", 100)}).ok());
  EXPECT_EQ(control_->list().size(), 2U);
  EXPECT_EQ(share_of("orders"), 0U);
  settle();
  EXPECT_EQ(saved().routes.size(), 2U);
  EXPECT_EQ(saved().routes[0].dials.candidate_share, 0U);
  // The next one is not held up.
  is_refused_ = false;
  EXPECT_TRUE(reload({route_named("orders", "/orders/**", 100)}).ok());
  EXPECT_EQ(share_of("orders"), 100U);
}

TEST_F(RoutingReloadTest, ARollbackDuringAReloadStands) {
  open();
  ASSERT_TRUE(control_->set("orders", candidate(2500), "ada", "").ok());
  const Status reloaded =
      reload({route_named("orders", "/orders/**", 2500), route_named("rest", "", kShareWhole)},
             [&] { ASSERT_TRUE(control_->rollback("orders", "signal", "SIGUSR2").ok()); });
  ASSERT_TRUE(reloaded.ok());
  EXPECT_EQ(share_of("orders"), 0U);
  EXPECT_EQ(share_of("rest"), kShareWhole);
  settle();
  EXPECT_EQ(saved().routes[0].dials.candidate_share, 0U);
}

TEST_F(RoutingReloadTest, ARaiseAsksForItsRouteAfterTheReload) {
  open();
  // The raise waits for the reload's turn, and then its route is gone.
  std::thread raising;
  Status raised;
  ASSERT_TRUE(reload({route_named("rest", "")}, [&] {
                raising = std::thread([&] {
                  raised = control_->set("orders", candidate(kShareWhole), "ada", "").status();
                });
              }).ok());
  raising.join();
  EXPECT_EQ(control_->list().size(), 1U);
  EXPECT_EQ(share_of("rest"), 0U);
}

}  // namespace
}  // namespace banyan::routing
