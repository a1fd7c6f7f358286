// SPDX-License-Identifier: Apache-2.0
#include "interchange/exchange_reader.h"

namespace banyan::interchange {

std::unique_ptr<ExchangeReader> make_reader(Format format, BufferedInput& input) {
  switch (format) {
    case Format::kHar: return make_har_reader(input);
    case Format::kNdjson: return make_ndjson_reader(input);
    case Format::kGor: return make_gor_reader(input);
    case Format::kCapture: return make_capture_reader(input);
    case Format::kCurl: break;
  }
  return nullptr;
}

}  // namespace banyan::interchange
