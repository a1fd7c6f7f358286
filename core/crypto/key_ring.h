// SPDX-License-Identifier: Apache-2.0
//
// The keys of one data directory: a token key for the life of the directory, and a seal key per
// epoch (AES-256-GCM), destroyed with the last segment that uses it. Files lie in data_dir/keys,
// 0600.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

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

  // HMAC-SHA-256 under the token key, first 16 bytes. Any thread.
  std::string token(std::string_view domain, std::string_view value) const;
  // Seed for keyed body digests.
  std::uint64_t digest_seed() const;
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
