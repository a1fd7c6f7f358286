// SPDX-License-Identifier: Apache-2.0
//
// The tags and texts of an HTML document, one behind the other, as the HTML standard cuts it
// (section 13.2.5). Every text is HTML: there are no errors. Comments are left out. For the
// comparator's own sources. One thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace banyan::comparator {

struct HtmlAttribute {
  std::string name;  // lower case
  std::string value;
};

struct HtmlToken {
  enum class Kind { kText, kStart, kEnd, kDoctype, kDone };
  Kind kind = Kind::kDone;
  std::string name;                       // of a tag, lower case
  std::vector<HtmlAttribute> attributes;  // sorted by name; the first of several of a name
  bool is_self_closing = false;
  std::string text;  // with references resolved; of a document type what it says, lower case
};

class HtmlTokens {
 public:
  // Borrows it.
  explicit HtmlTokens(std::string_view html) : html_(html) {}

  // False at the end.
  bool next(HtmlToken& token);
  // Up to the end tag of that name all is text; in it references count or not.
  void read_raw(std::string_view name, bool has_references);
  // All the rest is text.
  void read_plain() { is_plain_ = true; }
  // Whether <![CDATA[…]]> is text: inside SVG and MathML.
  void allow_cdata(bool is_allowed) { allows_cdata_ = is_allowed; }

 private:
  bool read_markup(HtmlToken& token);
  bool read_tag(HtmlToken& token);
  bool read_attributes(HtmlToken& token);
  bool read_raw_text(HtmlToken& token);
  void skip_comment();
  std::string_view rest() const { return html_.substr(at_); }

  std::string_view html_;
  std::size_t at_ = 0;
  std::string raw_name_;
  bool has_references_ = false;
  bool is_plain_ = false;
  bool allows_cdata_ = false;
};

}  // namespace banyan::comparator
