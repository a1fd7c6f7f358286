// SPDX-License-Identifier: Apache-2.0
#include "tests/support/crash_disk.h"

#include <algorithm>
#include <deque>
#include <set>
#include <utility>

namespace banyan::support {
namespace {

constexpr std::uint64_t kSectorBytes = 512;

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? std::string(".") : path.substr(0, slash);
}

void write_into(std::string& content, std::uint64_t at, std::string_view bytes) {
  if (content.size() < at + bytes.size()) content.resize(at + bytes.size());
  std::copy(bytes.begin(), bytes.end(), content.begin() + static_cast<std::ptrdiff_t>(at));
}

bool is_heads(std::mt19937_64& random) { return (random() & 1) != 0; }

}  // namespace

const char* to_string(Loss loss) {
  switch (loss) {
    case Loss::kAllUnsynced: return "all unsynced lost";
    case Loss::kNothing: return "nothing lost";
    case Loss::kTorn: return "torn";
    case Loss::kScattered: return "scattered";
  }
  return "?";
}

class JournaledFile final : public File {
 public:
  JournaledFile(CrashDisk& owner, std::unique_ptr<File> below, std::size_t inode, std::string path)
      : owner_(owner), below_(std::move(below)), inode_(inode), path_(std::move(path)) {}

  Status write_at(Position position, std::string_view bytes) override {
    auto status = below_->write_at(position, bytes);
    // Where it fails the first half is there; so says MemoryFileSystem.
    if (!status.ok()) bytes = bytes.substr(0, bytes.size() / 2);
    owner_.record({Kind::kWrite, inode_, path_, "", position.value, std::string(bytes)});
    return status;
  }
  Status truncate(std::uint64_t size) override {
    auto status = below_->truncate(size);
    if (status.ok()) owner_.record({Kind::kTruncate, inode_, path_, "", size, ""});
    return status;
  }
  Status sync() override {
    auto status = below_->sync();
    owner_.record({status.ok() ? Kind::kSync : Kind::kFailedSync, inode_, path_, "", 0, ""});
    return status;
  }
  Status read_at(Position position, std::size_t size, std::string& out) const override {
    return below_->read_at(position, size, out);
  }
  Result<std::uint64_t> size() const override { return below_->size(); }
  Status reserve(std::uint64_t size) override { return below_->reserve(size); }

 private:
  using Kind = CrashDisk::Operation::Kind;
  CrashDisk& owner_;
  const std::unique_ptr<File> below_;
  const std::size_t inode_;
  const std::string path_;
};

// Plays the journal up to an operation, keeping apart what is safe and what is not yet.
class CrashDisk::Replay {
 public:
  explicit Replay(const DiskImage& start) : directories_(start.directories) {
    for (const auto& [path, content] : start.files) {
      names_[path] = inodes_.size();
      inodes_.push_back({content, {}});
    }
  }

  void play(const Operation& operation) {
    using Kind = Operation::Kind;
    if (operation.inode >= inodes_.size()) inodes_.resize(operation.inode + 1);
    switch (operation.kind) {
      case Kind::kCreate:
      case Kind::kRename:
      case Kind::kRemove: pending_names_.push_back(&operation); return;
      case Kind::kWrite:
      case Kind::kTruncate:
        inodes_[operation.inode].changes.push_back({&operation, State::kPending});
        return;
      case Kind::kSync: settle(inodes_[operation.inode], State::kSafe); return;
      // The system takes it for clean from then on: it may be there, no later sync makes it safe.
      case Kind::kFailedSync: settle(inodes_[operation.inode], State::kStuck); return;
      case Kind::kSyncDirectory: sync_directory(operation.path); return;
      case Kind::kMakeDirectories:
        for (std::size_t end = operation.path.find('/', 1);;
             end = operation.path.find('/', end + 1)) {
          directories_.insert(operation.path.substr(0, end));
          if (end == std::string::npos) return;
        }
    }
  }

  DiskImage cut(Loss loss, std::mt19937_64& random) {
    std::size_t names = loss == Loss::kNothing ? pending_names_.size() : 0;
    if (loss == Loss::kTorn || loss == Loss::kScattered) {
      names = random() % (pending_names_.size() + 1);
    }
    for (std::size_t i = 0; i < names; ++i) apply_name(*pending_names_[i]);
    DiskImage image;
    image.directories = directories_;
    for (const auto& [path, number] : names_) {
      image.files[path] = content_of(inodes_[number], loss, random);
    }
    return image;
  }

 private:
  enum class State { kPending, kSafe, kStuck };
  struct Change {
    const Operation* operation;
    State state;
  };
  struct Inode {
    std::string start;
    std::vector<Change> changes;
  };

  static void settle(Inode& inode, State state) {
    for (Change& change : inode.changes) {
      if (change.state == State::kPending) change.state = state;
    }
  }

  static void apply(const Operation& change, std::string& content) {
    if (change.kind == Operation::Kind::kTruncate) {
      content.resize(change.at);
    } else {
      write_into(content, change.at, change.bytes);
    }
  }

  void apply_name(const Operation& change) {
    if (change.kind == Operation::Kind::kCreate) names_[change.path] = change.inode;
    if (change.kind == Operation::Kind::kRemove) names_.erase(change.path);
    if (change.kind == Operation::Kind::kRename) {
      names_.erase(change.path);
      names_[change.target] = change.inode;
    }
  }

  // What came earlier in the same directory is safe with it; a rename counts for both of its ends.
  void sync_directory(const std::string& directory) {
    std::deque<const Operation*> kept;
    for (const Operation* change : pending_names_) {
      const bool is_here = parent_of(change->path) == directory ||
                           (!change->target.empty() && parent_of(change->target) == directory);
      if (is_here) {
        apply_name(*change);
      } else {
        kept.push_back(change);
      }
    }
    pending_names_ = std::move(kept);
  }

  static std::string content_of(const Inode& inode, Loss loss, std::mt19937_64& random) {
    std::string content = inode.start;
    const bool has_all = loss == Loss::kNothing;
    const bool has_none = loss == Loss::kAllUnsynced;
    const auto pending = static_cast<std::uint64_t>(
        std::count_if(inode.changes.begin(), inode.changes.end(),
                      [](const Change& change) { return change.state == State::kPending; }));
    std::uint64_t whole = pending > 0 ? random() % pending : 0;  // before the torn one
    bool is_over = false;
    for (const Change& change : inode.changes) {
      if (change.state == State::kSafe || has_all) {
        apply(*change.operation, content);
      } else if (has_none || is_over) {
        continue;
      } else if (change.state == State::kStuck || loss == Loss::kScattered) {
        scatter(*change.operation, content, random);
      } else if (whole > 0) {
        --whole;
        apply(*change.operation, content);
      } else {
        tear(*change.operation, content, random);
        is_over = true;
      }
    }
    return content;
  }

  // The first sectors of the write.
  static void tear(const Operation& change, std::string& content, std::mt19937_64& random) {
    if (change.kind == Operation::Kind::kTruncate) return;
    const std::uint64_t first = change.at / kSectorBytes;
    const std::uint64_t last = (change.at + change.bytes.size()) / kSectorBytes;
    const std::uint64_t end = (first + random() % (last - first + 1)) * kSectorBytes;
    if (end <= change.at) return;
    write_into(content, change.at, std::string_view(change.bytes).substr(0, end - change.at));
  }

  static void scatter(const Operation& change, std::string& content, std::mt19937_64& random) {
    if (change.kind == Operation::Kind::kTruncate) {
      if (is_heads(random)) content.resize(change.at);
      return;
    }
    std::string_view rest = change.bytes;
    std::uint64_t at = change.at;
    while (!rest.empty()) {
      const std::size_t size = std::min<std::size_t>(rest.size(), kSectorBytes - at % kSectorBytes);
      if (is_heads(random)) write_into(content, at, rest.substr(0, size));
      at += size;
      rest.remove_prefix(size);
    }
  }

  std::set<std::string> directories_;
  std::map<std::string, std::size_t> names_;
  std::vector<Inode> inodes_;
  std::deque<const Operation*> pending_names_;
};

CrashDisk::CrashDisk(const DiskImage& start) : start_(start) {
  disk_.load(start);
  for (const auto& [path, content] : start_.files) inodes_[path] = inode_count_++;
}

CrashDisk::~CrashDisk() = default;

void CrashDisk::record(Operation operation) {
  MutexLock lock(mutex_);
  journal_.push_back(std::move(operation));
}

std::size_t CrashDisk::operations() const {
  MutexLock lock(mutex_);
  return journal_.size();
}

std::string CrashDisk::describe(std::size_t operation) const {
  static constexpr const char* kNames[] = {"create", "write",          "truncate",
                                           "sync",   "failed sync",    "rename",
                                           "remove", "sync directory", "make directories"};
  MutexLock lock(mutex_);
  if (operation == 0 || operation > journal_.size()) return "nothing";
  const Operation& last = journal_[operation - 1];
  return std::string(kNames[static_cast<std::size_t>(last.kind)]) + " " + last.path;
}

DiskImage CrashDisk::image_after(std::size_t count, Loss loss, std::mt19937_64& random) const {
  MutexLock lock(mutex_);
  Replay replay(start_);
  for (std::size_t i = 0; i < std::min(count, journal_.size()); ++i) replay.play(journal_[i]);
  return replay.cut(loss, random);
}

Result<std::unique_ptr<File>> CrashDisk::open(const std::string& path, Mode mode) {
  auto below = disk_.open(path, mode);
  if (!below.ok()) return below.error();
  MutexLock lock(mutex_);
  auto found = inodes_.find(path);
  if (found == inodes_.end()) {
    found = inodes_.emplace(path, inode_count_++).first;
    journal_.push_back({Operation::Kind::kCreate, found->second, path, "", 0, ""});
  }
  return std::unique_ptr<File>(
      std::make_unique<JournaledFile>(*this, *std::move(below), found->second, path));
}

Status CrashDisk::make_directories(const std::string& path) {
  auto status = disk_.make_directories(path);
  if (status.ok()) record({Operation::Kind::kMakeDirectories, 0, path, "", 0, ""});
  return status;
}

Status CrashDisk::rename(const std::string& from, const std::string& to) {
  BANYAN_RETURN_IF_ERROR(disk_.rename(from, to));
  MutexLock lock(mutex_);
  const std::size_t inode = inodes_[from];
  inodes_.erase(from);
  inodes_[to] = inode;
  journal_.push_back({Operation::Kind::kRename, inode, from, to, 0, ""});
  return {};
}

Status CrashDisk::remove(const std::string& path) {
  BANYAN_RETURN_IF_ERROR(disk_.remove(path));
  MutexLock lock(mutex_);
  journal_.push_back({Operation::Kind::kRemove, inodes_[path], path, "", 0, ""});
  inodes_.erase(path);
  return {};
}

Status CrashDisk::sync_directory(const std::string& path) {
  auto status = disk_.sync_directory(path);
  if (status.ok()) record({Operation::Kind::kSyncDirectory, 0, path, "", 0, ""});
  return status;
}

}  // namespace banyan::support
