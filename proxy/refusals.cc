// SPDX-License-Identifier: Apache-2.0
#include "proxy/refusals.h"

#include <utility>

namespace banyan::proxy {

void Refusals::add(Refusal refusal) {
  MutexLock lock(mutex_);
  auto found = reasons_.find({refusal.from, refusal.reason});
  if (found == reasons_.end()) {
    if (reasons_.size() >= kReasonsMax) return;
    Reason made;
    made.from = refusal.from;
    made.reason = refusal.reason;
    found = reasons_.emplace(std::pair(refusal.from, refusal.reason), std::move(made)).first;
  }
  Reason& reason = found->second;
  ++reason.count;
  reason.samples.push_back(std::move(refusal));
  if (reason.samples.size() > kSamplesPerReason) reason.samples.pop_front();
}

std::vector<Refusals::Reason> Refusals::list() const {
  MutexLock lock(mutex_);
  std::vector<Reason> all;
  for (const auto& [key, reason] : reasons_) all.push_back(reason);
  return all;
}

}  // namespace banyan::proxy
