// SPDX-License-Identifier: Apache-2.0
//
// GoReplay writes an answer when it ends, often behind other requests; the two share an id. A
// request waits for its answer as long as the bounds allow.
#include <deque>
#include <list>
#include <optional>
#include <unordered_map>
#include <utility>

#include "core/base/text.h"
#include "interchange/exchange_check.h"
#include "interchange/exchange_reader.h"
#include "interchange/gor_payload.h"
#include "interchange/http_payload.h"

namespace banyan::interchange {
namespace {

constexpr std::size_t kWaitingMax = 10'000;
constexpr std::uint64_t kWaitingBytesMax = 256ULL << 20;
constexpr std::size_t kIdBytesMax = 256;

struct Payload {
  GorType type = GorType::kRequest;
  std::string_view id;
  std::int64_t at_ns = 0;
  std::int64_t latency_ns = 0;
  std::string_view message;
};

// Old versions wrote no latency, and newer ones may append more words.
Result<Payload> split_payload(std::string_view piece) {
  while (piece.starts_with('\n')) piece.remove_prefix(1);
  const auto end = piece.find('\n');
  if (end == std::string_view::npos) return malformed("it has no header line");
  const auto words = split(piece.substr(0, end), ' ');
  const bool has_type = words[0].size() == 1 && words[0][0] >= '1' && words[0][0] <= '3';
  if (!has_type || words.size() < 3) {
    return malformed("its header line is not \"TYPE ID TIME LATENCY\" with a type of 1, 2 or 3");
  }
  if (words[1].empty() || words[1].size() > kIdBytesMax) return malformed("its id is no id");
  const auto at = parse_u64(words[2]);
  if (!at || *at > (1ULL << 62)) return malformed("its time is no time in nanoseconds");
  Payload payload;
  payload.type = static_cast<GorType>(words[0][0]);
  payload.id = words[1];
  payload.at_ns = static_cast<std::int64_t>(*at);
  if (words.size() > 3) {
    const auto latency = parse_u64(trim(words[3]));
    if (latency && *latency < (1ULL << 62)) {
      payload.latency_ns = static_cast<std::int64_t>(*latency);
    }
  }
  payload.message = piece.substr(end + 1);
  return payload;
}

class GorReader final : public ExchangeReader {
 public:
  explicit GorReader(BufferedInput& input) : input_(input) {}

  Step next(Exchange& out) override {
    for (;;) {
      if (!is_at_end_ && !is_over_bounds()) {
        if (const auto step = read_one(out)) return *step;
        continue;
      }
      if (waiting_.empty()) return Step::kEnd;
      hand_out(waiting_.begin(), out);
      return Step::kExchange;
    }
  }

 private:
  struct Waiting {
    Exchange exchange;
    std::uint64_t bytes = 0;
  };
  using Place = std::list<Waiting>::iterator;

  bool is_over_bounds() const { return waiting_.size() > kWaitingMax || bytes_ > kWaitingBytesMax; }

  // The next payload; nullopt where it gave nothing to tell of yet.
  std::optional<Step> read_one(Exchange& out) {
    const std::string where = "line " + std::to_string(input_.line());
    std::string_view piece;
    auto cut = input_.take_until(kGorSeparator, ExchangeLimits::kItemBytesMax, piece);
    if (!cut.ok()) return broken(cut.error());
    if (*cut == BufferedInput::Cut::kTooLong) {
      return bad(where, malformed("a payload has more than " +
                                  std::to_string(ExchangeLimits::kItemBytesMax) + " bytes"));
    }
    if (*cut == BufferedInput::Cut::kEnd) {
      is_at_end_ = true;
      if (piece.find_first_not_of(" \t\r\n") == std::string_view::npos) return std::nullopt;
      return bad(where, malformed("the last payload has no separator behind it; the file is cut"));
    }
    auto payload = split_payload(piece);
    if (!payload.ok()) return bad(where, payload.error());
    const Status taken = take(*payload, out);
    if (!taken.ok()) return bad(where, taken.error());
    if (!is_handed_out_) return std::nullopt;
    is_handed_out_ = false;
    return Step::kExchange;
  }

  Status take(const Payload& payload, Exchange& out) {
    if (payload.type == GorType::kReplayed) {
      losses_.count(
          "answers to replayed requests (type 3) are not imported; replay makes new ones");
      return {};
    }
    return payload.type == GorType::kRequest ? take_request(payload) : take_answer(payload, out);
  }

  Status take_request(const Payload& payload) {
    Exchange exchange;
    exchange.source_id = payload.id;
    exchange.started = Instant{payload.at_ns, payload.at_ns};
    BANYAN_RETURN_IF_ERROR(parse_request(payload.message, exchange));
    BANYAN_RETURN_IF_ERROR(check_exchange(exchange));
    if (places_.count(exchange.source_id) > 0) {
      losses_.count("requests have the id of one before; answers go to the later one");
    }
    const std::uint64_t bytes = payload.message.size();
    waiting_.push_back({std::move(exchange), bytes});
    bytes_ += bytes;
    places_[std::string(payload.id)] = std::prev(waiting_.end());
    return {};
  }

  Status take_answer(const Payload& payload, Exchange& out) {
    const auto found = places_.find(std::string(payload.id));
    if (found == places_.end()) {
      losses_.count("answers have no request before them; not imported");
      return {};
    }
    Exchange& exchange = found->second->exchange;
    StoredAnswer answer;
    BANYAN_RETURN_IF_ERROR(parse_answer(payload.message, exchange.method, answer));
    const std::int64_t ended = exchange.started.wall_ns + payload.latency_ns;
    answer.first_byte = answer.ended = Instant{ended, ended};
    exchange.answer = std::move(answer);
    if (const Status checked = check_exchange(exchange); !checked.ok()) {
      exchange.answer.reset();
      return checked;
    }
    hand_out(found->second, out);
    is_handed_out_ = true;
    return {};
  }

  void hand_out(Place place, Exchange& out) {
    const auto named = places_.find(place->exchange.source_id);
    if (named != places_.end() && named->second == place) places_.erase(named);
    bytes_ -= place->bytes;
    out = std::move(place->exchange);
    waiting_.erase(place);
  }

  BufferedInput& input_;
  std::list<Waiting> waiting_;  // for their answers, the oldest first
  std::unordered_map<std::string, Place> places_;
  std::uint64_t bytes_ = 0;
  bool is_at_end_ = false;
  bool is_handed_out_ = false;
};

}  // namespace

std::unique_ptr<ExchangeReader> make_gor_reader(BufferedInput& input) {
  return std::make_unique<GorReader>(input);
}

}  // namespace banyan::interchange
