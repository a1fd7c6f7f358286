// SPDX-License-Identifier: Apache-2.0
//
// What references in HTML texts stand for: "&eacute;", "&#233;" and "&#xe9;" are one character. For
// the comparator's own sources. Any thread.
#pragma once

#include <string>
#include <string_view>

namespace banyan::comparator {

// Appends `text` with its references resolved, as the HTML standard does; one that is none stays as
// it is. Of an attribute a name without a semicolon counts only where nothing follows it.
void append_html_text(std::string& out, std::string_view text, bool is_attribute);

}  // namespace banyan::comparator
