// SPDX-License-Identifier: Apache-2.0
#include "core/crypto/key_ring.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/hash.h"
#include "core/base/mutex.h"
#include "core/base/text.h"
#include "core/crypto/aes_gcm.h"
#include "core/crypto/keyed_hash.h"

namespace banyan::crypto {
namespace {

constexpr std::uint64_t kKeyFileBytesMax = 4096;
constexpr std::string_view kFirstLine = "banyan-key 1\n";
constexpr std::string_view kSealPrefix = "seal-";
constexpr std::string_view kFirstTokenName = "token";  // number 1, from before keys had numbers
constexpr std::string_view kTokenPrefix = "token-";
constexpr std::string_view kDigestName = "digest";
constexpr std::string_view kSubjectName = "subject";
constexpr std::uint8_t kSealVersion = 1;
constexpr std::size_t kTokenBytes = 16;

Error key_error(ErrorCode code, const std::string& path, std::string_view what) {
  return make_error(code, ErrorOrigin::kDisk, "the key file " + path + " " + std::string(what));
}

// Key files: "banyan-key 1", "plain HEX" or "wrapped HEX" (nonce, encrypted key, tag), "check HEX".
class KeyStore {
 public:
  KeyStore(FileSystem& files, std::string directory, std::string_view master)
      : files_(files), directory_(std::move(directory)) {
    if (!master.empty()) {
      wrapping_key_ = KeyedHash(std::string(master)).digest({"banyan key wrap 1"});
    }
  }
  ~KeyStore() { wipe(wrapping_key_); }

  Result<std::string> load(const std::string& name, bool may_write) const {
    const std::string path = directory_ + "/" + name;
    auto content = files_.read_file(path, kKeyFileBytesMax);
    if (!content.ok()) return content.error();
    const auto lines = split(*content, '\n');
    if (!is_whole(*content, lines)) {
      return key_error(ErrorCode::kDamaged, path,
                       "is damaged; restore it from a backup (without it what was sealed is lost)");
    }
    const bool is_wrapped = lines[1].starts_with("wrapped ");
    auto bytes = bytes_of_hex(lines[1].substr(lines[1].find(' ') + 1));
    if (!bytes) return key_error(ErrorCode::kDamaged, path, "is damaged");
    if (is_wrapped) return unwrap(path, name, *bytes);
    if (bytes->size() != kKeyBytes) return key_error(ErrorCode::kDamaged, path, "is damaged");
    if (!wrapping_key_.empty() && may_write) BANYAN_RETURN_IF_ERROR(store(name, *bytes));
    return *std::move(bytes);
  }

  Status store(const std::string& name, const std::string& key) const {
    std::string line;
    if (wrapping_key_.empty()) {
      line = "plain " + hex_of_bytes(key);
    } else {
      std::string wrapped = random_bytes(kNonceBytes);
      const std::string nonce = wrapped;
      aes_gcm_encrypt(wrapping_key_, nonce, name, key, wrapped);
      line = "wrapped " + hex_of_bytes(wrapped);
    }
    return files_.write_file_atomically(
        directory_ + "/" + name,
        std::string(kFirstLine) + line + "\ncheck " + check_of(line) + "\n");
  }

  Result<std::string> load_or_create(const std::string& name) const {
    auto key = load(name, true);
    if (key.ok() || key.error().code != ErrorCode::kNotFound) return key;
    std::string fresh = random_bytes(kKeyBytes);
    BANYAN_RETURN_IF_ERROR(store(name, fresh));
    return fresh;
  }

  // Overwritten first: a file that is only unlinked lies on the disk for a long time.
  Status destroy(const std::string& name) const {
    const std::string path = directory_ + "/" + name;
    {
      auto file = files_.open(path, FileSystem::Mode::kReadWriteExisting);
      if (!file.ok()) return file.error();
      const auto size = (*file)->size();
      if (!size.ok()) return size.error();
      BANYAN_RETURN_IF_ERROR((*file)->write_at(Position{0}, std::string(*size, '\0')));
      BANYAN_RETURN_IF_ERROR((*file)->sync());
    }
    return files_.remove(path);
  }

  FileSystem& files() const { return files_; }
  const std::string& directory() const { return directory_; }

  // Of the file alone: what stands in it, but not the key.
  KeyRing::KeyFile describe(KeyRing::KeyFile file) const {
    const auto content = files_.read_file(directory_ + "/" + file.name, kKeyFileBytesMax);
    const auto lines = content.ok() ? split(*content, '\n') : std::vector<std::string_view>();
    file.is_damaged = !content.ok() || !is_whole(*content, lines);
    file.is_wrapped = !file.is_damaged && lines[1].starts_with("wrapped ");
    return file;
  }

 private:
  static bool is_whole(const std::string& content, const std::vector<std::string_view>& lines) {
    return lines.size() == 4 && content.starts_with(kFirstLine) && lines[2].starts_with("check ") &&
           check_of(lines[1]) == lines[2].substr(6);
  }

  static std::string check_of(std::string_view line) { return hex_of_u64(xxh3_64(line)); }

  Result<std::string> unwrap(const std::string& path, const std::string& name,
                             const std::string& bytes) const {
    if (wrapping_key_.empty()) {
      return key_error(ErrorCode::kPermissionDenied, path,
                       "is wrapped by a master key; set [record] key");
    }
    if (bytes.size() != kNonceBytes + kKeyBytes + kTagBytes) {
      return key_error(ErrorCode::kDamaged, path, "is damaged");
    }
    const std::string_view view = bytes;
    auto key =
        aes_gcm_decrypt(wrapping_key_, view.substr(0, kNonceBytes), name, view.substr(kNonceBytes));
    if (key) return *std::move(key);
    return key_error(ErrorCode::kPermissionDenied, path,
                     "was wrapped by another master key; set [record] key to that one");
  }

  FileSystem& files_;
  const std::string directory_;
  std::string wrapping_key_;  // "" where there is no master key
};

std::string seal_name(Epoch epoch) {
  const std::string digits = std::to_string(epoch.value);
  return std::string(kSealPrefix) + std::string(20 - digits.size(), '0') + digits;
}

std::optional<Epoch> parse_seal_name(std::string_view name) {
  if (name.size() != kSealPrefix.size() + 20 || !name.starts_with(kSealPrefix)) return std::nullopt;
  const auto value = parse_u64(name.substr(kSealPrefix.size()));
  if (!value) return std::nullopt;
  return Epoch{*value};
}

std::string token_name(std::uint32_t number) {
  if (number == 1) return std::string(kFirstTokenName);
  const std::string digits = std::to_string(number);
  return std::string(kTokenPrefix) + std::string(10 - digits.size(), '0') + digits;
}

std::optional<std::uint32_t> parse_token_name(std::string_view name) {
  if (name == kFirstTokenName) return 1;
  if (name.size() != kTokenPrefix.size() + 10 || !name.starts_with(kTokenPrefix)) {
    return std::nullopt;
  }
  const auto value = parse_u64(name.substr(kTokenPrefix.size()));
  if (!value || *value < 2 || *value >= UINT32_MAX) return std::nullopt;
  return static_cast<std::uint32_t>(*value);
}

// Sorted; none where the directory is not there yet.
Result<std::vector<std::uint32_t>> token_numbers(const KeyStore& store) {
  std::vector<std::uint32_t> numbers;
  const auto names = store.files().list(store.directory());
  if (!names.ok()) {
    if (names.error().code == ErrorCode::kNotFound) return numbers;
    return names.error();
  }
  for (const std::string& name : *names) {
    if (const auto number = parse_token_name(name)) numbers.push_back(*number);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

std::string digest_key_of(const KeyedHash& hash) { return hash.digest({"digest seed"}); }

}  // namespace

struct KeyRing::Impl {
  Impl(FileSystem& files, const std::string& directory, std::string_view master)
      : store(files, directory, master) {}
  ~Impl() {
    wipe(seal_key);
    for (auto& [key_epoch, key] : old_keys) wipe(key);
  }

  Status open_token_key(bool may_create) {
    const auto numbers = token_numbers(store);
    if (!numbers.ok()) return numbers.error();
    token_number = numbers->empty() ? 1 : numbers->back();
    const std::string name = token_name(token_number);
    auto key = may_create ? store.load_or_create(name) : store.load(name, false);
    if (!key.ok()) return key.error();
    hash = std::make_unique<KeyedHash>(*std::move(key));
    BANYAN_RETURN_IF_ERROR(open_digest_seed(may_create));
    if (may_create && numbers->size() > 1) destroy_token_keys(*numbers);
    return {};
  }

  // Taken from the first token key, and a key of its own once that one is to go: digests on both
  // sides of a rotation compare.
  Status open_digest_seed(bool may_write) {
    auto key = store.load(std::string(kDigestName), may_write);
    if (!key.ok()) {
      if (key.error().code != ErrorCode::kNotFound || token_number != 1) return key.error();
      key = digest_key_of(*hash);
    }
    digest_seed = ByteReader(*key).u64();
    wipe(*key);
    return {};
  }

  // Whoever holds an old one could still try which values its tokens stand for. One that cannot be
  // destroyed now is tried again at the next start, and `keys list` shows it.
  void destroy_token_keys(const std::vector<std::uint32_t>& numbers) const {
    for (const std::uint32_t number : numbers) {
      if (number != token_number) (void)store.destroy(token_name(number));
    }
    (void)store.files().sync_directory(store.directory());
  }

  Result<std::string> key_of(Epoch wanted) {
    if (wanted == epoch && !seal_key.empty()) return seal_key;
    MutexLock lock(mutex);
    if (wanted < destroyed_before) return gone(wanted);
    const auto held = old_keys.find(wanted);
    if (held != old_keys.end()) return held->second;
    auto key = store.load(seal_name(wanted), false);
    if (!key.ok() && key.error().code == ErrorCode::kNotFound) return gone(wanted);
    if (key.ok()) old_keys[wanted] = *key;
    return key;
  }

  static Error gone(Epoch wanted) {
    return make_error(ErrorCode::kNotFound, ErrorOrigin::kDisk,
                      "the seal key of epoch " + std::to_string(wanted.value) +
                          " is gone; what was sealed then cannot be read any more");
  }

  void forget_before(Epoch end) {
    MutexLock lock(mutex);
    destroyed_before = std::max(destroyed_before, end);
    const auto kept = old_keys.lower_bound(end);
    for (auto entry = old_keys.begin(); entry != kept; ++entry) wipe(entry->second);
    old_keys.erase(old_keys.begin(), kept);
  }

  KeyStore store;
  std::unique_ptr<KeyedHash> hash;
  std::uint32_t token_number = 1;
  std::uint64_t digest_seed = 0;
  Epoch epoch;
  std::string seal_key;  // "" where read-only
  // Nonce: a random prefix per open and a counter, so that none comes twice even where an epoch's
  // key is opened twice.
  std::string nonce_prefix;
  std::atomic<std::uint64_t> nonce_counter{0};
  Mutex mutex;
  std::map<Epoch, std::string> old_keys GUARDED_BY(mutex);
  Epoch destroyed_before GUARDED_BY(mutex);
};

KeyRing::KeyRing() = default;
KeyRing::~KeyRing() = default;

Result<std::unique_ptr<KeyRing>> KeyRing::open(FileSystem& files, const std::string& directory,
                                               Epoch epoch, std::string_view master) {
  BANYAN_RETURN_IF_ERROR(files.make_directories(directory));
  std::unique_ptr<KeyRing> ring(new KeyRing());
  ring->impl_ = std::make_unique<Impl>(files, directory, master);
  BANYAN_RETURN_IF_ERROR(ring->impl_->open_token_key(true));
  auto key = ring->impl_->store.load_or_create(seal_name(epoch));
  if (!key.ok()) return key.error();
  ring->impl_->epoch = epoch;
  ring->impl_->seal_key = *std::move(key);
  ring->impl_->nonce_prefix = random_bytes(kNonceBytes - 6);
  return ring;
}

Result<std::unique_ptr<KeyRing>> KeyRing::open_read_only(FileSystem& files,
                                                         const std::string& directory,
                                                         std::string_view master) {
  std::unique_ptr<KeyRing> ring(new KeyRing());
  ring->impl_ = std::make_unique<Impl>(files, directory, master);
  BANYAN_RETURN_IF_ERROR(ring->impl_->open_token_key(false));
  return ring;
}

Result<std::uint32_t> KeyRing::rotate_token_key(FileSystem& files, const std::string& directory,
                                                std::string_view master) {
  const KeyStore store(files, directory, master);
  const auto numbers = token_numbers(store);
  if (!numbers.ok()) return numbers.error();
  if (numbers->empty()) {
    return make_error(ErrorCode::kNotFound, ErrorOrigin::kDisk,
                      directory + " holds no token key; start `banyan serve` once, it makes one");
  }
  const std::uint32_t present = numbers->back();
  // Also proves that the master key is the right one.
  auto key = store.load(token_name(present), false);
  if (!key.ok()) return key.error();
  const std::string digest_path = directory + "/" + std::string(kDigestName);
  if (present == 1 && !files.exists(digest_path)) {
    std::string digest_key = digest_key_of(KeyedHash(*key));
    const Status stored = store.store(std::string(kDigestName), digest_key);
    wipe(digest_key);
    BANYAN_RETURN_IF_ERROR(stored);
  }
  wipe(*key);
  std::string fresh = random_bytes(kKeyBytes);
  const Status stored = store.store(token_name(present + 1), fresh);
  wipe(fresh);
  if (!stored.ok()) return stored.error();
  return present + 1;
}

Result<std::size_t> KeyRing::rewrap(FileSystem& files, const std::string& directory,
                                    std::string_view from, std::string_view to) {
  const auto found = list(files, directory);
  if (!found.ok()) return found.error();
  const KeyStore before(files, directory, from);
  const KeyStore after(files, directory, to);
  // All are opened before one is written: a wrong key changes nothing.
  std::vector<std::pair<std::string, std::string>> keys;
  Status failure;
  for (const KeyFile& file : *found) {
    if (file.is_wrapped == !to.empty() && after.load(file.name, false).ok()) continue;
    auto key = before.load(file.name, false);
    if (!key.ok()) {
      failure = key.error();
      break;
    }
    keys.emplace_back(file.name, *std::move(key));
  }
  for (auto& [name, key] : keys) {
    if (failure.ok()) failure = after.store(name, key);
    wipe(key);
  }
  if (!failure.ok()) return failure.error();
  return keys.size();
}

Result<std::vector<KeyRing::KeyFile>> KeyRing::list(FileSystem& files,
                                                    const std::string& directory) {
  const KeyStore store(files, directory, {});
  const auto names = files.list(directory);
  if (!names.ok()) return names.error();
  std::vector<KeyFile> found;
  for (const std::string& name : *names) {
    if (const auto number = parse_token_name(name)) {
      found.push_back(store.describe({name, KeyFile::Kind::kToken, *number}));
    } else if (name == kDigestName) {
      found.push_back(store.describe({name, KeyFile::Kind::kDigest}));
    } else if (name == kSubjectName) {
      found.push_back(store.describe({name, KeyFile::Kind::kSubject}));
    } else if (const auto epoch = parse_seal_name(name)) {
      found.push_back(store.describe({name, KeyFile::Kind::kSeal, epoch->value}));
    }
  }
  std::sort(found.begin(), found.end(), [](const KeyFile& a, const KeyFile& b) {
    return std::pair(a.kind, a.number) < std::pair(b.kind, b.number);
  });
  return found;
}

std::uint32_t KeyRing::token_key_number() const { return impl_->token_number; }

std::string KeyRing::token(std::string_view domain, std::string_view value) const {
  // The zero byte keeps ("ab", "c") apart from ("a", "bc"); domains are words of ours.
  std::string digest = impl_->hash->digest({domain, std::string_view("\0", 1), value});
  digest.resize(kTokenBytes);
  return digest;
}

std::uint64_t KeyRing::digest_seed() const { return impl_->digest_seed; }

Result<std::string> KeyRing::subject_secret(bool may_create) const {
  const std::string name(kSubjectName);
  return may_create ? impl_->store.load_or_create(name) : impl_->store.load(name, false);
}

// Sealed: version (1), epoch (8), nonce (12), encrypted bytes, tag (16).
std::string KeyRing::seal(std::string_view plain, std::string_view bound_to) const {
  if (impl_->seal_key.empty()) return {};
  const std::uint64_t count = impl_->nonce_counter.fetch_add(1, std::memory_order_relaxed);
  std::string nonce = impl_->nonce_prefix;
  ByteWriter nonce_writer(nonce);
  nonce_writer.u32(static_cast<std::uint32_t>(count));
  nonce_writer.u16(static_cast<std::uint16_t>(count >> 32));
  std::string out;
  out.reserve(1 + 8 + kNonceBytes + plain.size() + kTagBytes);
  ByteWriter writer(out);
  writer.u8(kSealVersion);
  writer.u64(impl_->epoch.value);
  writer.raw(nonce);
  aes_gcm_encrypt(impl_->seal_key, nonce, bound_to, plain, out);
  return out;
}

Result<std::string> KeyRing::unseal(std::string_view sealed, std::string_view bound_to) const {
  const auto damaged = [] {
    return make_error(ErrorCode::kDamaged, ErrorOrigin::kDisk,
                      "a sealed value does not open: its bytes or its record were changed");
  };
  ByteReader reader(sealed);
  const std::uint8_t version = reader.u8();
  const Epoch epoch{reader.u64()};
  const std::string_view nonce = reader.raw(kNonceBytes);
  if (!reader.ok() || version != kSealVersion) return damaged();
  auto key = impl_->key_of(epoch);
  if (!key.ok()) return key.error();
  auto plain = aes_gcm_decrypt(*key, nonce, bound_to, sealed.substr(reader.consumed()));
  if (!plain) return damaged();
  return *std::move(plain);
}

Status KeyRing::destroy_before(Epoch epoch) {
  // First in memory: nobody meets a file that is half overwritten.
  impl_->forget_before(epoch);
  const KeyStore& store = impl_->store;
  auto names = store.files().list(store.directory());
  if (!names.ok()) return names.error();
  Status first_failure;
  bool is_changed = false;
  for (const std::string& name : *names) {
    const auto held = parse_seal_name(name);
    if (!held || !(*held < epoch) || *held == impl_->epoch) continue;
    is_changed = true;
    if (const auto status = store.destroy(name); !status.ok() && first_failure.ok()) {
      first_failure = status;
    }
  }
  // Without this a power cut may bring the names back, but with nothing in the files.
  if (is_changed) BANYAN_RETURN_IF_ERROR(store.files().sync_directory(store.directory()));
  return first_failure;
}

}  // namespace banyan::crypto
