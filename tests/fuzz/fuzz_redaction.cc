// SPDX-License-Identifier: Apache-2.0
//
// Any message through redact and restore: the original comes back, and no named value is left. A
// message that counts as clean stays as it is.
// Input: lines "name: value", an empty line, the target, a line feed, the body.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/check.h"
#include "core/crypto/key_ring.h"
#include "core/model/redaction.h"
#include "tests/fuzz/no_files.h"

namespace {

std::string_view take_line(std::string_view& text) {
  const auto end = text.find('\n');
  const auto line = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  return line;
}

const banyan::model::Redactor& redactor() {
  static banyan::fuzz::OneFolder files;
  static const auto keys =
      *banyan::crypto::KeyRing::open(files, "keys", banyan::Epoch{1}, "master");
  static const auto held = *banyan::model::Redactor::create(
      {{{"header:X-Secret", false}, {"query:k", false}, {"body:$..k", false}}}, *keys);
  return *held;
}

const banyan::model::Redactor& pattern_redactor() {
  static banyan::fuzz::OneFolder files;
  static const auto keys =
      *banyan::crypto::KeyRing::open(files, "keys", banyan::Epoch{1}, "master");
  static const auto held = *banyan::model::Redactor::create({{{"pattern:card"},
                                                              {"pattern:email"},
                                                              {"pattern:bearer"},
                                                              {"", false, "k=([a-z]+)", "k"},
                                                              {"header:X-Secret"}}},
                                                            *keys);
  return *held;
}

void check(const banyan::model::Redactor& redactor, const banyan::http::HeaderList& fields,
           std::string_view target, std::string_view text, std::string_view type) {
  const auto exchange = banyan::ExchangeId::make(1, banyan::Epoch{1}, 1, 1);
  const auto message = redactor.redact(exchange, target, fields, text, type);
  if (redactor.is_clean(target, fields, text)) {
    CHECK(message.sealed.empty() && message.body == text && message.target == target);
  }
  CHECK(message.fields.size() == fields.size());
  for (std::size_t i = 0; i < fields.size(); ++i) {
    CHECK(message.fields[i].name == fields[i].name);
    if (fields[i].name == "X-Secret") {
      CHECK(message.fields[i].value == redactor.token_of(fields[i].value));
    }
  }
  const auto restored =
      redactor.restore(exchange, message.target, message.fields, message.body, message.sealed);
  CHECK(restored.ok());
  CHECK(restored->target == target && restored->body == text && restored->dropped_fields == 0);
  for (std::size_t i = 0; i < fields.size(); ++i)
    CHECK(restored->fields[i].second == fields[i].value);
  // The sealed part as hostile bytes.
  (void)redactor.restore(exchange, target, fields, text, std::string_view(text)).ok();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  banyan::http::HeaderList fields;
  while (true) {
    const auto line = take_line(text);
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || fields.size() >= 100) break;
    fields.push_back({line.substr(0, colon), line.substr(colon + 1)});
  }
  const auto target = take_line(text);
  const auto type = banyan::http::find_header(fields, "Content-Type").value_or("");
  check(redactor(), fields, target, text, type);
  check(pattern_redactor(), fields, target, text, type);
  return 0;
}
