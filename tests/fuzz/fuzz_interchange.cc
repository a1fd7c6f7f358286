// SPDX-License-Identifier: Apache-2.0
//
// Files to import: the first byte chooses the reader (har, ndjson, gor, capture), the second into
// how small pieces the input is cut. What is read can be written again in each format, and reads
// back the same from ours.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/check.h"
#include "core/base/text.h"
#include "interchange/exchange_check.h"
#include "interchange/exchange_reader.h"
#include "interchange/exchange_writer.h"
#include "interchange/shell_quote.h"

namespace {

using namespace banyan::interchange;  // NOLINT(google-build-using-namespace)

void check_round_trip(Exchange& exchange) {
  std::string line;
  make_ndjson_writer()->write(exchange, line);
  StringInput bytes(line);
  BufferedInput input(bytes);
  const auto reader = make_ndjson_reader(input);
  Exchange again;
  CHECK(reader->next(again) == ExchangeReader::Step::kExchange);
  CHECK(again.fields == exchange.fields);
  CHECK(again.target == exchange.target);
  CHECK(again.body.bytes == exchange.body.bytes);
  CHECK(again.answer.has_value() == exchange.answer.has_value());
  if (again.answer) CHECK(again.answer->body.bytes == exchange.answer->body.bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  constexpr Format kFormats[] = {Format::kHar, Format::kNdjson, Format::kGor, Format::kCapture};
  std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  (void)detect_format(text);
  (void)shell_quote(text);
  // A capture line is given as the message in it, else nothing but base64 would be tried.
  const Format format = kFormats[(data[0] - '0') & 3];
  std::string encoded;
  if (format == Format::kCapture && !text.ends_with('\n')) {
    encoded = banyan::base64_of_bytes(text);
    text = encoded;
  }
  StringInput bytes(text, data[1] == '0' ? 4096 : data[1]);
  BufferedInput input(bytes);
  const auto reader = make_reader(format, input);
  for (;;) {
    Exchange exchange;
    const auto step = reader->next(exchange);
    if (step == ExchangeReader::Step::kEnd || step == ExchangeReader::Step::kBroken) return 0;
    if (step == ExchangeReader::Step::kBad) continue;
    CHECK(check_exchange(exchange).ok());
    check_round_trip(exchange);
    std::string out;
    for (const Format written : {Format::kHar, Format::kCurl, Format::kGor}) {
      make_writer(written, {})->write(exchange, out);
    }
  }
}
