// SPDX-License-Identifier: Apache-2.0
#include "interchange/captured_connection.h"

#include <algorithm>
#include <utility>

#include "interchange/exchange_check.h"
#include "interchange/http_payload.h"

namespace banyan::interchange {
namespace {

using http::ReadEvent;

constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0";

}  // namespace

CapturedConnection::CapturedConnection(std::string name)
    : name_(std::move(name)),
      request_reader_(recorded_limits()),
      answer_reader_(recorded_limits()) {}

void CapturedConnection::add(const TrafficStream& part, std::deque<Exchange>& done, Tally& losses) {
  if (is_finished_) return;
  if (part.number < next_number_) {
    losses.count("parts of a connection came twice; the first one counts");
    return;
  }
  if (part.number > next_number_) {
    return give_up("connections lack a part (the capture began or was cut within them)", done,
                   losses);
  }
  ++next_number_;
  for (const TrafficObservation& observation : part.observations) {
    if (is_finished_) return;
    switch (observation.kind) {
      case TrafficObservation::Kind::kRead: on_read(observation, done, losses); break;
      case TrafficObservation::Kind::kWrite: on_write(observation, done, losses); break;
      case TrafficObservation::Kind::kEnd: finish(done, losses); break;
      case TrafficObservation::Kind::kRequestDropped: drop_request(); break;
      case TrafficObservation::Kind::kOther: break;
    }
  }
  if (part.is_last && !is_finished_) finish(done, losses);
}

void CapturedConnection::finish(std::deque<Exchange>& done, Tally& losses) {
  if (is_finished_) return;
  is_finished_ = true;
  if (answer_) {
    const bool is_whole = answer_reader_.finish_at_close() == ReadEvent::kComplete;
    end_answer(done, answer_->ended.wall_ns, is_whole ? Held::kAll : Held::kPart);
  }
  if (request_) losses.count("requests were cut; not imported");
  request_.reset();
  for (Exchange& exchange : unanswered_) {
    losses.count("requests have no answer in the capture");
    hand_out(exchange, done);
  }
  unanswered_.clear();
  bytes_ = 0;
}

void CapturedConnection::give_up(std::string_view why, std::deque<Exchange>& done, Tally& losses) {
  losses.count(why);
  // What was being read when it broke is not to be trusted.
  answer_.reset();
  request_.reset();
  finish(done, losses);
}

void CapturedConnection::on_read(const TrafficObservation& read, std::deque<Exchange>& done,
                                 Tally& losses) {
  if (next_number_ == 1 && !request_ && unanswered_.empty() &&
      read.data.starts_with(kHttp2Preface)) {
    return give_up("connections speak HTTP/2; not imported", done, losses);
  }
  std::string_view input = read.data;
  for (;;) {
    switch (request_reader_->next(input)) {
      case ReadEvent::kNeedMore: return;
      case ReadEvent::kHead:
        request_.emplace();
        request_->started = Instant{read.at_ns, read.at_ns};
        take_head(request_reader_->head(), *request_);
        break;
      case ReadEvent::kBody: append(request_->body, request_reader_->body()); break;
      case ReadEvent::kComplete:
        request_->trailers = owned(request_reader_->trailers());
        request_reader_->reset();
        end_request(done);
        break;
      case ReadEvent::kError:
        return give_up("connections hold a request that is not HTTP/1; the rest is left out", done,
                       losses);
    }
  }
}

void CapturedConnection::end_request(std::deque<Exchange>& done) {
  Exchange exchange = std::move(*request_);
  request_.reset();
  if (exchange.answer) return hand_out(exchange, done);  // answered before its body was read
  unanswered_.push_back(std::move(exchange));
}

void CapturedConnection::drop_request() {
  request_.reset();
  request_reader_.emplace(recorded_limits());
  has_dropped_ = true;
}

// Tells the answer reader what it reads an answer to; false where nobody asked.
bool CapturedConnection::begin_answer(Tally& losses) {
  if (expects_answer_) return true;
  std::string_view method;
  if (!unanswered_.empty()) {
    method = unanswered_.front().method;
  } else if (request_ && !request_->answer) {
    method = request_->method;
  } else if (has_dropped_) {
    losses.count("answers belong to requests that the capture left out");
    method = "GET";
  } else {
    return false;
  }
  answer_reader_.expect_answer_to(method, true);
  expects_answer_ = true;
  return true;
}

void CapturedConnection::on_write(const TrafficObservation& write, std::deque<Exchange>& done,
                                  Tally& losses) {
  std::string_view input = write.data;
  while (!input.empty() || answer_) {
    if (!begin_answer(losses)) {
      return give_up("connections hold an answer without a request; the rest is left out", done,
                     losses);
    }
    switch (answer_reader_.next(input)) {
      case ReadEvent::kNeedMore: return;
      case ReadEvent::kHead: {
        const http::ResponseHead& head = answer_reader_.head();
        if (head.status < 200 && head.status != 101) break;
        answer_.emplace();
        answer_->first_byte = answer_->ended = Instant{write.at_ns, write.at_ns};
        take_head(head, *answer_);
        if (head.status != 101) break;
        end_answer(done, write.at_ns, Held::kAll);
        return give_up("connections were upgraded; what followed is not HTTP", done, losses);
      }
      case ReadEvent::kBody:
        append(answer_->body, answer_reader_.body());
        answer_->ended = Instant{write.at_ns, write.at_ns};
        break;
      case ReadEvent::kComplete:
        if (answer_) {
          answer_->trailers = owned(answer_reader_.trailers());
          end_answer(done, write.at_ns, Held::kAll);
        }  // else an interim one
        answer_reader_.reset();
        break;
      case ReadEvent::kError:
        return give_up("connections hold an answer that is not HTTP/1; the rest is left out", done,
                       losses);
    }
  }
}

void CapturedConnection::end_answer(std::deque<Exchange>& done, std::int64_t at_ns, Held held) {
  StoredAnswer answer = std::move(*answer_);
  answer_.reset();
  expects_answer_ = false;
  answer.ended = Instant{at_ns, at_ns};
  if (answer.body.held == Held::kAll) answer.body.held = held;
  if (!unanswered_.empty()) {
    unanswered_.front().answer = std::move(answer);
    hand_out(unanswered_.front(), done);
    unanswered_.pop_front();
  } else if (request_) {
    request_->answer = std::move(answer);
  }
}

void CapturedConnection::hand_out(Exchange& exchange, std::deque<Exchange>& done) {
  const std::size_t answer = exchange.answer ? exchange.answer->body.bytes.size() : 0;
  bytes_ -= std::min<std::uint64_t>(bytes_, exchange.body.bytes.size() + answer);
  exchange.connection = name_;
  exchange.source_id = name_;
  done.push_back(std::move(exchange));
}

// Past the bound of a body only its beginning is kept.
void CapturedConnection::append(StoredBody& body, std::string_view piece) {
  body.length += piece.size();
  const std::size_t room = ExchangeLimits::kBodyBytesMax - body.bytes.size();
  if (piece.size() > room) body.held = Held::kPart;
  const std::string_view kept = piece.substr(0, std::min(piece.size(), room));
  body.bytes.append(kept);
  bytes_ += kept.size();
}

}  // namespace banyan::interchange
