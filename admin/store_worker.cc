// SPDX-License-Identifier: Apache-2.0
#include "admin/store_worker.h"

#include <pthread.h>

namespace banyan::admin {

StoreWorker::StoreWorker(std::size_t queue_max, std::function<bool()> idle)
    : queue_(queue_max), idle_(std::move(idle)) {}

StoreWorker::~StoreWorker() { stop(); }

void StoreWorker::start() {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "admin-store");
    run();
  });
}

void StoreWorker::stop() {
  queue_.close();
  if (thread_.joinable()) thread_.join();
}

void StoreWorker::run() {
  bool has_more = true;
  for (;;) {
    auto task = queue_.pop(has_more ? std::chrono::milliseconds(0) : kIdleEvery);
    if (task) {
      (*task)->run();
      continue;
    }
    if (queue_.is_closed()) return;
    has_more = idle_();
  }
}

}  // namespace banyan::admin
