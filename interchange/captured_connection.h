// SPDX-License-Identifier: Apache-2.0
//
// Exchanges out of the two byte streams of one captured HTTP/1 connection. Answers come in the
// order of their requests. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "core/http/message_reader.h"
#include "interchange/exchange.h"
#include "interchange/tally.h"
#include "interchange/traffic_stream.h"

namespace banyan::interchange {

class CapturedConnection {
 public:
  explicit CapturedConnection(std::string name);

  // Appends what became whole to `done`, and counts what cannot be imported.
  void add(const TrafficStream& part, std::deque<Exchange>& done, Tally& losses);
  // Nothing further comes: requests without an answer are handed out as such.
  void finish(std::deque<Exchange>& done, Tally& losses);

  bool is_finished() const { return is_finished_; }
  std::uint64_t bytes() const { return bytes_; }  // that it holds

 private:
  void on_read(const TrafficObservation& read, std::deque<Exchange>& done, Tally& losses);
  void on_write(const TrafficObservation& write, std::deque<Exchange>& done, Tally& losses);
  bool begin_answer(Tally& losses);
  void end_answer(std::deque<Exchange>& done, std::int64_t at_ns, Held held);
  void end_request(std::deque<Exchange>& done);
  void drop_request();
  void give_up(std::string_view why, std::deque<Exchange>& done, Tally& losses);
  void hand_out(Exchange& exchange, std::deque<Exchange>& done);
  void append(StoredBody& body, std::string_view piece);

  const std::string name_;
  std::optional<http::RequestReader> request_reader_;
  http::ResponseReader answer_reader_;
  std::optional<Exchange> request_;     // whose head was read
  std::deque<Exchange> unanswered_;     // read whole
  std::optional<StoredAnswer> answer_;  // whose final head was read
  bool expects_answer_ = false;         // the answer reader knows the method
  bool has_dropped_ = false;
  bool is_finished_ = false;
  std::uint64_t next_number_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace banyan::interchange
