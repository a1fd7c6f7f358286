// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a ledger checkpoint, as they are, with a checksum that holds, and as the fold alone:
// never crashes, and what is accepted survives encode and decode.
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/bytes.h"
#include "core/base/check.h"
#include "core/base/hash.h"
#include "ledger/checkpoint.h"

namespace {

using banyan::ledger::decode_checkpoint;
using banyan::ledger::encode_checkpoint;

std::string encoded(const banyan::ledger::Checkpoint& checkpoint) {
  return encode_checkpoint(checkpoint.cursor, checkpoint.refused, *checkpoint.fold);
}

void check(std::string_view bytes) {
  const auto checkpoint = decode_checkpoint(bytes);
  if (!checkpoint.ok()) return;
  CHECK(checkpoint->fold->snapshot().is_balanced());
  const std::string once = encoded(*checkpoint);
  const auto again = decode_checkpoint(once);
  CHECK(again.ok());
  CHECK(encoded(*again) == once);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check(bytes);
  std::string sealed(bytes.substr(0, size < 8 ? 0 : size - 8));
  banyan::ByteWriter(sealed).u64(banyan::xxh3_64(sealed));
  check(sealed);
  const auto fold = banyan::ledger::LedgerFold::restore(bytes);
  if (!fold.ok()) return 0;
  check(encode_checkpoint({}, {}, **fold));
  return 0;
}
