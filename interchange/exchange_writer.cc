// SPDX-License-Identifier: Apache-2.0
#include "interchange/exchange_writer.h"

#include <utility>

namespace banyan::interchange {
namespace {

void count_body(const StoredBody& body, Tally& losses) {
  if (body.held == Held::kNone) losses.count("bodies are not in the log and are left out");
  if (body.held == Held::kPart) losses.count("bodies are in the log in part; that part is written");
}

}  // namespace

void choose_side(Exchange& exchange, Sides sides, Tally& losses) {
  if (sides == Sides::kBoth) return;
  const System wanted = sides == Sides::kLegacy ? System::kLegacy : System::kCandidate;
  const bool has_copy = exchange.shadow && exchange.shadow->status != 0;
  if (!exchange.answer || exchange.answer->system != wanted) {
    exchange.answer.reset();
    if (has_copy && exchange.shadow->system == wanted) {
      exchange.answer = std::move(exchange.shadow);
      exchange.outcome.reset();
      exchange.delivery = Delivery::kWhole;
      exchange.primary = wanted;
    } else if (!exchange.outcome) {
      losses.count("exchanges have no answer of the system asked for; only requests are written");
    }
  }
  exchange.shadow.reset();
}

void ExchangeWriter::count_bodies(const Exchange& exchange) {
  count_body(exchange.body, losses_);
  if (exchange.answer) count_body(exchange.answer->body, losses_);
}

std::unique_ptr<ExchangeWriter> make_writer(Format format, const WriterOptions& options) {
  switch (format) {
    case Format::kHar: return make_har_writer();
    case Format::kCurl: return make_curl_writer(options.base_url);
    case Format::kNdjson: return make_ndjson_writer();
    case Format::kGor: return make_gor_writer();
    case Format::kCapture: break;
  }
  return nullptr;
}

}  // namespace banyan::interchange
