// SPDX-License-Identifier: Apache-2.0
//
// Words for a shell, whatever bytes they hold. Any thread.
#pragma once

#include <string>
#include <string_view>

namespace banyan::interchange {

// One word: 'as it is' where every byte is printable ASCII, else $'with \xNN' (bash, zsh, ksh).
// NUL ends a word in every shell: callers keep it out; here it becomes \x00, and cuts the word.
std::string shell_quote(std::string_view bytes);

// Whether a program can be given these bytes as an argument (no NUL, and not too many).
bool fits_an_argument(std::string_view bytes);

}  // namespace banyan::interchange
