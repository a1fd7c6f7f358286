// SPDX-License-Identifier: Apache-2.0
//
// The rules in force: those of the config and those that people saved (data_dir/state/rules). A
// change of either is compiled, saved, and published as a whole or not at all.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "admin/rules_service.h"
#include "comparator/compare.h"
#include "core/base/file_system.h"
#include "core/base/mutex.h"

namespace banyan::app {

// Any thread. A damaged file is no obstacle to serving: then the saved rules cover nothing, which
// shows differences and hides none, and they cannot be changed until it is mended.
class RuleBook final : public admin::RulesService {
 public:
  using Rules = std::shared_ptr<const comparator::CompiledRules>;
  using Publish = std::function<void(const Rules&)>;

  // An error where the config's own rules cannot be compiled.
  static Result<std::unique_ptr<RuleBook>> open(FileSystem& files, std::string data_dir,
                                                comparator::ComparatorOptions config);
  Rules rules() const;
  // Called with the rules that follow whenever they change.
  void set_publish(Publish publish);

  // Whether a reload to these can be taken over.
  Status check(const comparator::ComparatorOptions& config) const;
  // Takes them over; a damaged file is read again.
  void replace_config(comparator::ComparatorOptions config);

  admin::RulesInForce in_force() const override;
  Result<comparator::SavedRule> add(comparator::SavedRule rule) override;
  Result<comparator::SavedRule> remove(std::string_view id, std::string_view by) override;
  // "" where all is well. Never waits for the disk.
  std::string problem() const;

 private:
  RuleBook(FileSystem& files, std::string data_dir, comparator::ComparatorOptions config)
      : files_(files), data_dir_(std::move(data_dir)), config_(std::move(config)) {}
  void load() REQUIRES(mutex_);
  void set_problem(std::string problem);
  // Saves these and has them in force; nothing has changed where that fails.
  Status change(std::vector<comparator::SavedRule> next) REQUIRES(mutex_);

  FileSystem& files_;
  const std::string data_dir_;
  mutable Mutex mutex_;
  comparator::ComparatorOptions config_ GUARDED_BY(mutex_);
  std::vector<comparator::SavedRule> saved_ GUARDED_BY(mutex_);
  Rules rules_ GUARDED_BY(mutex_);
  Publish publish_ GUARDED_BY(mutex_);
  mutable Mutex problem_mutex_;  // taken after mutex_
  std::string problem_ GUARDED_BY(problem_mutex_);
};

}  // namespace banyan::app
