// SPDX-License-Identifier: Apache-2.0
//
// A FindingsStore in a folder of its own over a log in memory.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "comparator/findings.h"
#include "tests/support/memory_log.h"

namespace banyan::comparator {

class FindingsFixture : public testing::Test {
 protected:
  FindingsFixture() {
    std::string pattern = testing::TempDir() + "banyan-findings-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
    reopen();
  }
  ~FindingsFixture() override {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }
  std::string file() const { return directory_ + "/findings.sqlite"; }
  void reopen(const FindingsBounds& bounds = {}) {
    store_.reset();
    auto store = FindingsStore::open(file(), clock_, {}, bounds);
    ASSERT_TRUE(store.ok()) << store.error().message;
    store_ = std::move(store).value();
  }
  void catch_up(std::size_t step = 1000) { catch_up(*store_, step); }
  void catch_up(FindingsStore& store, std::size_t step = 1000) {
    for (;;) {
      auto more = store.catch_up(log_, step);
      ASSERT_TRUE(more.ok()) << more.error().message;
      if (!*more) return;
    }
  }
  std::vector<Finding> list(const FindingFilter& filter = {}) {
    auto findings = store_->list(filter);
    EXPECT_TRUE(findings.ok());
    return findings.ok() ? *findings : std::vector<Finding>();
  }

  ManualClock clock_;
  support::MemoryLog log_{clock_};
  std::string directory_;
  std::unique_ptr<FindingsStore> store_;
};

}  // namespace banyan::comparator
