// SPDX-License-Identifier: Apache-2.0
//
// Writes exchanges in one format. A writer holds no exchange and does no I/O: it appends to a
// string that its owner empties into a file. One thread.
//
//   auto writer = make_writer(Format::kHar, options);
//   writer->begin(out);  { writer->write(exchange, out); … }  writer->end(out);
#pragma once

#include <memory>
#include <string>

#include "interchange/exchange.h"
#include "interchange/format.h"
#include "interchange/tally.h"

namespace banyan::interchange {

// Whose answers are written. kBoth: the primary's, and the copy's where the format has a place.
enum class Sides : std::uint8_t { kBoth, kLegacy, kCandidate };

// Leaves of an exchange the answers of the wanted side, as its answer. What it does not have is
// counted.
void choose_side(Exchange& exchange, Sides sides, Tally& losses);

class ExchangeWriter {
 public:
  virtual ~ExchangeWriter() = default;
  virtual void begin(std::string& out) { (void)out; }
  // False where the format cannot hold it at all; then nothing is appended, and losses() counts it.
  virtual bool write(const Exchange& exchange, std::string& out) = 0;
  virtual void end(std::string& out) { (void)out; }
  // What was left out or changed, by a sentence for people.
  const Tally& losses() const { return losses_; }

 protected:
  // What every format loses alike: bodies that the log does not hold.
  void count_bodies(const Exchange& exchange);
  Tally losses_;
};

struct WriterOptions {
  std::string base_url;  // curl: "http://127.0.0.1:9002" instead of the recorded host; "" for that
  Sides sides = Sides::kBoth;
};
// Null for kCapture, which is not written.
std::unique_ptr<ExchangeWriter> make_writer(Format format, const WriterOptions& options);

std::unique_ptr<ExchangeWriter> make_har_writer();
std::unique_ptr<ExchangeWriter> make_curl_writer(const std::string& base_url);
std::unique_ptr<ExchangeWriter> make_ndjson_writer();
std::unique_ptr<ExchangeWriter> make_gor_writer();

}  // namespace banyan::interchange
