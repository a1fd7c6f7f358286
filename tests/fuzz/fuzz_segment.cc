// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a segment file. The first byte says whether checksums are put right first, so that
// what lies behind them is reached too.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/bytes.h"
#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/model/record_codec.h"
#include "recorder/format.h"
#include "recorder/segment_reader.h"
#include "recorder/sparse_index.h"

namespace {

namespace recorder = banyan::recorder;

class BytesFile final : public banyan::File {
 public:
  explicit BytesFile(std::string bytes) : bytes_(std::move(bytes)) {}
  banyan::Status write_at(banyan::Position, std::string_view) override { return {}; }
  banyan::Status read_at(banyan::Position position, std::size_t size,
                         std::string& out) const override {
    out = position.value < bytes_.size() ? bytes_.substr(position.value, size) : std::string();
    return {};
  }
  banyan::Result<std::uint64_t> size() const override { return std::uint64_t{bytes_.size()}; }
  banyan::Status truncate(std::uint64_t) override { return {}; }
  banyan::Status reserve(std::uint64_t) override { return {}; }
  banyan::Status sync() override { return {}; }

 private:
  std::string bytes_;
};

recorder::SegmentHeader header() {
  recorder::SegmentHeader result;
  result.uuid = std::string(16, 'u');
  result.uid = 7;
  return result;
}

void put_u64(std::string& bytes, std::size_t at, std::uint64_t value) {
  std::string text;
  banyan::ByteWriter(text).u64(value);
  bytes.replace(at, 8, text);
}

// Gives each 80 bytes that begin like a batch the checksums of what they hold.
void mend(std::string& bytes, std::uint64_t seed) {
  for (std::size_t at = 0; at + recorder::kBatchHeaderBytes <= bytes.size(); at += 8) {
    if (std::string_view(bytes).substr(at, 4) != std::string_view("BNYB")) continue;
    banyan::ByteReader length(std::string_view(bytes).substr(at + 8, 4));
    const std::size_t stored = length.u32();
    put_u64(bytes, at + 32, 7);
    put_u64(bytes, at + 64, banyan::xxh3_64(std::string_view(bytes).substr(at + 80, stored), seed));
    put_u64(bytes, at + 72, banyan::xxh3_64(std::string_view(bytes).substr(at, 72), seed));
  }
}

void walk(const std::string& content) {
  recorder::SegmentReader reader(std::make_shared<BytesFile>(content), header());
  recorder::SegmentReader::Batch batch;
  banyan::Offset expected;
  for (int steps = 0; steps < 10'000; ++steps) {
    const auto found = reader.next(batch);
    CHECK(found.ok());
    if (*found == recorder::SegmentReader::Found::kEnd) return;
    if (*found == recorder::SegmentReader::Found::kBad) {
      const auto goes_on = reader.resync(expected);
      CHECK(goes_on.ok());
      if (!*goes_on) return;
      continue;
    }
    CHECK(batch.end > batch.position);
    expected = std::max(expected, batch.header.end());
    recorder::PayloadReader payload(batch.payload);
    std::string_view record;
    while (payload.next(record)) {
      (void)banyan::model::peek(record).ok();
      (void)banyan::model::decode(record).ok();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  (void)recorder::decode_segment_header(bytes, "segment").ok();
  (void)recorder::decode_index(bytes, header()).ok();
  if ((data[0] & 1) != 0) mend(bytes, header().seed());
  walk(std::string(recorder::kSegmentHeaderBytes, '\0') + bytes);
  return 0;
}
