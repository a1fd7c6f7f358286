// SPDX-License-Identifier: Apache-2.0
//
// Reads exchanges from a file of one format, one by one; memory is bounded whatever the file holds.
// What is malformed is told and skipped, where the format lets one find the next item. One thread.
#pragma once

#include <memory>
#include <string>

#include "core/base/error.h"
#include "interchange/byte_input.h"
#include "interchange/exchange.h"
#include "interchange/format.h"
#include "interchange/tally.h"

namespace banyan::interchange {

class ExchangeReader {
 public:
  enum class Step {
    kExchange,  // `out` holds the next one, checked
    kBad,       // an item that cannot be read: error(); the reader stands behind it
    kEnd,
    kBroken,  // nothing behind this can be read: error()
  };
  virtual ~ExchangeReader() = default;
  virtual Step next(Exchange& out) = 0;
  // Its message begins with the place: "line 7: …", "log.entries[3]: …".
  const Error& error() const { return error_; }
  // What the file holds and an exchange cannot, by a sentence for people.
  const Tally& losses() const { return losses_; }

 protected:
  Step bad(const std::string& where, const Error& error) {
    return end_with(Step::kBad, where, error);
  }
  Step broken(const std::string& where, const Error& error) {
    return end_with(Step::kBroken, where, error);
  }
  Step broken(const Error& error) {
    error_ = error;
    return Step::kBroken;
  }
  Tally losses_;

 private:
  Step end_with(Step step, const std::string& where, const Error& error) {
    error_ = error;
    error_.message = where + ": " + error.message;
    return step;
  }
  Error error_;
};

// Null for kCurl, which is not read. `input` must outlive the reader.
std::unique_ptr<ExchangeReader> make_reader(Format format, BufferedInput& input);

std::unique_ptr<ExchangeReader> make_har_reader(BufferedInput& input);
std::unique_ptr<ExchangeReader> make_ndjson_reader(BufferedInput& input);
std::unique_ptr<ExchangeReader> make_gor_reader(BufferedInput& input);
std::unique_ptr<ExchangeReader> make_capture_reader(BufferedInput& input);

}  // namespace banyan::interchange
