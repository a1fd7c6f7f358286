// SPDX-License-Identifier: Apache-2.0
//
// Exchanges for the tests of this room, and reading back what was written.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "interchange/exchange_reader.h"
#include "interchange/exchange_writer.h"

namespace banyan::interchange {

inline std::string all_bytes() {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<char>(i));
  return bytes;
}

// Twins, an empty value, bytes that are no UTF-8, binary bodies.
inline Exchange awkward_exchange() {
  Exchange exchange;
  exchange.id = ExchangeId::make(1, Epoch{2}, 3, 4);
  exchange.started = Instant{1'700'000'000'123'456'789, 5'000'000'000};
  exchange.route = "orders";
  exchange.decision = "share 0.00";
  exchange.session = "00112233445566778899aabbccddeeff";
  exchange.is_write = true;
  exchange.method = "POST";
  exchange.target = "/orders/1?q=a%20b&&x=[1]{2}";
  exchange.fields = {{"Host", "shop.example:8080"},
                     {"x-TWIN", "1"},
                     {"X-Twin", "2"},
                     {"X-Empty", ""},
                     {"X-Latin", "caf\xe9"},
                     {"X-Utf", "caf\xc3\xa9"},
                     {"Content-Length", "256"},
                     {"X-Quote", "'\"\\$`!"},
                     {"X-Twin", "1"}};
  exchange.body = whole_body(all_bytes());
  StoredAnswer answer;
  answer.status = 207;
  answer.fields = {
      {"Content-Type", "text/plain"}, {"Set-Cookie", "a=1; Path=/"}, {"set-cookie", "b=2"}};
  answer.body = whole_body("line one\nline \xc3\xa9\r\n\x01\"");
  answer.first_byte = Instant{1'700'000'000'130'000'000, 5'010'000'000};
  answer.ended = Instant{1'700'000'000'140'000'000, 5'020'000'000};
  exchange.answer = answer;
  return exchange;
}

inline std::string written_as(Format format, const std::vector<Exchange>& exchanges) {
  const auto writer = make_writer(format, {});
  std::string out;
  writer->begin(out);
  for (const Exchange& exchange : exchanges) writer->write(exchange, out);
  writer->end(out);
  return out;
}

struct ReadBack {
  std::vector<Exchange> exchanges;
  std::vector<std::string> problems;
  bool is_broken = false;
  Tally losses;
};

inline ReadBack read_as(Format format, std::string_view bytes, std::size_t piece_bytes = 4096) {
  StringInput input(bytes, piece_bytes);
  BufferedInput buffered(input);
  const auto reader = make_reader(format, buffered);
  ReadBack result;
  for (;;) {
    Exchange exchange;
    switch (reader->next(exchange)) {
      case ExchangeReader::Step::kExchange: result.exchanges.push_back(exchange); continue;
      case ExchangeReader::Step::kBad: result.problems.push_back(reader->error().message); continue;
      case ExchangeReader::Step::kBroken:
        result.problems.push_back(reader->error().message);
        result.is_broken = true;
        break;
      case ExchangeReader::Step::kEnd: break;
    }
    result.losses = reader->losses();
    return result;
  }
}

}  // namespace banyan::interchange
