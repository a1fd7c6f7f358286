// SPDX-License-Identifier: Apache-2.0
#include "core/crypto/key_ring.h"

#include <algorithm>
#include <atomic>
#include <map>
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
    if (lines.size() != 4 || !content->starts_with(kFirstLine) || !lines[2].starts_with("check ") ||
        check_of(lines[1]) != lines[2].substr(6)) {
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

 private:
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

}  // namespace

struct KeyRing::Impl {
  Impl(FileSystem& files, const std::string& directory, std::string_view master)
      : store(files, directory, master) {}
  ~Impl() {
    wipe(seal_key);
    for (auto& [key_epoch, key] : old_keys) wipe(key);
  }

  Status open_token_key(bool may_create) {
    auto key = may_create ? store.load_or_create("token") : store.load("token", false);
    if (!key.ok()) return key.error();
    hash = std::make_unique<KeyedHash>(*std::move(key));
    const std::string seed = hash->digest({"digest seed"});
    digest_seed = ByteReader(seed).u64();
    return {};
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

std::string KeyRing::token(std::string_view domain, std::string_view value) const {
  // The zero byte keeps ("ab", "c") apart from ("a", "bc"); domains are words of ours.
  std::string digest = impl_->hash->digest({domain, std::string_view("\0", 1), value});
  digest.resize(kTokenBytes);
  return digest;
}

std::uint64_t KeyRing::digest_seed() const { return impl_->digest_seed; }

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
