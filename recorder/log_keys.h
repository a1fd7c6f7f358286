// SPDX-License-Identifier: Apache-2.0
//
// Encryption at rest and the audit chain. A key of the log wraps a data key per segment; batches
// are encrypted with that one. docs/formats/log.md says which bytes go in.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/crypto/keyed_hash.h"
#include "recorder/format.h"

namespace banyan::recorder {

// Of one segment (and of those that replace it after a failure: they hold the same batches under
// the same offsets). Immutable; any thread.
class DataKey {
 public:
  explicit DataKey(std::string key) : key_(std::move(key)) {}
  ~DataKey();
  DataKey(const DataKey&) = delete;
  DataKey& operator=(const DataKey&) = delete;

  // Appends the encrypted payload of this batch and its tag. Offsets are never used twice, so the
  // nonce is none but that of this batch.
  void encrypt(const BatchHeader& header, std::string_view uuid, std::string_view plain,
               std::string& out) const;
  // kDamaged where the bytes are not what was encrypted.
  Result<std::string> decrypt(const BatchHeader& header, std::string_view uuid,
                              std::string_view stored) const;
  const std::string& bytes() const { return key_; }

 private:
  std::string key_;
};

using Chain = std::array<char, kChainBytes>;

// The keys of a log: the first is in force, the others open what was written before. Immutable; any
// thread.
class LogKeys {
 public:
  // Each of any length from kSecretBytesMin on; kInvalidArgument with what is wrong else.
  static Result<std::shared_ptr<const LogKeys>> create(const std::vector<std::string>& secrets);
  static constexpr std::size_t kSecretBytesMin = 16;
  // For logs without any: opens nothing that is encrypted.
  static std::shared_ptr<const LogKeys> none();

  bool has_key() const { return !keys_.empty(); }
  const std::string& current_id() const { return keys_.front().id; }

  // A fresh data key, wrapped in `header` by the key in force.
  std::shared_ptr<const DataKey> make_data_key(SegmentHeader& header) const;
  // The same data key in another segment's header.
  void wrap(const DataKey& key, SegmentHeader& header) const;
  // Null where the segment is not encrypted. kPermissionDenied where its key is not among these;
  // `path` is for the message.
  Result<std::shared_ptr<const DataKey>> unwrap(const SegmentHeader& header,
                                                const std::string& path) const;

  // What chains the batches of this segment; null where it is not chained. kPermissionDenied as
  // above.
  Result<std::shared_ptr<const crypto::KeyedHash>> chain_key(const SegmentHeader& header,
                                                             const std::string& path) const;

 private:
  struct Key {
    std::string id;
    std::string wrapping;
    std::shared_ptr<const crypto::KeyedHash> chaining;
  };
  Result<const Key*> find(const SegmentHeader& header, const std::string& path) const;

  std::vector<Key> keys_;
};

// HMAC-SHA-256 over the chain before, the batch's fixed fields and its stored payload.
Chain next_chain(const crypto::KeyedHash& key, const Chain& before, const BatchHeader& header,
                 std::string_view stored);

}  // namespace banyan::recorder
