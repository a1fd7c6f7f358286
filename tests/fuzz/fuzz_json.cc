// SPDX-License-Identifier: Apache-2.0
//
// What parses must be written as something that parses to the same writing; paths never crash.
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/check.h"
#include "core/base/text.h"
#include "core/json/json_writer.h"
#include "core/json/path.h"
#include "core/json/tape.h"
#include "core/json/value.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto value = banyan::json::parse(text)) {
    std::string once;
    banyan::json::write(*value, once);
    const auto again = banyan::json::parse(once);
    CHECK(again.ok());
    std::string twice;
    banyan::json::write(*again, twice);
    CHECK(once == twice);
    banyan::json::Tape tape;
    tape.assign(*value);
    std::string of_tape;
    banyan::json::write(tape.value(), of_tape);
    CHECK(once == of_tape);
  }
  std::string quoted;
  banyan::json::JsonWriter(quoted).string(text);
  const auto string = banyan::json::parse(quoted);
  CHECK(string.ok());
  if (banyan::is_utf8(text)) CHECK(string->text == text);
  if (const auto pattern = banyan::json::PathPattern::parse(text)) {
    auto state = pattern->start();
    for (int i = 0; i < 3; ++i) state = pattern->enter_item(pattern->enter_member(state, "a"));
    static_cast<void>(pattern->accepts(state));
  }
  // A rendered member name is a path that leads back to it.
  if (size > 0 && size < 1000 && banyan::is_utf8(text)) {
    std::string path = "$";
    banyan::json::append_member(path, text);
    const auto pattern = banyan::json::PathPattern::parse(path);
    CHECK(pattern.ok());
    CHECK(pattern->accepts(pattern->enter_member(pattern->start(), text)));
  }
  return 0;
}
