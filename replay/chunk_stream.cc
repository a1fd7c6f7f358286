// SPDX-License-Identifier: Apache-2.0
#include "replay/chunk_stream.h"

#include <utility>
#include <variant>

#include "core/model/record_codec.h"
#include "replay/record_fetcher.h"

namespace banyan::replay {

Result<std::unique_ptr<ChunkStream>> ChunkStream::open(model::LogAccess& log,
                                                       std::string_view stream, Offset from,
                                                       ExchangeId exchange) {
  auto source = log.open_source(only_stream(log, stream, from), model::Fence::kWritten);
  if (!source.ok()) return source.error();
  auto chunks = std::unique_ptr<ChunkStream>(new ChunkStream());
  chunks->source_ = std::move(*source);
  chunks->stream_ = stream;
  chunks->exchange_ = exchange;
  return chunks;
}

ChunkStream::Step ChunkStream::pump(net::UpstreamCall& call) {
  model::SourcedRecord record;
  for (int i = 0; i < kStepRecordsMax; ++i) {
    if (call.is_write_full()) return Step::kFull;
    auto more = source_->next(record);
    // All chunks were seen before the copy was sent, so an end here means that they are gone.
    if (!more.ok() || !*more) return Step::kLost;
    if (record.kind == model::SourcedRecord::Kind::kHole) {
      if (record.stream == stream_) return Step::kLost;
      continue;
    }
    if (record.type != model::RecordType::kChunk || record.exchange != exchange_) continue;
    auto decoded = model::decode(record.encoded);
    if (!decoded.ok()) return Step::kLost;
    const auto& chunk = std::get<model::ChunkRecord>(*decoded);
    if (chunk.side != model::Side::kRequest) continue;
    if (const Step step = write(chunk, call); step != Step::kMore) return step;
  }
  return Step::kMore;
}

ChunkStream::Step ChunkStream::write(const model::ChunkRecord& chunk, net::UpstreamCall& call) {
  // Erased meanwhile: its bytes are gone, and an empty piece would be another request.
  if (chunk.of.is_erased || chunk.sequence != sequence_++) return Step::kLost;
  call.write_body(chunk.bytes);
  if (!chunk.is_last) return Step::kMore;
  call.finish_body(chunk.trailers);
  return Step::kDone;
}

}  // namespace banyan::replay
