// SPDX-License-Identifier: Apache-2.0
#include "app/seal_key_retirement.h"

#include <pthread.h>

#include "core/obs/log.h"

namespace banyan::app {

void SealKeyRetirement::start() {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "seal-keys");
    run();
  });
}

void SealKeyRetirement::stop() {
  {
    MutexLock lock(mutex_);
    is_stopping_ = true;
  }
  stop_signal_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void SealKeyRetirement::run() {
  while (true) {
    look();
    MutexLock lock(mutex_);
    // A spurious wake-up costs one early look.
    if (!is_stopping_) lock.wait_for(stop_signal_, kLookEvery);
    if (is_stopping_) return;
  }
}

void SealKeyRetirement::look() { tell(retire()); }

Status SealKeyRetirement::retire() {
  const Status pruned = prune_subjects();
  const Status retired = retire_epochs();
  return pruned.ok() ? retired : pruned;
}

Status SealKeyRetirement::prune_subjects() {
  if (subjects_ == nullptr) return {};
  const auto oldest = recorder_.oldest_append_ns();
  return oldest.ok() ? subjects_->prune(*oldest) : oldest.error();
}

Status SealKeyRetirement::retire_epochs() {
  const auto oldest = recorder_.oldest_epoch();
  if (!oldest.ok()) return oldest.error();
  if (*oldest <= kept_from_) return {};
  BANYAN_RETURN_IF_ERROR(keys_.destroy_before(*oldest));
  kept_from_ = *oldest;
  return {};
}

// A look that met retention between two of its steps fails once and is no news.
void SealKeyRetirement::tell(const Status& status) {
  const std::string failure = status.ok() ? std::string() : status.error().message;
  failed_looks_ = failure == failure_ ? failed_looks_ + 1 : 1;
  failure_ = failure;
  if (failure_.empty() || failed_looks_ != 2) return;
  obs::log_warning("app", "seal keys that are not needed any more cannot be destroyed: " +
                              failure_ + "; trying again");
}

}  // namespace banyan::app
