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
#include "recorder/segment_footer.h"
#include "recorder/segment_reader.h"

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

recorder::SegmentHeader header(std::uint16_t version) {
  recorder::SegmentHeader result;
  result.version = version;
  result.uuid = std::string(16, 'u');
  result.uid = 7;
  return result;
}

void put_u64(std::string& bytes, std::size_t at, std::uint64_t value) {
  std::string text;
  banyan::ByteWriter(text).u64(value);
  bytes.replace(at, 8, text);
}

// Gives what begins like a batch the checksums of what it holds.
void mend(std::string& bytes, const recorder::SegmentHeader& of) {
  const std::uint64_t seed = of.seed();
  const std::size_t header_bytes = of.batch_header_bytes();
  for (std::size_t at = 0; at + header_bytes <= bytes.size(); at += 8) {
    if (std::string_view(bytes).substr(at, 4) != std::string_view("BNYB")) continue;
    banyan::ByteReader length(std::string_view(bytes).substr(at + 8, 4));
    const std::size_t stored = length.u32();
    put_u64(bytes, at + 32, 7);
    const std::string_view view = bytes;
    put_u64(bytes, at + 64, banyan::xxh3_64(view.substr(at + header_bytes, stored), seed));
    put_u64(bytes, at + header_bytes - 8, banyan::xxh3_64(view.substr(at, header_bytes - 8), seed));
  }
}

void walk(const std::string& content, const recorder::SegmentHeader& of) {
  recorder::SegmentReader reader(std::make_shared<BytesFile>(content), of, nullptr);
  recorder::SegmentReader::Batch batch;
  banyan::Offset expected;
  for (int steps = 0; steps < 10'000; ++steps) {
    const auto found = reader.next(batch);
    CHECK(found.ok());
    if (*found == recorder::SegmentReader::Found::kEnd) {
      if (const auto footer = reader.footer(); footer.ok()) {
        (void)recorder::decode_footer(*footer).ok();
      }
      return;
    }
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
  (void)recorder::decode_footer(bytes).ok();
  (void)recorder::decode_footer_pointer(bytes).has_value();
  // The corpus of format version 1 has its first bits 0 and 1.
  const recorder::SegmentHeader of = header((data[0] & 2) != 0 ? recorder::kFormatVersion : 1);
  if ((data[0] & 1) != 0) mend(bytes, of);
  walk(std::string(recorder::kSegmentHeaderBytes, '\0') + bytes, of);
  return 0;
}
