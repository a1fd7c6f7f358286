// SPDX-License-Identifier: Apache-2.0
//
// HAR of any program. An entry of ours (with `_banyan`) reads back exactly; of a browser's, what a
// browser changes is undone as far as can be known (foreign_har.h).
#include <utility>

#include "core/base/text.h"
#include "core/json/value.h"
#include "interchange/exchange_check.h"
#include "interchange/exchange_reader.h"
#include "interchange/facts_json.h"
#include "interchange/foreign_har.h"
#include "interchange/json_items.h"

namespace banyan::interchange {
namespace {

using json::Value;

Status read_own_entry(const Value& entry, const Value& facts, Exchange& out) {
  const Value* request = entry.find("request");
  if (request == nullptr) return malformed("request is missing");
  out.method = request->string_or("method", "");
  BANYAN_RETURN_IF_ERROR(read_fields(request->find("headers"), "request.headers", out.fields));
  BANYAN_RETURN_IF_ERROR(
      read_har_text(request->find("postData"), "request.postData", out.body.bytes));
  const Value* response = entry.find("response");
  if (facts.find("response") != nullptr) {
    if (response == nullptr) return malformed("response is missing");
    StoredAnswer& answer = out.answer.emplace();
    BANYAN_RETURN_IF_ERROR(read_har_status(*response, answer));
    BANYAN_RETURN_IF_ERROR(
        read_fields(response->find("headers"), "response.headers", answer.fields));
    BANYAN_RETURN_IF_ERROR(
        read_har_text(response->find("content"), "response.content", answer.body.bytes));
  }
  if (const Status read = read_facts(facts, out); !read.ok()) {
    return malformed("_banyan." + read.error().message);
  }
  return {};
}

class HarReader final : public ExchangeReader {
 public:
  explicit HarReader(BufferedInput& input)
      : items_(input, {"log", "entries"}, ExchangeLimits::kItemBytesMax) {}

  Step next(Exchange& out) override {
    const std::string where = "log.entries[" + std::to_string(index_) + "]";
    switch (items_.next(item_)) {
      case JsonItems::Step::kEnd: return Step::kEnd;
      case JsonItems::Step::kBroken: return broken(items_.error());
      case JsonItems::Step::kTooLong:
        ++index_;
        return bad(where, malformed("it has more than " +
                                    std::to_string(ExchangeLimits::kItemBytesMax) + " bytes"));
      case JsonItems::Step::kItem: break;
    }
    ++index_;
    auto entry = json::parse(item_);
    if (!entry.ok()) return bad(where, malformed(entry.error().message));
    out = Exchange();
    const Status read = read_entry(*entry, out);
    if (!read.ok()) return bad(where, read.error());
    if (out.source_id.empty()) out.source_id = where;
    return Step::kExchange;
  }

 private:
  Status read_entry(const Value& entry, Exchange& out) {
    if (!entry.is_object()) return malformed("it is not an object");
    const Value* facts = entry.find("_banyan");
    BANYAN_RETURN_IF_ERROR(facts != nullptr ? read_own_entry(entry, *facts, out)
                                            : read_foreign_entry(entry, out, losses_));
    return check_exchange(out);
  }

  JsonItems items_;
  std::string item_;
  std::uint64_t index_ = 0;
};

}  // namespace

std::unique_ptr<ExchangeReader> make_har_reader(BufferedInput& input) {
  return std::make_unique<HarReader>(input);
}

}  // namespace banyan::interchange
