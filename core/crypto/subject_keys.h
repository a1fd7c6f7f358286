// SPDX-License-Identifier: Apache-2.0
//
// A key per subject and day, that erasing destroys (docs/decisions/0025-erasure.md). The keys lie
// in files of fixed entries (subject_key_files.h), each wrapped under the directory's subject
// secret; in memory an index of all of them. Any thread.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/base/file_system.h"
#include "core/base/mutex.h"
#include "core/crypto/keyed_hash.h"
#include "core/crypto/subject_key_files.h"

namespace banyan::crypto {

struct SubjectKeyOptions {
  // Past them what a new subject sends is recorded without its personal part, counted.
  std::size_t keys_max = 1'000'000;
  std::size_t unwritten_max = 65'536;
  // A subject gets another key after this, so that a nonce of 96 random bits stays safe, and keys
  // can go with their segments.
  std::int64_t life_ns = 24LL * 3600 * 1'000'000'000;
  std::chrono::milliseconds retry{1000};  // after a write that failed
};

class SubjectKeys {
 public:
  static constexpr std::size_t kIdBytes = 16;
  // Of what is left out: no key has it.
  static std::string_view no_key();

  // For the one process that records. `secret` is KeyRing::subject_secret().
  static Result<std::unique_ptr<SubjectKeys>> open(FileSystem& files, Clock& clock,
                                                   const std::string& directory,
                                                   std::string_view secret,
                                                   const SubjectKeyOptions& options = {});
  // For readers, also beside that process: looks at the files again where it misses a key, at most
  // once a second.
  static Result<std::unique_ptr<SubjectKeys>> open_read_only(FileSystem& files, Clock& clock,
                                                             const std::string& directory,
                                                             std::string_view secret);
  ~SubjectKeys();

  // The id of this subject's present key; a new one is written soon. no_key() where that cannot be.
  std::string id_for(std::string_view subject);
  struct Found {
    std::string key;             // 32 bytes; "" where it is gone
    std::uint64_t sequence = 0;  // durable once durable_sequence() has come to it
  };
  // `takes_doomed` also finds those whose erasure has begun and not ended.
  Found find(std::string_view id, bool takes_doomed = false);
  std::uint64_t durable_sequence() const { return durable_.load(std::memory_order_acquire); }
  bool has_failed() const { return has_failed_.load(std::memory_order_acquire); }
  // Waits until every key there is now is durable; fails where the last write did. For who can
  // wait.
  Status flush();
  // Called whenever more became durable, or a write failed, until the handle dies. Must not block.
  std::shared_ptr<void> add_listener(std::function<void()> listener);

  // --- Erasing; one caller at a time. ---
  // Ids of all keys of this subject.
  std::vector<std::string> ids_of(std::string_view subject);
  // From here on the keys open nothing, and a crash does not forget it: the next open() names them
  // as doomed() until destroy() ends. The entry says when and by whom, not of whom.
  Status doom(const std::vector<std::string>& ids, std::string_view by);
  std::vector<std::string> doomed() const;
  // Overwrites and removes what is doomed, on the disk and in memory.
  Status destroy_doomed();
  // Destroys keys that nothing written at `oldest_wall_ns` or later can have used first.
  Status prune(std::int64_t oldest_wall_ns);

  struct Stats {
    std::uint64_t keys = 0, unwritten = 0, made = 0, destroyed = 0, pruned = 0;
    std::uint64_t left_out = 0;  // ids that were asked for in vain
    std::uint64_t write_failures = 0;
    std::string failure;  // "" where keys can be written
  };
  Stats stats() const;

 private:
  using Id = std::array<char, kIdBytes>;
  struct IdHash {
    std::size_t operator()(const Id& id) const;
  };
  struct Entry {
    Id token{};
    std::array<char, 32> key{};
    std::int64_t created_wall_ns = 0;
    std::uint64_t sequence = 0;
    bool is_doomed = false;
  };
  SubjectKeys(FileSystem& files, Clock& clock, const std::string& directory,
              std::string_view secret, const SubjectKeyOptions& options);
  Status load();
  void take(const SubjectKeyEntry& entry) REQUIRES(mutex_);
  Id token_of(std::string_view subject) const;
  void forget(const Id& id) REQUIRES(mutex_);
  void look_again() REQUIRES(mutex_) BANYAN_TSA(no_thread_safety_analysis);
  void run();
  void write_some();
  void tell();

  Clock& clock_;
  const SubjectKeyOptions options_;
  const KeyedHash lookup_;
  Mutex disk_mutex_;  // held around all that writes files; before mutex_
  SubjectKeyFiles disk_ GUARDED_BY(disk_mutex_);

  mutable Mutex mutex_;
  std::unordered_map<Id, Entry, IdHash> keys_ GUARDED_BY(mutex_);
  std::unordered_map<Id, Id, IdHash> newest_ GUARDED_BY(mutex_);  // by token
  std::deque<SubjectKeyEntry> unwritten_ GUARDED_BY(mutex_);
  std::uint64_t sequence_ GUARDED_BY(mutex_) = 0;
  std::int64_t looked_mono_ns_ GUARDED_BY(mutex_) = 0;
  bool is_erasing_ GUARDED_BY(mutex_) =
      false;  // the list says that one began, and not that it ended
  Stats stats_ GUARDED_BY(mutex_);
  std::vector<std::weak_ptr<std::function<void()>>> listeners_ GUARDED_BY(mutex_);
  bool is_read_only_ = false;
  bool is_stopping_ GUARDED_BY(mutex_) = false;
  std::condition_variable wake_;
  std::condition_variable written_;  // a write ended, well or badly
  std::atomic<std::uint64_t> durable_{0};
  std::atomic<bool> has_failed_{false};
  std::thread thread_;
};

}  // namespace banyan::crypto
