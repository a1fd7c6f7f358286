// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a record: what decodes encodes to something that decodes to the same.
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "core/base/check.h"
#include "core/crypto/aes_gcm.h"
#include "core/model/record_codec.h"
#include "core/model/subject_seal.h"

namespace {

// What one way of reading says, the others say too.
template <typename Record>
void check_typed(std::string_view bytes, const banyan::model::AnyRecord* whole) {
  Record record, head;
  const bool is_whole = banyan::model::decode_as(bytes, record).ok();
  const bool has_head = banyan::model::decode_head(bytes, head).ok();
  CHECK(is_whole == (whole != nullptr && std::holds_alternative<Record>(*whole)));
  CHECK(has_head || !is_whole);
  if (!is_whole) return;
  std::string typed, untyped;
  banyan::model::encode(record, typed);
  banyan::model::encode(*whole, untyped);
  CHECK(typed == untyped);
  CHECK(head.exchange == record.exchange && head.route == record.route);
}

const std::string kKey(banyan::crypto::kKeyBytes, 'k');

// What is sealed opens to the same and to nothing else; hostile bytes open to nothing at all.
void check_seal(std::string_view bytes) {
  std::string sealed, opened;
  (void)banyan::model::open_record(bytes, kKey, opened).ok();
  if (banyan::model::subject_of_open(bytes).empty()) return;
  const auto record = banyan::model::decode(bytes);
  if (!banyan::model::seal_record(bytes, kKey, sealed).ok()) {
    CHECK(!record.ok());
    return;
  }
  std::string whole;
  banyan::model::encode(*record, whole);
  CHECK(banyan::model::open_record(sealed, kKey, opened).ok());
  CHECK(opened == whole);
  CHECK(banyan::model::decode(sealed).ok());
  CHECK(banyan::model::peek(sealed)->exchange == banyan::model::peek(bytes)->exchange);
  sealed.back() = static_cast<char>(sealed.back() ^ 1);
  CHECK(!banyan::model::open_record(sealed, kKey, opened).ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check_seal(bytes);
  const auto peeked = banyan::model::peek(bytes);
  const auto decoded = banyan::model::decode(bytes);
  const auto* whole = decoded.ok() ? &*decoded : nullptr;
  check_typed<banyan::model::RequestRecord>(bytes, whole);
  check_typed<banyan::model::ResponseRecord>(bytes, whole);
  check_typed<banyan::model::ShadowRecord>(bytes, whole);
  check_typed<banyan::model::VerdictRecord>(bytes, whole);
  if (!decoded.ok()) return 0;
  CHECK(peeked.ok());
  std::string once;
  banyan::model::encode(*decoded, once);
  const auto again = banyan::model::decode(once);
  CHECK(again.ok());
  std::string twice;
  banyan::model::encode(*again, twice);
  CHECK(once == twice);
  CHECK(banyan::model::peek(once)->exchange == peeked->exchange);
  return 0;
}
