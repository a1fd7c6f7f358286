// SPDX-License-Identifier: Apache-2.0
#include "recorder/log_keys.h"

#include <algorithm>
#include <utility>

#include "core/base/bytes.h"
#include "core/base/text.h"
#include "core/crypto/aes_gcm.h"

namespace banyan::recorder {
namespace {

static_assert(kWrappedKeyBytes == crypto::kNonceBytes + crypto::kKeyBytes + crypto::kTagBytes);

// A footer has the offset behind the last record, which the next batch of the next segment may have
// as well: its nonce is random in 64 bits and differs from those of batches in the last ones.
std::string nonce_of(const BatchHeader& header) {
  std::string nonce;
  ByteWriter writer(nonce);
  writer.u64(header.is_footer ? header.lane_sequence : header.base.value);
  writer.u32(header.is_footer ? 1 : 0);
  return nonce;
}

std::string bound_to(const BatchHeader& header, std::string_view uuid) {
  return std::string(uuid) + header.fixed_fields();
}

std::string bound_key(const SegmentHeader& header) { return "banyan data key" + header.uuid; }

}  // namespace

DataKey::~DataKey() { crypto::wipe(key_); }

void DataKey::encrypt(const BatchHeader& header, std::string_view uuid, std::string_view plain,
                      std::string& out) const {
  crypto::aes_gcm_encrypt(key_, nonce_of(header), bound_to(header, uuid), plain, out);
}

Result<std::string> DataKey::decrypt(const BatchHeader& header, std::string_view uuid,
                                     std::string_view stored) const {
  auto plain = crypto::aes_gcm_decrypt(key_, nonce_of(header), bound_to(header, uuid), stored);
  if (plain) return *std::move(plain);
  return make_error(ErrorCode::kDamaged, ErrorOrigin::kDisk,
                    "an encrypted batch of the log is not what was written");
}

Result<std::shared_ptr<const LogKeys>> LogKeys::create(const std::vector<std::string>& secrets) {
  auto keys = std::make_shared<LogKeys>();
  for (const std::string& secret : secrets) {
    if (secret.size() < kSecretBytesMin) {
      return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kConfig,
                        "a key of the log has at least " + std::to_string(kSecretBytesMin) +
                            " bytes; make one with: openssl rand -hex 32");
    }
    const crypto::KeyedHash derive(secret);
    Key key;
    key.id = derive.digest({"banyan log key id"}).substr(0, kKeyIdBytes);
    key.wrapping = derive.digest({"banyan log key wrapping"});
    key.chaining = std::make_shared<crypto::KeyedHash>(derive.digest({"banyan log chain"}));
    const auto same = std::find_if(keys->keys_.begin(), keys->keys_.end(),
                                   [&](const Key& held) { return held.id == key.id; });
    if (same == keys->keys_.end()) keys->keys_.push_back(std::move(key));
  }
  return std::shared_ptr<const LogKeys>(std::move(keys));
}

std::shared_ptr<const LogKeys> LogKeys::none() {
  static const auto kNone = std::make_shared<const LogKeys>();
  return kNone;
}

std::shared_ptr<const DataKey> LogKeys::make_data_key(SegmentHeader& header) const {
  auto key = std::make_shared<const DataKey>(crypto::random_bytes(crypto::kKeyBytes));
  wrap(*key, header);
  return key;
}

void LogKeys::wrap(const DataKey& key, SegmentHeader& header) const {
  const Key& by = keys_.front();
  header.key_id = by.id;
  header.wrapped_key = crypto::random_bytes(crypto::kNonceBytes);
  const std::string nonce = header.wrapped_key;
  crypto::aes_gcm_encrypt(by.wrapping, nonce, bound_key(header), key.bytes(), header.wrapped_key);
}

Result<const LogKeys::Key*> LogKeys::find(const SegmentHeader& header,
                                          const std::string& path) const {
  const auto found = std::find_if(keys_.begin(), keys_.end(),
                                  [&](const Key& key) { return key.id == header.key_id; });
  if (found != keys_.end()) return &*found;
  return make_error(ErrorCode::kPermissionDenied, ErrorOrigin::kDisk,
                    "the log segment " + path + " needs the key " + hex_of_bytes(header.key_id) +
                        ", which was not given; set [log] key, or old_keys for one that is no "
                        "longer in force (a command reads them with -c)");
}

Result<std::shared_ptr<const DataKey>> LogKeys::unwrap(const SegmentHeader& header,
                                                       const std::string& path) const {
  if (!header.is_encrypted()) return std::shared_ptr<const DataKey>();
  const auto by = find(header, path);
  if (!by.ok()) return by.error();
  const std::string_view wrapped = header.wrapped_key;
  auto key = crypto::aes_gcm_decrypt((*by)->wrapping, wrapped.substr(0, crypto::kNonceBytes),
                                     bound_key(header), wrapped.substr(crypto::kNonceBytes));
  if (!key || key->size() != crypto::kKeyBytes) {
    return make_error(ErrorCode::kDamaged, ErrorOrigin::kDisk,
                      "the data key of the log segment " + path + " is damaged");
  }
  return std::make_shared<const DataKey>(*std::move(key));
}

Result<std::shared_ptr<const crypto::KeyedHash>> LogKeys::chain_key(const SegmentHeader& header,
                                                                    const std::string& path) const {
  if (!header.is_chained()) return std::shared_ptr<const crypto::KeyedHash>();
  const auto by = find(header, path);
  if (!by.ok()) return by.error();
  return (*by)->chaining;
}

Chain next_chain(const crypto::KeyedHash& key, const Chain& before, const BatchHeader& header,
                 std::string_view stored) {
  const std::string digest =
      key.digest({std::string_view(before.data(), before.size()), header.fixed_fields(), stored});
  Chain chain;
  std::copy(digest.begin(), digest.end(), chain.begin());
  return chain;
}

}  // namespace banyan::recorder
