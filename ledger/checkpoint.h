// SPDX-License-Identifier: Apache-2.0
//
// The bytes of state/ledger: magic, version, cursor as text, refused counts, length-prefixed fold,
// and XXH3-64 of all before it. Pure. For the ledger's own sources and their tests.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "ledger/ledger.h"

namespace banyan::ledger {

struct Checkpoint {
  model::Cursor cursor;
  std::map<int, std::uint64_t> refused;  // by status
  std::unique_ptr<LedgerFold> fold;
};

// kDamaged, of a checkpoint or of the fold in it.
Error damaged_checkpoint(std::string_view what);

std::string encode_checkpoint(const model::Cursor& cursor,
                              const std::map<int, std::uint64_t>& refused, const LedgerFold& fold);
// kDamaged for anything that is not exactly one checkpoint whose accounts balance.
Result<Checkpoint> decode_checkpoint(std::string_view bytes);

}  // namespace banyan::ledger
