// SPDX-License-Identifier: Apache-2.0
#include "ledger/checkpoint.h"

#include <utility>

#include "core/base/bytes.h"
#include "core/base/hash.h"

namespace banyan::ledger {
namespace {

constexpr std::uint64_t kMagic = 0x31524744454c5942ULL;  // "BYLEDGR1"
constexpr std::uint32_t kFileVersion = 1;

}  // namespace

Error damaged_checkpoint(std::string_view what) {
  return make_error(ErrorCode::kDamaged, ErrorOrigin::kDisk,
                    "ledger checkpoint: " + std::string(what));
}

std::string encode_checkpoint(const model::Cursor& cursor,
                              const std::map<int, std::uint64_t>& refused, const LedgerFold& fold) {
  std::string out;
  ByteWriter writer(out);
  writer.u64(kMagic);
  writer.u32(kFileVersion);
  writer.bytes(cursor.to_string());
  writer.varint(refused.size());
  for (const auto& [status, count] : refused) {
    writer.varint(static_cast<std::uint64_t>(status));
    writer.varint(count);
  }
  std::string folded;
  fold.serialise(folded);
  writer.bytes(folded);
  writer.u64(xxh3_64(out));
  return out;
}

Result<Checkpoint> decode_checkpoint(std::string_view bytes) {
  if (bytes.size() < 20) return damaged_checkpoint("cut short");
  ByteReader tail(bytes.substr(bytes.size() - 8));
  const std::string_view body = bytes.substr(0, bytes.size() - 8);
  ByteReader in(body);
  if (in.u64() != kMagic) return damaged_checkpoint("not a ledger checkpoint");
  if (tail.u64() != xxh3_64(body)) return damaged_checkpoint("checksum does not match");
  if (in.u32() != kFileVersion) return damaged_checkpoint("written by another version");
  auto cursor = model::Cursor::parse(in.bytes());
  if (!cursor.ok()) return cursor.error();
  Checkpoint checkpoint;
  checkpoint.cursor = std::move(cursor).value();
  const std::uint64_t refused = in.varint();
  for (std::uint64_t i = 0; i < refused && in.ok(); ++i) {
    const std::uint64_t status = in.varint();
    if (status > 999) return damaged_checkpoint("a status that cannot be");
    checkpoint.refused[static_cast<int>(status)] = in.varint();
  }
  const std::string_view folded = in.bytes();
  if (!in.ok() || in.remaining() != 0) return damaged_checkpoint("bad layout");
  auto fold = LedgerFold::restore(folded);
  if (!fold.ok()) return fold.error();
  checkpoint.fold = std::move(fold).value();
  return checkpoint;
}

}  // namespace banyan::ledger
