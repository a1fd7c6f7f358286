// SPDX-License-Identifier: Apache-2.0
//
// The text of data_dir/state/routing. One line per fact, so that a person can read it in trouble:
//
//   banyan-routing 1
//   epoch 2003
//   salt 7d0c…                                      (hex)
//   route name="orders" dials=2500,10000,0 configured=0,10000,0 overridden=1 rolled_back=0
//         changed=1700000000000000000 by="ada" reason="canary"        (one line)
//   checksum 0123456789abcdef                       (XXH3-64 of all bytes before this line)
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/model/record.h"

namespace banyan::routing {

inline constexpr std::size_t kStateBytesMax = 16ULL << 20;
inline constexpr std::size_t kStateRoutesMax = 10000;

struct SavedRoute {
  std::string name;
  model::Dials dials;           // in force
  model::Dials configured;      // what the config said when a person last changed the route
  bool is_overridden = false;   // a person changed it since the last reset
  bool is_rolled_back = false;  // latched until a person raises it
  std::int64_t changed_wall_ns = 0;
  std::string changed_by, changed_reason;
  bool operator==(const SavedRoute&) const = default;
};

struct SavedState {
  std::uint64_t epoch = 0;
  std::string salt;
  std::vector<SavedRoute> routes;
  bool operator==(const SavedState&) const = default;
};

std::string encode_state(const SavedState& state);
// kDamaged with the line for anything encode_state() would not have written; kUnsupported for
// another version.
Result<SavedState> decode_state(std::string_view text);

}  // namespace banyan::routing
