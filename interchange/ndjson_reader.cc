// SPDX-License-Identifier: Apache-2.0
//
// Lines that NdjsonWriter wrote. Lines of others are refused: ECS alone does not say what was sent.
#include <utility>

#include "core/base/text.h"
#include "core/json/value.h"
#include "interchange/exchange_check.h"
#include "interchange/exchange_reader.h"
#include "interchange/facts_json.h"

namespace banyan::interchange {
namespace {

using json::Value;

// The body's text, where it is one; the facts hold it otherwise.
void read_content(const Value& message, std::string& out) {
  out.clear();
  const Value* body = message.find("body");
  if (body != nullptr) out = body->string_or("content", "");
}

Status read_line(const Value& line, Exchange& out) {
  const Value* facts = line.find("banyan");
  if (facts == nullptr) {
    return malformed(
        "it has no \"banyan\" object; only lines that Banyan exported can be imported");
  }
  const Value* http = line.find("http");
  const Value* request = http == nullptr ? nullptr : http->find("request");
  if (request == nullptr) return malformed("it has no http.request");
  out.method = request->string_or("method", "");
  read_content(*request, out.body.bytes);
  if (facts->find("response") != nullptr) {
    const Value* response = http->find("response");
    const double status = response == nullptr ? 0 : response->number_or("status_code", 0);
    if (status < 100 || status > 999) return malformed("http.response.status_code is no status");
    out.answer.emplace();
    out.answer->status = static_cast<std::uint16_t>(status);
    read_content(*response, out.answer->body.bytes);
  }
  if (const Status read = read_facts(*facts, out); !read.ok()) {
    return malformed("banyan." + read.error().message);
  }
  return check_exchange(out);
}

class NdjsonReader final : public ExchangeReader {
 public:
  explicit NdjsonReader(BufferedInput& input) : input_(input) {}

  Step next(Exchange& out) override {
    for (;;) {
      const std::string where = "line " + std::to_string(input_.line());
      std::string_view line;
      auto cut = input_.take_until("\n", ExchangeLimits::kItemBytesMax, line);
      if (!cut.ok()) return broken(cut.error());
      if (*cut == BufferedInput::Cut::kTooLong) {
        return bad(where, malformed("it has more than " +
                                    std::to_string(ExchangeLimits::kItemBytesMax) + " bytes"));
      }
      if (trim(line).empty() || line == "\r") {
        if (*cut == BufferedInput::Cut::kEnd) return Step::kEnd;
        continue;
      }
      auto value = json::parse(line);
      if (!value.ok()) return bad(where, malformed(value.error().message));
      out = Exchange();
      const Status read = read_line(*value, out);
      return read.ok() ? Step::kExchange : bad(where, read.error());
    }
  }

 private:
  BufferedInput& input_;
};

}  // namespace

std::unique_ptr<ExchangeReader> make_ndjson_reader(BufferedInput& input) {
  return std::make_unique<NdjsonReader>(input);
}

}  // namespace banyan::interchange
