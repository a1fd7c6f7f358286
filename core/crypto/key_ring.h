// SPDX-License-Identifier: Apache-2.0
//
// The keys of one data directory: a token key until somebody rotates it, and a seal key per epoch
// (AES-256-GCM), destroyed with the last segment that uses it. Files lie in data_dir/keys, 0600.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/base/file_system.h"
#include "core/base/ids.h"

namespace banyan::crypto {

class KeyRing {
 public:
  // kPermissionDenied where the keys are wrapped and `master` is missing or another; keys that were
  // stored plainly are wrapped as soon as there is a master key. Creates what is missing and makes
  // this epoch's seal key. `master` ("" for none) is [record] key: then keys on disk are wrapped by
  // it.
  static Result<std::unique_ptr<KeyRing>> open(FileSystem& files, const std::string& directory,
                                               Epoch epoch, std::string_view master);
  // Reads only: no new seal key (offline tools, replay of old epochs).
  static Result<std::unique_ptr<KeyRing>> open_read_only(FileSystem& files,
                                                         const std::string& directory,
                                                         std::string_view master);
  ~KeyRing();

  // Writes the token key that the next open() takes into use, and answers its number. What is open
  // goes on with its own; the next open() destroys that. Beside a running server, but one caller at
  // a time. docs/decisions/0024-token-key-rotation.md.
  static Result<std::uint32_t> rotate_token_key(FileSystem& files, const std::string& directory,
                                                std::string_view master);
  // Wraps every key by another master key ("" for none: then they lie there plainly); answers how
  // many it wrote. One that `to` wraps already is left alone, so that a call that was cut short is
  // made again. kPermissionDenied, and nothing is written, where a key opens under neither.
  static Result<std::size_t> rewrap(FileSystem& files, const std::string& directory,
                                    std::string_view from, std::string_view to);
  // What lies in the directory; no key is opened.
  struct KeyFile {
    enum class Kind { kToken, kDigest, kSubject, kSeal };
    std::string name;
    Kind kind = Kind::kSeal;
    std::uint64_t number = 0;  // of a token key; of a seal key its epoch
    bool is_wrapped = false;
    bool is_damaged = false;
  };
  static Result<std::vector<KeyFile>> list(FileSystem& files, const std::string& directory);

  // 1 for the first of a directory. Tokens of different numbers say nothing about each other.
  std::uint32_t token_key_number() const;
  // HMAC-SHA-256 under the token key, first 16 bytes. Any thread.
  std::string token(std::string_view domain, std::string_view value) const;
  // Seed for keyed body digests; for the life of the directory.
  std::uint64_t digest_seed() const;
  // Under which the keys of subjects are wrapped and found (SubjectKeys); for the life of the
  // directory. kNotFound where there is none and none is to be made.
  Result<std::string> subject_secret(bool may_create) const;
  // AES-256-GCM under the present epoch's key, a fresh nonce each time; `bound_to` is
  // authenticated. The output names its key's epoch. "" from a ring that was opened read-only. Any
  // thread.
  std::string seal(std::string_view plain, std::string_view bound_to) const;
  // kNotFound where the key of that epoch is gone, kDamaged where the bytes are not what was
  // sealed.
  Result<std::string> unseal(std::string_view sealed, std::string_view bound_to) const;
  // Destroys the seal keys of epochs before `epoch`, but for the present one. None of them opens
  // anything any more from here on. A key file that cannot be destroyed fails the call and holds up
  // no other; call again. One caller at a time, beside any thread's other calls.
  Status destroy_before(Epoch epoch);

 private:
  KeyRing();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace banyan::crypto
