// SPDX-License-Identifier: Apache-2.0
#include "core/crypto/subject_keys.h"

#include <pthread.h>

#include <algorithm>
#include <cstring>
#include <unordered_set>
#include <utility>

#include "core/base/hash.h"
#include "core/crypto/aes_gcm.h"

namespace banyan::crypto {
namespace {

constexpr std::size_t kBatchMax = 4096;
constexpr std::int64_t kLookAgainNs = 1'000'000'000;
// An exchange that began with a key goes on using it behind the key's day.
constexpr std::int64_t kLateUseNs = 24LL * 3600 * 1'000'000'000;

template <std::size_t kSize>
std::array<char, kSize> array_of(std::string_view bytes) {
  std::array<char, kSize> out{};
  std::copy_n(bytes.data(), std::min(bytes.size(), kSize), out.begin());
  return out;
}

template <std::size_t kSize>
std::string string_of(const std::array<char, kSize>& bytes) {
  return std::string(bytes.data(), bytes.size());
}

}  // namespace

std::size_t SubjectKeys::IdHash::operator()(const Id& id) const {
  std::uint64_t word = 0;  // Random, or from a keyed hash.
  std::memcpy(&word, id.data(), sizeof(word));
  return static_cast<std::size_t>(word);
}

std::string_view SubjectKeys::no_key() {
  static constexpr char kZeros[kIdBytes] = {};
  return std::string_view(kZeros, kIdBytes);
}

SubjectKeys::SubjectKeys(FileSystem& files, Clock& clock, const std::string& directory,
                         std::string_view secret, const SubjectKeyOptions& options)
    : clock_(clock),
      options_(options),
      lookup_(KeyedHash(std::string(secret)).digest({"banyan subject lookup 1"})),
      disk_(files, directory, secret) {}

Result<std::unique_ptr<SubjectKeys>> SubjectKeys::open(FileSystem& files, Clock& clock,
                                                       const std::string& directory,
                                                       std::string_view secret,
                                                       const SubjectKeyOptions& options) {
  std::unique_ptr<SubjectKeys> keys(new SubjectKeys(files, clock, directory, secret, options));
  {
    MutexLock disk(keys->disk_mutex_);
    BANYAN_RETURN_IF_ERROR(keys->disk_.make_directory());
  }
  BANYAN_RETURN_IF_ERROR(keys->load());
  keys->thread_ = std::thread([raw = keys.get()] {
    pthread_setname_np(pthread_self(), "subject-keys");
    raw->run();
  });
  return keys;
}

Result<std::unique_ptr<SubjectKeys>> SubjectKeys::open_read_only(FileSystem& files, Clock& clock,
                                                                 const std::string& directory,
                                                                 std::string_view secret) {
  std::unique_ptr<SubjectKeys> keys(new SubjectKeys(files, clock, directory, secret, {}));
  keys->is_read_only_ = true;
  BANYAN_RETURN_IF_ERROR(keys->load());
  return keys;
}

SubjectKeys::~SubjectKeys() {
  {
    MutexLock lock(mutex_);
    is_stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  MutexLock lock(mutex_);
  for (auto& [id, entry] : keys_) entry.key.fill('\0');
}

Status SubjectKeys::load() {
  MutexLock disk(disk_mutex_);
  auto erasures = disk_.erasures();
  if (!erasures.ok()) return erasures.error();
  std::vector<SubjectKeyEntry> entries;
  BANYAN_RETURN_IF_ERROR(
      disk_.for_each([&](const SubjectKeyEntry& entry) { entries.push_back(entry); }));
  MutexLock lock(mutex_);
  for (const SubjectKeyEntry& entry : entries) take(entry);
  is_erasing_ = false;
  for (const auto& erasure : *erasures) {
    is_erasing_ = is_erasing_ || !erasure.is_ended;
    for (const std::string& id : erasure.ids) {
      const auto found = keys_.find(array_of<kIdBytes>(id));
      if (found == keys_.end()) continue;
      // One whose erasure has ended came back with a backup.
      found->second.is_doomed = true;
      if (const auto newest = newest_.find(found->second.token);
          newest != newest_.end() && newest->second == found->first) {
        newest_.erase(newest);
      }
    }
  }
  looked_mono_ns_ = clock_.mono_ns();
  return {};
}

void SubjectKeys::take(const SubjectKeyEntry& entry) {
  Entry& held = keys_[entry.id];
  held = Entry{entry.token, entry.key, entry.created_wall_ns, 0, held.is_doomed};
  const auto newest = newest_.find(entry.token);
  const bool is_newer = newest == newest_.end() || keys_.count(newest->second) == 0 ||
                        keys_[newest->second].created_wall_ns < entry.created_wall_ns;
  if (is_newer) newest_[entry.token] = entry.id;
}

SubjectKeys::Id SubjectKeys::token_of(std::string_view subject) const {
  return array_of<kIdBytes>(lookup_.digest({subject}));
}

std::string SubjectKeys::id_for(std::string_view subject) {
  const Id token = token_of(subject);
  const std::int64_t now = clock_.wall_ns();
  MutexLock lock(mutex_);
  if (const auto newest = newest_.find(token); newest != newest_.end()) {
    const auto found = keys_.find(newest->second);
    // Of a clock that was set back it is not known how long the key has been used.
    if (found != keys_.end() && found->second.created_wall_ns <= now &&
        now - found->second.created_wall_ns < options_.life_ns) {
      return string_of(found->first);
    }
  }
  // While the disk takes no keys nothing is promised to who comes anew.
  const bool is_full = keys_.size() >= options_.keys_max ||
                       unwritten_.size() >= options_.unwritten_max || has_failed();
  if (is_full || is_read_only_) {
    ++stats_.left_out;
    return std::string(no_key());
  }
  SubjectKeyEntry entry;
  entry.id = array_of<kIdBytes>(random_bytes(kIdBytes));
  entry.token = token;
  entry.created_wall_ns = now;
  std::string key = random_bytes(kKeyBytes);
  entry.key = array_of<32>(key);
  wipe(key);
  entry.sequence = ++sequence_;
  keys_[entry.id] = Entry{token, entry.key, now, entry.sequence, false};
  newest_[token] = entry.id;
  ++stats_.made;
  unwritten_.push_back(entry);
  wake_.notify_one();
  return string_of(entry.id);
}

SubjectKeys::Found SubjectKeys::find(std::string_view id, bool takes_doomed) {
  if (id.size() != kIdBytes || id == no_key()) return {};
  const Id wanted = array_of<kIdBytes>(id);
  MutexLock lock(mutex_);
  auto found = keys_.find(wanted);
  if (found == keys_.end() && is_read_only_ && clock_.mono_ns() - looked_mono_ns_ >= kLookAgainNs) {
    look_again();
    found = keys_.find(wanted);
  }
  if (found == keys_.end() || (found->second.is_doomed && !takes_doomed)) return {};
  return {string_of(found->second.key), found->second.sequence};
}

// Of a reader: nobody else holds either mutex.
void SubjectKeys::look_again() {
  looked_mono_ns_ = clock_.mono_ns();
  std::vector<SubjectKeyEntry> entries;
  // What cannot be read now is tried again.
  (void)disk_.for_each([&](const SubjectKeyEntry& entry) { entries.push_back(entry); });
  for (const SubjectKeyEntry& entry : entries) take(entry);
}

std::shared_ptr<void> SubjectKeys::add_listener(std::function<void()> listener) {
  auto handle = std::make_shared<std::function<void()>>(std::move(listener));
  MutexLock lock(mutex_);
  std::erase_if(listeners_, [](const auto& known) { return known.expired(); });
  listeners_.push_back(handle);
  return handle;
}

void SubjectKeys::tell() {
  std::vector<std::shared_ptr<std::function<void()>>> alive;
  {
    MutexLock lock(mutex_);
    for (const auto& listener : listeners_) {
      if (auto held = listener.lock()) alive.push_back(std::move(held));
    }
  }
  for (const auto& listener : alive) (*listener)();
}

// ---- the writer

void SubjectKeys::run() {
  for (;;) {
    {
      MutexLock lock(mutex_);
      while (unwritten_.empty() && !is_stopping_) lock.wait(wake_);
      if (unwritten_.empty() || (is_stopping_ && has_failed())) return;
    }
    write_some();
    tell();
    MutexLock lock(mutex_);
    if (has_failed() && !is_stopping_) lock.wait_for(wake_, options_.retry);
  }
}

void SubjectKeys::write_some() {
  MutexLock disk(disk_mutex_);
  std::vector<SubjectKeyEntry> batch;
  {
    MutexLock lock(mutex_);
    const std::size_t count = std::min(unwritten_.size(), kBatchMax);
    const auto end = unwritten_.begin() + static_cast<std::ptrdiff_t>(count);
    batch.assign(unwritten_.begin(), end);
  }
  if (batch.empty()) return;
  const Status status = disk_.append(batch);
  MutexLock lock(mutex_);
  has_failed_.store(!status.ok(), std::memory_order_release);
  stats_.failure = status.ok() ? std::string() : status.error().message;
  if (status.ok()) {
    // Nobody takes out of the line while the disk's mutex is held.
    unwritten_.erase(unwritten_.begin(),
                     unwritten_.begin() + static_cast<std::ptrdiff_t>(batch.size()));
    // An erasure may have taken others out of the line: nobody waits for those.
    durable_.store(unwritten_.empty() ? sequence_ : batch.back().sequence,
                   std::memory_order_release);
  } else {
    ++stats_.write_failures;
  }
  for (SubjectKeyEntry& entry : batch) entry.key.fill('\0');
  written_.notify_all();
}

Status SubjectKeys::flush() {
  MutexLock lock(mutex_);
  const std::uint64_t wanted = sequence_;
  while (durable_sequence() < wanted && !has_failed()) lock.wait(written_);
  if (durable_sequence() >= wanted) return {};
  return make_error(ErrorCode::kIo, ErrorOrigin::kDisk,
                    "keys of subjects cannot be written: " + stats_.failure);
}

// ---- erasing

std::vector<std::string> SubjectKeys::ids_of(std::string_view subject) {
  const Id token = token_of(subject);
  std::vector<std::string> ids;
  MutexLock lock(mutex_);
  for (const auto& [id, entry] : keys_) {
    if (entry.token == token) ids.push_back(string_of(id));
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

Status SubjectKeys::doom(const std::vector<std::string>& ids, std::string_view by) {
  if (ids.empty()) return {};
  MutexLock disk(disk_mutex_);
  SubjectKeyFiles::Erasure erasure;
  erasure.at_wall_ns = clock_.wall_ns();
  erasure.ids = ids;
  erasure.by = by;
  BANYAN_RETURN_IF_ERROR(disk_.begin_erasure(erasure));
  MutexLock lock(mutex_);
  is_erasing_ = true;
  for (const std::string& id : ids) {
    const auto found = keys_.find(array_of<kIdBytes>(id));
    if (found == keys_.end()) continue;
    found->second.is_doomed = true;
    const auto newest = newest_.find(found->second.token);
    if (newest != newest_.end() && newest->second == found->first) newest_.erase(newest);
  }
  return {};
}

std::vector<std::string> SubjectKeys::doomed() const {
  std::vector<std::string> ids;
  MutexLock lock(mutex_);
  for (const auto& [id, entry] : keys_) {
    if (entry.is_doomed) ids.push_back(string_of(id));
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

void SubjectKeys::forget(const Id& id) {
  const auto found = keys_.find(id);
  if (found == keys_.end()) return;
  const auto newest = newest_.find(found->second.token);
  if (newest != newest_.end() && newest->second == id) newest_.erase(newest);
  found->second.key.fill('\0');
  keys_.erase(found);
}

Status SubjectKeys::destroy_doomed() {
  const auto ids = doomed();
  {
    // A crash may have left nothing to do but to say that it is done.
    MutexLock lock(mutex_);
    if (ids.empty() && !is_erasing_) return {};
  }
  const std::unordered_set<std::string> going(ids.begin(), ids.end());
  MutexLock disk(disk_mutex_);
  {
    // What was not written yet never is; who waits for it waits for its neighbours' sequence.
    MutexLock lock(mutex_);
    std::erase_if(unwritten_, [&](const SubjectKeyEntry& entry) {
      return going.count(string_of(entry.id)) > 0;
    });
    if (unwritten_.empty()) durable_.store(sequence_, std::memory_order_release);
    written_.notify_all();
  }
  const auto gone = disk_.overwrite(
      [&](std::string_view id, std::int64_t) { return going.count(std::string(id)) > 0; });
  if (!gone.ok()) return gone.error();
  BANYAN_RETURN_IF_ERROR(disk_.end_erasures(clock_.wall_ns()));
  MutexLock lock(mutex_);
  is_erasing_ = false;
  for (const std::string& id : ids) forget(array_of<kIdBytes>(id));
  stats_.destroyed += ids.size();
  return {};
}

Status SubjectKeys::prune(std::int64_t oldest_wall_ns) {
  const std::int64_t end = oldest_wall_ns - options_.life_ns - kLateUseNs;
  std::vector<Id> old;
  {
    MutexLock lock(mutex_);
    for (const auto& [id, entry] : keys_) {
      if (entry.created_wall_ns < end && !entry.is_doomed) old.push_back(id);
    }
  }
  if (old.empty()) return {};
  MutexLock disk(disk_mutex_);
  const auto gone = disk_.overwrite(
      [end](std::string_view, std::int64_t created_wall_ns) { return created_wall_ns < end; });
  if (!gone.ok()) return gone.error();
  MutexLock lock(mutex_);
  for (const Id& id : old) forget(id);
  stats_.pruned += old.size();
  return {};
}

SubjectKeys::Stats SubjectKeys::stats() const {
  MutexLock lock(mutex_);
  Stats stats = stats_;
  stats.keys = keys_.size();
  stats.unwritten = unwritten_.size();
  return stats;
}

}  // namespace banyan::crypto
