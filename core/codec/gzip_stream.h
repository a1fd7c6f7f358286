// SPDX-License-Identifier: Apache-2.0
//
// Decodes a gzip file of any size piece by piece; several members one after the other are one
// stream, as gzip itself reads them. One thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace banyan::codec {

class GzipStream {
 public:
  GzipStream();
  ~GzipStream();
  GzipStream(const GzipStream&) = delete;
  GzipStream& operator=(const GzipStream&) = delete;

  static bool begins(std::string_view bytes) { return bytes.starts_with("\x1f\x8b"); }

  // Consumes from the front of `input` and replaces `out` by what came of it, at most about
  // kOutputBytes: call again while `input` is not empty or `out` is full. kDamaged for what is no
  // gzip, or where a checksum does not fit.
  Status decode(std::string_view& input, std::string& out);
  // True between members: the input may end here.
  bool is_at_boundary() const;

  static constexpr std::size_t kOutputBytes = 64 * 1024;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace banyan::codec
