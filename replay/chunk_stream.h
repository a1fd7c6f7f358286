// SPDX-License-Identifier: Apache-2.0
//
// Streams a request's body from its CHUNK records into a call, in bounded steps: never more in
// memory than the call's high-water mark and one chunk. Loop-confined.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/model/record_io.h"
#include "core/net/upstream.h"

namespace banyan::replay {

class ChunkStream {
 public:
  enum class Step {
    kMore,  // go on in the next turn of the loop
    kFull,  // go on when the call is writable
    kDone,
    kLost,  // a chunk is not there (any more)
  };

  // `from`: the REQUEST's offset.
  static Result<std::unique_ptr<ChunkStream>> open(model::LogAccess& log, std::string_view stream,
                                                   Offset from, ExchangeId exchange);
  Step pump(net::UpstreamCall& call);

 private:
  // Records looked at in one step; those of other exchanges lie between ours.
  static constexpr int kStepRecordsMax = 1024;

  ChunkStream() = default;
  Step write(const model::ChunkRecord& chunk, net::UpstreamCall& call);

  std::unique_ptr<model::RecordSource> source_;
  std::string stream_;
  ExchangeId exchange_;
  std::uint32_t sequence_ = 0;
};

}  // namespace banyan::replay
