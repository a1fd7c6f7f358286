// SPDX-License-Identifier: Apache-2.0
#include "routing/state_persister.h"

#include <algorithm>
#include <condition_variable>
#include <optional>
#include <thread>
#include <utility>

#include "core/base/mutex.h"
#include "core/obs/log.h"

namespace banyan::routing {
namespace {

constexpr std::chrono::milliseconds kFirstPause(100);
constexpr std::chrono::milliseconds kLongestPause(5000);

}  // namespace

// Held by the owner and by the thread: a thread stuck in a hung disk may outlive its owner.
struct StatePersister::Shared {
  Shared(FileSystem& the_files, std::string the_directory, std::string name)
      : files(the_files), directory(std::move(the_directory)), path(directory + "/" + name) {}

  FileSystem& files;
  const std::string directory;
  const std::string path;
  Mutex mutex;
  std::condition_variable changed;
  std::string content GUARDED_BY(mutex);
  std::uint64_t wanted GUARDED_BY(mutex) = 0;   // number of `content`
  std::uint64_t written GUARDED_BY(mutex) = 0;  // newest number on disk
  std::uint64_t tried GUARDED_BY(mutex) = 0;    // newest number whose write failed
  std::optional<Error> error GUARDED_BY(mutex);
  std::uint64_t failures GUARDED_BY(mutex) = 0;
  bool is_stopping GUARDED_BY(mutex) = false;
  bool has_ended GUARDED_BY(mutex) = false;

  Status write(const std::string& bytes) {
    BANYAN_RETURN_IF_ERROR(files.make_directories(directory));
    return files.write_file_atomically(path, bytes);
  }
};

StatePersister::StatePersister(FileSystem& files, std::string directory, std::string name)
    : shared_(std::make_shared<Shared>(files, std::move(directory), std::move(name))) {
  // Detached, because a join could wait for a hung disk for ever; the destructor waits for
  // has_ended.
  std::thread([shared = shared_] { run(shared); }).detach();
}

StatePersister::~StatePersister() {
  const auto deadline = std::chrono::steady_clock::now() + last_patience_;
  MutexLock lock(shared_->mutex);
  shared_->is_stopping = true;
  shared_->changed.notify_all();
  while (!shared_->has_ended) {
    const auto left = deadline - std::chrono::steady_clock::now();
    if (left <= std::chrono::nanoseconds(0)) return;
    lock.wait_for(shared_->changed, left);
  }
}

void StatePersister::run(const std::shared_ptr<Shared>& shared) {
  auto pause = kFirstPause;
  for (;;) {
    std::string bytes;
    std::uint64_t number = 0;
    bool is_last = false;
    {
      MutexLock lock(shared->mutex);
      while (shared->wanted == shared->written && !shared->is_stopping) lock.wait(shared->changed);
      is_last = shared->is_stopping;
      if (shared->wanted == shared->written) break;
      bytes = shared->content;
      number = shared->wanted;
    }
    const Status status = shared->write(bytes);
    MutexLock lock(shared->mutex);
    if (status.ok()) {
      shared->written = number;
      shared->error.reset();
      pause = kFirstPause;
      shared->changed.notify_all();
      if (is_last) break;
      continue;
    }
    ++shared->failures;
    shared->tried = number;
    shared->error = status.error();
    shared->changed.notify_all();
    obs::log_error("routing",
                   "cannot save the routing state, trying again: " + status.error().message);
    if (is_last) break;
    const auto deadline = std::chrono::steady_clock::now() + pause;
    // New content does not cut the pause to zero: a full disk must not make us spin.
    while (!shared->is_stopping) {
      const auto left = deadline - std::chrono::steady_clock::now();
      if (left <= std::chrono::nanoseconds(0)) break;
      lock.wait_for(shared->changed, left);
    }
    pause = std::min(pause * 2, kLongestPause);
  }
  MutexLock lock(shared->mutex);
  shared->has_ended = true;
  shared->changed.notify_all();
}

std::uint64_t StatePersister::save(std::string content) {
  MutexLock lock(shared_->mutex);
  shared_->content = std::move(content);
  const std::uint64_t number = ++shared_->wanted;
  shared_->changed.notify_all();
  return number;
}

Status StatePersister::wait(std::uint64_t number, std::chrono::nanoseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  MutexLock lock(shared_->mutex);
  while (shared_->written < number) {
    if (shared_->error && shared_->tried >= number) return *shared_->error;
    const auto left = deadline - std::chrono::steady_clock::now();
    if (left <= std::chrono::nanoseconds(0)) {
      const std::string why = shared_->error ? shared_->error->message : "the disk does not answer";
      Error error = make_error(ErrorCode::kUnavailable, ErrorOrigin::kDisk, why);
      error.may_retry = true;
      return error;
    }
    lock.wait_for(shared_->changed, left);
  }
  return Status();
}

bool StatePersister::is_behind() const {
  MutexLock lock(shared_->mutex);
  return shared_->written != shared_->wanted;
}

std::uint64_t StatePersister::failures() const {
  MutexLock lock(shared_->mutex);
  return shared_->failures;
}

std::string StatePersister::last_error() const {
  MutexLock lock(shared_->mutex);
  return shared_->error ? shared_->error->message : "";
}

void StatePersister::set_last_patience(std::chrono::nanoseconds patience) {
  last_patience_ = patience;
}

}  // namespace banyan::routing
