// SPDX-License-Identifier: Apache-2.0
//
// Lines of OpenSearch Migrations' capture proxy as its Kafka export writes them: each is base64 of
// a TrafficStream message. Parts of many connections are mixed; those of one come in order.
#include <deque>
#include <list>
#include <unordered_map>
#include <utility>

#include "core/base/text.h"
#include "interchange/captured_connection.h"
#include "interchange/exchange_check.h"
#include "interchange/exchange_reader.h"
#include "interchange/traffic_stream.h"

namespace banyan::interchange {
namespace {

constexpr std::size_t kConnectionsMax = 10'000;
constexpr std::uint64_t kHeldBytesMax = 512ULL << 20;
constexpr std::size_t kLineBytesMax = 16ULL << 20;

class CaptureReader final : public ExchangeReader {
 public:
  explicit CaptureReader(BufferedInput& input) : input_(input) {}

  Step next(Exchange& out) override {
    for (;;) {
      while (!done_.empty()) {
        out = std::move(done_.front());
        done_.pop_front();
        const Status checked = check_exchange(out);
        return checked.ok()
                   ? Step::kExchange
                   : bad("connection " + escape_for_terminal(out.connection, 200), checked.error());
      }
      if (is_at_end_) return Step::kEnd;
      const std::string where = "line " + std::to_string(input_.line());
      std::string_view line;
      auto cut = input_.take_until("\n", kLineBytesMax, line);
      if (!cut.ok()) return broken(cut.error());
      if (*cut == BufferedInput::Cut::kTooLong) {
        return bad(where,
                   malformed("it has more than " + std::to_string(kLineBytesMax) + " bytes"));
      }
      if (line.ends_with('\r')) line.remove_suffix(1);
      const Status read = trim(line).empty() ? Status() : read_line(trim(line));
      if (*cut == BufferedInput::Cut::kEnd) finish();
      if (!read.ok()) return bad(where, read.error());
    }
  }

 private:
  struct Open {
    std::string key;
    CapturedConnection connection;
  };
  using Place = std::list<Open>::iterator;

  Status read_line(std::string_view line) {
    const auto bytes = bytes_of_base64(line);
    if (!bytes) return malformed("it is not base64");
    TrafficStream part;
    BANYAN_RETURN_IF_ERROR(parse_traffic_stream(*bytes, part));
    const Place place = place_of(part);
    CapturedConnection& connection = place->connection;
    held_ -= connection.bytes();
    connection.add(part, done_, losses_);
    held_ += connection.bytes();
    if (connection.is_finished()) forget(place, part.is_last);
    while (open_.size() > kConnectionsMax || held_ > kHeldBytesMax) {
      losses_.count(
          "connections were given up: more than 10000 were open, or 512 MiB of them held");
      const Place oldest = open_.begin();
      held_ -= oldest->connection.bytes();
      oldest->connection.finish(done_, losses_);
      forget(oldest, true);
    }
    return {};
  }

  // The one that was told of last stands last.
  Place place_of(const TrafficStream& part) {
    std::string key(part.node_id);
    key.append(".").append(part.connection_id);
    const auto found = places_.find(key);
    if (found != places_.end()) {
      open_.splice(open_.end(), open_, found->second);
      return found->second;
    }
    open_.push_back(Open{key, CapturedConnection(key)});
    return places_[std::move(key)] = std::prev(open_.end());
  }

  // One that ended early stays until its last part, so that the rest is known to belong to it.
  void forget(Place place, bool is_last) {
    if (!is_last) return;
    places_.erase(place->key);
    open_.erase(place);
  }

  void finish() {
    is_at_end_ = true;
    for (Open& open : open_) open.connection.finish(done_, losses_);
    open_.clear();
    places_.clear();
  }

  BufferedInput& input_;
  std::list<Open> open_;
  std::unordered_map<std::string, Place> places_;
  std::deque<Exchange> done_;
  std::uint64_t held_ = 0;
  bool is_at_end_ = false;
};

}  // namespace

std::unique_ptr<ExchangeReader> make_capture_reader(BufferedInput& input) {
  return std::make_unique<CaptureReader>(input);
}

}  // namespace banyan::interchange
