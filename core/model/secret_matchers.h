// SPDX-License-Identifier: Apache-2.0
//
// Finds card numbers, e-mail addresses and credentials in text (docs/privacy.md says what counts as
// one). Each takes time linear in the text, whatever it holds. Any thread. Used by SecretPatterns
// alone.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace banyan::model {

// A match: bytes [begin, end) of the text.
struct SecretSpan {
  std::size_t begin = 0;
  std::size_t end = 0;
  bool is_dropped = false;
  bool operator==(const SecretSpan&) const = default;
};

// Append what they find, in order and without overlap; they stop once `spans` holds `spans_max`.
void find_cards(std::string_view text, std::size_t spans_max, std::vector<SecretSpan>& spans);
void find_emails(std::string_view text, std::size_t spans_max, std::vector<SecretSpan>& spans);
void find_credentials(std::string_view text, std::size_t spans_max, std::vector<SecretSpan>& spans);

// False: the text holds none, also where JSON escapes other than \u stand in it. Much cheaper than
// to find them.
bool may_hold_card(std::string_view text);
bool may_hold_email(std::string_view text);
bool may_hold_credential(std::string_view text);

}  // namespace banyan::model
