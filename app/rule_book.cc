// SPDX-License-Identifier: Apache-2.0
#include "app/rule_book.h"

#include <algorithm>
#include <utility>

#include "core/base/text.h"
#include "core/obs/log.h"

namespace banyan::app {

using comparator::CompiledRules;
using comparator::SavedRule;
using comparator::with_saved;

Result<std::unique_ptr<RuleBook>> RuleBook::open(FileSystem& files, std::string data_dir,
                                                 comparator::ComparatorOptions config) {
  std::unique_ptr<RuleBook> book(new RuleBook(files, std::move(data_dir), std::move(config)));
  MutexLock lock(book->mutex_);
  book->load();
  auto compiled = CompiledRules::compile(with_saved(book->config_, book->saved_));
  if (!compiled.ok()) return compiled.error();
  book->rules_ = *std::move(compiled);
  return book;
}

void RuleBook::load() {
  set_problem("");
  saved_.clear();
  auto read = comparator::read_saved_rules(files_, data_dir_);
  if (read.ok()) {
    saved_ = *std::move(read);
    return;
  }
  std::string problem = "saved rules are not in force: " + read.error().message;
  obs::log_error("rules", problem);
  set_problem(std::move(problem));
}

void RuleBook::set_problem(std::string problem) {
  MutexLock lock(problem_mutex_);
  problem_ = std::move(problem);
}

RuleBook::Rules RuleBook::rules() const {
  MutexLock lock(mutex_);
  return rules_;
}

void RuleBook::set_publish(Publish publish) {
  MutexLock lock(mutex_);
  publish_ = std::move(publish);
}

std::string RuleBook::problem() const {
  MutexLock lock(problem_mutex_);
  return problem_;
}

Status RuleBook::check(const comparator::ComparatorOptions& config) const {
  MutexLock lock(mutex_);
  return CompiledRules::compile(with_saved(config, saved_)).status();
}

void RuleBook::replace_config(comparator::ComparatorOptions config) {
  MutexLock lock(mutex_);
  if (!problem().empty()) load();
  auto compiled = CompiledRules::compile(with_saved(config, saved_));
  if (!compiled.ok()) {
    obs::log_error("rules", "[[compare]] stays as it was: " + compiled.error().message);
    return;
  }
  config_ = std::move(config);
  rules_ = *std::move(compiled);
  if (publish_) publish_(rules_);
}

admin::RulesInForce RuleBook::in_force() const {
  MutexLock lock(mutex_);
  return {config_, saved_, rules_->version(), problem()};
}

Status RuleBook::change(std::vector<SavedRule> next) {
  if (const std::string why = problem(); !why.empty()) {
    return make_error(ErrorCode::kDamaged, ErrorOrigin::kDisk, why);
  }
  auto compiled = CompiledRules::compile(with_saved(config_, next));
  if (!compiled.ok()) return compiled.error();
  BANYAN_RETURN_IF_ERROR(comparator::write_saved_rules(files_, data_dir_, next));
  saved_ = std::move(next);
  rules_ = *std::move(compiled);
  if (publish_) publish_(rules_);
  return {};
}

Result<SavedRule> RuleBook::add(SavedRule rule) {
  MutexLock lock(mutex_);
  if (saved_.size() >= comparator::kSavedRulesMax) {
    return make_error(ErrorCode::kExhausted, ErrorOrigin::kClient,
                      "there are " + std::to_string(saved_.size()) +
                          " saved rules, which is the most; remove some, or move them to the "
                          "config");
  }
  comparator::name_rule(rule, saved_);
  std::vector<SavedRule> next = saved_;
  next.push_back(rule);
  BANYAN_RETURN_IF_ERROR(change(std::move(next)));
  obs::log_warning("rules", "rule " + rule.rule.id + " saved by " + rule.by + ": " +
                                rule.rule.reason + (rule.forced.empty() ? "" : " (forced)"));
  return rule;
}

Result<SavedRule> RuleBook::remove(std::string_view id, std::string_view by) {
  MutexLock lock(mutex_);
  const auto found = std::find_if(saved_.begin(), saved_.end(),
                                  [&](const SavedRule& rule) { return rule.rule.id == id; });
  if (found == saved_.end()) {
    return make_error(ErrorCode::kNotFound, ErrorOrigin::kClient,
                      "no saved rule has the id " + escape_for_terminal(id, 64));
  }
  SavedRule removed = *found;
  std::vector<SavedRule> next = saved_;
  next.erase(next.begin() + (found - saved_.begin()));
  BANYAN_RETURN_IF_ERROR(change(std::move(next)));
  obs::log_warning("rules", "rule " + removed.rule.id + " removed by " + std::string(by));
  return removed;
}

}  // namespace banyan::app
