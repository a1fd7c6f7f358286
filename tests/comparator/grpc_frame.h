// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace banyan::comparator {

// A message of gRPC as it stands in a body: flag, length in four bytes, bytes.
inline std::string frame(std::string_view message, char flag = 0) {
  std::string out(1, flag);
  for (const int shift : {24, 16, 8, 0}) out.push_back(static_cast<char>(message.size() >> shift));
  return out.append(message);
}

}  // namespace banyan::comparator
