// SPDX-License-Identifier: Apache-2.0
#include "tests/support/memory_file_system.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

namespace banyan::support {
namespace {

Error failure(int with_errno, std::string_view what, const std::string& path) {
  return error_from_errno(with_errno, ErrorOrigin::kDisk, std::string(what) + " " + path);
}

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? std::string(".") : path.substr(0, slash);
}

bool is_change(MemoryFileSystem::Call call) {
  using Call = MemoryFileSystem::Call;
  return call != Call::kRead && call != Call::kList && call != Call::kLock &&
         call != Call::kSpace && call != Call::kMakeDirectories;
}

}  // namespace

struct MemoryFileSystem::Inode {
  mutable Mutex mutex;
  std::string live GUARDED_BY(mutex);
  std::string synced GUARDED_BY(mutex);
  std::uint64_t forgotten GUARDED_BY(mutex) = 0;  // bytes from the start, of the page cache
  // After a failed sync the kernel takes the dirty pages for clean: later syncs answer ok and keep
  // only what was written since.
  bool lies GUARDED_BY(mutex) = false;
  std::vector<std::pair<std::uint64_t, std::string>> since_failure GUARDED_BY(mutex);
};

class MemoryFile final : public File {
 public:
  MemoryFile(MemoryFileSystem& owner, std::shared_ptr<MemoryFileSystem::Inode> inode,
             std::string path)
      : owner_(owner), inode_(std::move(inode)), path_(std::move(path)) {}

  Status write_at(Position position, std::string_view bytes) override {
    touch();
    const int error = owner_.enter(MemoryFileSystem::Call::kWrite);
    has_failed_ = has_failed_ || error != 0;
    if (error != 0) bytes = bytes.substr(0, bytes.size() / 2);
    {
      MutexLock lock(inode_->mutex);
      if (inode_->lies) inode_->since_failure.emplace_back(position.value, bytes);
      const std::size_t end = position.value + bytes.size();
      if (inode_->live.size() < end) inode_->live.resize(end);
      std::copy(bytes.begin(), bytes.end(),
                inode_->live.begin() + static_cast<std::ptrdiff_t>(position.value));
    }
    if (error != 0) return failure(error, "cannot write", path_);
    return {};
  }

  void forget_cached(Position begin, Position end) override {
    MutexLock lock(inode_->mutex);
    if (begin.value == inode_->forgotten) inode_->forgotten = end.value;
  }

  Status read_at(Position position, std::size_t size, std::string& out) const override {
    out.clear();
    if (const int error = owner_.enter(MemoryFileSystem::Call::kRead); error != 0) {
      return failure(error, "cannot read", path_);
    }
    MutexLock lock(inode_->mutex);
    if (position.value < inode_->live.size()) out = inode_->live.substr(position.value, size);
    owner_.read_bytes_.fetch_add(out.size(), std::memory_order_relaxed);
    return {};
  }

  Result<std::uint64_t> size() const override {
    MutexLock lock(inode_->mutex);
    return std::uint64_t{inode_->live.size()};
  }

  Status truncate(std::uint64_t size) override {
    if (const int error = owner_.enter(MemoryFileSystem::Call::kTruncate); error != 0) {
      return failure(error, "cannot truncate", path_);
    }
    MutexLock lock(inode_->mutex);
    inode_->live.resize(size);
    return {};
  }

  Status reserve(std::uint64_t) override {
    if (const int error = owner_.enter(MemoryFileSystem::Call::kReserve); error != 0) {
      return failure(error, "cannot reserve space for", path_);
    }
    return {};
  }

  Status sync() override {
    touch();
    const int error = owner_.enter(MemoryFileSystem::Call::kSync);
    has_failed_ = has_failed_ || error != 0;
    MutexLock lock(inode_->mutex);
    if (error != 0) {
      inode_->lies = true;
      inode_->since_failure.clear();
      return failure(error, "cannot sync", path_);
    }
    if (!inode_->lies) {
      inode_->synced = inode_->live;
      return {};
    }
    for (const auto& [at, bytes] : inode_->since_failure) {
      std::string& synced = inode_->synced;
      synced.resize(std::max(synced.size(), at + bytes.size()));
      std::copy(bytes.begin(), bytes.end(), synced.begin() + static_cast<std::ptrdiff_t>(at));
    }
    inode_->since_failure.clear();
    return {};
  }

 private:
  void touch() {
    if (has_failed_) owner_.touches_of_failed_files_.fetch_add(1);
  }

  std::atomic<bool> has_failed_{false};  // a write or a sync through this handle
  MemoryFileSystem& owner_;
  const std::shared_ptr<MemoryFileSystem::Inode> inode_;
  const std::string path_;
};

class MemoryLock final : public FileLock {
 public:
  MemoryLock(MemoryFileSystem& owner, std::weak_ptr<std::set<std::string>> table, std::string path)
      : owner_(owner), table_(std::move(table)), path_(std::move(path)) {}
  ~MemoryLock() override {
    MutexLock lock(owner_.mutex_);
    if (const auto table = table_.lock()) table->erase(path_);
  }

 private:
  MemoryFileSystem& owner_;
  const std::weak_ptr<std::set<std::string>> table_;  // Gone once a power cut gave all locks up.
  const std::string path_;
};

MemoryFileSystem::MemoryFileSystem() : locks_(std::make_shared<std::set<std::string>>()) {}
MemoryFileSystem::~MemoryFileSystem() = default;

int MemoryFileSystem::enter(Call call, bool changes_something) {
  MutexLock lock(mutex_);
  ++calls_[static_cast<std::size_t>(call)];
  if (hanging_kinds_.contains(call)) {
    ++hanging_calls_;
    while (hanging_kinds_.contains(call)) lock.wait(released_);
    --hanging_calls_;
  }
  const auto strike = [](Rule& rule) {
    if (rule.times == 0) return 0;
    if (rule.countdown > 1) {
      --rule.countdown;
      return 0;
    }
    --rule.times;
    return rule.error;
  };
  if (changes_something && is_change(call)) {
    ++changes_;
    if (const int error = strike(any_change_); error != 0) return error;
  }
  return strike(rules_[static_cast<std::size_t>(call)]);
}

std::shared_ptr<MemoryFileSystem::Inode> MemoryFileSystem::find(const std::string& path) const {
  const auto found = entries_.find(path);
  return found == entries_.end() ? nullptr : found->second;
}

Result<std::unique_ptr<File>> MemoryFileSystem::open(const std::string& path, Mode mode) {
  const bool is_for_writing = mode != Mode::kReadOnly;
  if (const int error = enter(Call::kOpen, is_for_writing); error != 0) {
    return failure(error, "cannot open", path);
  }
  MutexLock lock(mutex_);
  auto inode = find(path);
  const bool creates = mode == Mode::kCreateNew || mode == Mode::kCreateOrOpen;
  if (inode && mode == Mode::kCreateNew) return failure(EEXIST, "cannot open", path);
  if (!inode && (!creates || !directories_.contains(parent_of(path)))) {
    return failure(ENOENT, "cannot open", path);
  }
  if (!inode) {
    inode = std::make_shared<Inode>();
    entries_[path] = inode;
  }
  return std::unique_ptr<File>(std::make_unique<MemoryFile>(*this, std::move(inode), path));
}

Status MemoryFileSystem::make_directories(const std::string& path) {
  if (const int error = enter(Call::kMakeDirectories); error != 0) {
    return failure(error, "cannot create directory", path);
  }
  MutexLock lock(mutex_);
  for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    directories_.insert(path.substr(0, end));
    if (end == std::string::npos) break;
  }
  return {};
}

Status MemoryFileSystem::rename(const std::string& from, const std::string& to) {
  if (const int error = enter(Call::kRename); error != 0)
    return failure(error, "cannot rename", from);
  MutexLock lock(mutex_);
  auto inode = find(from);
  if (!inode) return failure(ENOENT, "cannot rename", from);
  entries_.erase(from);
  entries_[to] = std::move(inode);
  return {};
}

Status MemoryFileSystem::remove(const std::string& path) {
  if (const int error = enter(Call::kRemove); error != 0)
    return failure(error, "cannot remove", path);
  MutexLock lock(mutex_);
  if (entries_.erase(path) == 0) return failure(ENOENT, "cannot remove", path);
  return {};
}

Result<std::vector<std::string>> MemoryFileSystem::list(const std::string& directory) {
  if (const int error = enter(Call::kList); error != 0)
    return failure(error, "cannot list", directory);
  MutexLock lock(mutex_);
  if (!directories_.contains(directory)) return failure(ENOENT, "cannot list", directory);
  std::vector<std::string> names;
  const auto add = [&](const std::string& path) {
    if (parent_of(path) == directory) names.push_back(path.substr(directory.size() + 1));
  };
  for (const auto& [path, inode] : entries_) add(path);
  for (const std::string& path : directories_) add(path);
  std::sort(names.begin(), names.end());
  return names;
}

bool MemoryFileSystem::exists(const std::string& path) {
  MutexLock lock(mutex_);
  return entries_.contains(path) || directories_.contains(path);
}

Status MemoryFileSystem::sync_directory(const std::string& path) {
  if (const int error = enter(Call::kSyncDirectory); error != 0) {
    return failure(error, "cannot sync directory", path);
  }
  MutexLock lock(mutex_);
  for (auto entry = synced_entries_.begin(); entry != synced_entries_.end();) {
    const bool is_gone = parent_of(entry->first) == path && !entries_.contains(entry->first);
    entry = is_gone ? synced_entries_.erase(entry) : std::next(entry);
  }
  for (const auto& [name, inode] : entries_) {
    if (parent_of(name) == path) synced_entries_[name] = inode;
  }
  return {};
}

Result<std::unique_ptr<FileLock>> MemoryFileSystem::lock(const std::string& path) {
  if (const int error = enter(Call::kLock); error != 0) return failure(error, "cannot lock", path);
  MutexLock guard(mutex_);
  if (!locks_->insert(path).second) {
    return make_error(ErrorCode::kAlreadyExists, ErrorOrigin::kDisk,
                      path + " is locked by another process; stop it first");
  }
  return std::unique_ptr<FileLock>(std::make_unique<MemoryLock>(*this, locks_, path));
}

Result<FileSystem::Space> MemoryFileSystem::space(const std::string& directory) {
  if (const int error = enter(Call::kSpace); error != 0)
    return failure(error, "cannot stat", directory);
  MutexLock lock(mutex_);
  return space_;
}

void MemoryFileSystem::fail_call(Call call, std::uint64_t nth, int with_errno,
                                 std::uint64_t times) {
  MutexLock lock(mutex_);
  rules_[static_cast<std::size_t>(call)] = Rule{nth, times, with_errno};
}

void MemoryFileSystem::fail_any_change(std::uint64_t nth, int with_errno, std::uint64_t times) {
  MutexLock lock(mutex_);
  any_change_ = Rule{nth, times, with_errno};
}

void MemoryFileSystem::clear_failures() {
  MutexLock lock(mutex_);
  rules_.fill(Rule{});
  any_change_ = Rule{};
}

void MemoryFileSystem::hang(Call call) {
  MutexLock lock(mutex_);
  hanging_kinds_.insert(call);
}

void MemoryFileSystem::release() {
  {
    MutexLock lock(mutex_);
    hanging_kinds_.clear();
  }
  released_.notify_all();
}

bool MemoryFileSystem::is_hanging() const {
  MutexLock lock(mutex_);
  return hanging_calls_ > 0;
}

void MemoryFileSystem::drop_unsynced() { drop_unsynced_but("", 0); }

void MemoryFileSystem::drop_unsynced_but(const std::string& path, std::uint64_t bytes) {
  MutexLock lock(mutex_);
  const auto kept = find(path);
  std::map<std::string, std::shared_ptr<Inode>> after;
  if (kept) synced_entries_[path] = kept;
  for (const auto& [name, inode] : synced_entries_) {
    // A fresh inode each, so that handles from before the cut cannot write into the new world.
    auto copy = std::make_shared<Inode>();
    MutexLock old_lock(inode->mutex);
    MutexLock new_lock(copy->mutex);
    copy->live = inode->synced;
    if (inode == kept && inode->live.size() > inode->synced.size()) {
      copy->live += inode->live.substr(inode->synced.size(), bytes);
    }
    copy->synced = copy->live;
    after[name] = copy;
  }
  entries_ = after;
  synced_entries_ = std::move(after);
  locks_ = std::make_shared<std::set<std::string>>();
}

void MemoryFileSystem::flip_byte(const std::string& path, std::uint64_t position) {
  flip_byte(path, position, 0x5a);
}

void MemoryFileSystem::flip_byte(const std::string& path, std::uint64_t position, char mask) {
  MutexLock lock(mutex_);
  const auto inode = find(path);
  if (!inode) return;
  MutexLock inode_lock(inode->mutex);
  if (position < inode->live.size()) inode->live[position] ^= mask;
  if (position < inode->synced.size()) inode->synced[position] ^= mask;
}

DiskImage MemoryFileSystem::image() const {
  MutexLock lock(mutex_);
  DiskImage image;
  image.directories = directories_;
  for (const auto& [path, inode] : entries_) {
    MutexLock inode_lock(inode->mutex);
    image.files[path] = inode->live;
  }
  return image;
}

void MemoryFileSystem::load(const DiskImage& image) {
  MutexLock lock(mutex_);
  directories_ = image.directories;
  entries_.clear();
  for (const auto& [path, content] : image.files) {
    auto inode = std::make_shared<Inode>();
    MutexLock inode_lock(inode->mutex);
    inode->live = content;
    inode->synced = content;
    entries_[path] = inode;
  }
  synced_entries_ = entries_;
  locks_ = std::make_shared<std::set<std::string>>();
}

std::uint64_t MemoryFileSystem::touches_of_failed_files() const {
  return touches_of_failed_files_.load();
}

std::string MemoryFileSystem::content(const std::string& path) const {
  MutexLock lock(mutex_);
  const auto inode = find(path);
  if (!inode) return {};
  MutexLock inode_lock(inode->mutex);
  return inode->live;
}

std::uint64_t MemoryFileSystem::forgotten_bytes(const std::string& path) const {
  MutexLock lock(mutex_);
  const auto inode = find(path);
  if (inode == nullptr) return 0;
  MutexLock inode_lock(inode->mutex);
  return inode->forgotten;
}

std::string MemoryFileSystem::synced_content(const std::string& path) const {
  MutexLock lock(mutex_);
  const auto inode = find(path);
  if (!inode) return {};
  MutexLock inode_lock(inode->mutex);
  return inode->synced;
}

void MemoryFileSystem::set_space(Space space) {
  MutexLock lock(mutex_);
  space_ = space;
}

std::uint64_t MemoryFileSystem::calls(Call call) const {
  MutexLock lock(mutex_);
  return calls_[static_cast<std::size_t>(call)];
}

std::uint64_t MemoryFileSystem::changes() const {
  MutexLock lock(mutex_);
  return changes_;
}

}  // namespace banyan::support
