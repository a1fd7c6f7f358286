// SPDX-License-Identifier: Apache-2.0
#include "comparator/html_tokens.h"

#include <algorithm>

#include "comparator/chars.h"
#include "comparator/html_entities.h"
#include "core/base/text.h"

namespace banyan::comparator {
namespace {

// CR LF and CR are LF.
std::string with_line_feeds(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\r') {
      out.push_back(text[i]);
    } else if (i + 1 == text.size() || text[i + 1] != '\n') {
      out.push_back('\n');
    }
  }
  return out;
}

std::string decoded(std::string_view text, bool is_attribute) {
  std::string out;
  out.reserve(text.size());
  if (text.find('\r') == std::string_view::npos) {
    append_html_text(out, text, is_attribute);
  } else {
    append_html_text(out, with_line_feeds(text), is_attribute);
  }
  return out;
}

// In lower case, with single spaces and none around.
std::string with_single_spaces(std::string_view text) {
  std::string out;
  for (const char c : to_lower(text)) {
    if (!is_html_blank(c)) {
      out.push_back(c);
    } else if (!out.empty() && out.back() != ' ') {
      out.push_back(' ');
    }
  }
  if (out.ends_with(' ')) out.pop_back();
  return out;
}

}  // namespace

void HtmlTokens::read_raw(std::string_view name, bool has_references) {
  raw_name_ = name;
  has_references_ = has_references;
}

bool HtmlTokens::next(HtmlToken& token) {
  token = HtmlToken();
  if (!raw_name_.empty() && read_raw_text(token)) return true;
  while (at_ < html_.size()) {
    const std::size_t start = at_;
    // A "<" that opens nothing is text.
    while (at_ < html_.size()) {
      at_ = is_plain_ ? html_.size() : std::min(html_.find('<', at_), html_.size());
      if (at_ + 1 >= html_.size()) {
        at_ = html_.size();
        break;
      }
      const char c = html_[at_ + 1];
      if (is_letter(c) || c == '/' || c == '!' || c == '?') break;
      ++at_;
    }
    if (at_ > start) {
      token.kind = HtmlToken::Kind::kText;
      const std::string_view text = html_.substr(start, at_ - start);
      token.text = is_plain_ ? with_line_feeds(text) : decoded(text, false);
      return true;
    }
    if (read_markup(token)) return true;
  }
  return false;
}

// Text up to "</name"; false where there is none.
bool HtmlTokens::read_raw_text(HtmlToken& token) {
  std::size_t end = at_;
  for (;; ++end) {
    end = std::min(html_.find("</", end), html_.size());
    if (end == html_.size()) break;
    const std::string_view tag = html_.substr(end + 2, raw_name_.size() + 1);
    if (tag.size() > raw_name_.size() && starts_with_ignoring_case(tag, raw_name_) &&
        (is_html_blank(tag.back()) || tag.back() == '/' || tag.back() == '>')) {
      break;
    }
  }
  const std::string_view text = html_.substr(at_, end - at_);
  at_ = end;
  raw_name_.clear();
  if (text.empty()) return false;
  token.kind = HtmlToken::Kind::kText;
  token.text = has_references_ ? decoded(text, false) : with_line_feeds(text);
  return true;
}

// At a "<" that opens something. False where that is nothing that counts.
bool HtmlTokens::read_markup(HtmlToken& token) {
  const std::string_view text = rest();
  const auto skip_to = [&](std::string_view end) {
    const std::size_t found = text.find(end);
    at_ = found == std::string_view::npos ? html_.size() : at_ + found + end.size();
  };
  if (text.starts_with("<!--")) {
    skip_comment();
    return false;
  }
  if (starts_with_ignoring_case(text, "<!doctype")) {
    skip_to(">");
    token.kind = HtmlToken::Kind::kDoctype;
    const std::string_view whole = text.substr(0, text.find('>'));
    token.text = with_single_spaces(whole.substr(9));
    return true;
  }
  if (allows_cdata_ && text.starts_with("<![CDATA[")) {
    skip_to("]]>");
    token.kind = HtmlToken::Kind::kText;
    const std::string_view whole = text.substr(9);
    token.text = with_line_feeds(whole.substr(0, whole.find("]]>")));
    return true;
  }
  const bool is_end = text[1] == '/';
  if (is_letter(text[1]) || (is_end && text.size() > 2 && is_letter(text[2]))) {
    return read_tag(token);
  }
  if (text == "</") {
    token.kind = HtmlToken::Kind::kText;
    token.text = "</";
    at_ = html_.size();
    return true;
  }
  skip_to(">");  // "</>", "<?php … >", "<!x>"
  return false;
}

void HtmlTokens::skip_comment() {
  at_ += 4;
  if (rest().starts_with(">") || rest().starts_with("->")) {
    at_ += rest()[0] == '>' ? 1 : 2;
    return;
  }
  for (;; ++at_) {
    at_ = std::min(html_.find("--", at_), html_.size());
    if (at_ == html_.size()) return;
    for (const std::string_view end : {"-->", "--!>"}) {
      if (!rest().starts_with(end)) continue;
      at_ += end.size();
      return;
    }
  }
}

bool HtmlTokens::read_tag(HtmlToken& token) {
  const bool is_end = html_[at_ + 1] == '/';
  at_ += is_end ? 2 : 1;
  const std::size_t end = std::min(html_.find_first_of(" \t\n\f\r/>", at_), html_.size());
  token.kind = is_end ? HtmlToken::Kind::kEnd : HtmlToken::Kind::kStart;
  token.name = to_lower(html_.substr(at_, end - at_));
  at_ = end;
  if (!read_attributes(token)) return false;
  auto& found = token.attributes;
  const auto by_name = [](const auto& a, const auto& b) { return a.name < b.name; };
  if (!std::is_sorted(found.begin(), found.end(), by_name)) {
    std::stable_sort(found.begin(), found.end(), by_name);
  }
  const auto has_same_name = [](const auto& a, const auto& b) { return a.name == b.name; };
  found.erase(std::unique(found.begin(), found.end(), has_same_name), found.end());
  return true;
}

// Behind the name. False where the document ends inside the tag, which then is none.
bool HtmlTokens::read_attributes(HtmlToken& token) {
  const auto skip_blanks = [this] {
    at_ = std::min(html_.find_first_not_of(kHtmlBlanks, at_), html_.size());
  };
  for (;;) {
    skip_blanks();
    if (at_ == html_.size()) return false;
    if (html_[at_] == '>') {
      ++at_;
      return true;
    }
    if (html_[at_] == '/') {
      token.is_self_closing = html_.substr(at_, 2) == "/>";
      ++at_;
      continue;
    }
    HtmlAttribute attribute;
    const std::size_t end = std::min(html_.find_first_of(" \t\n\f\r/>=", at_ + 1), html_.size());
    attribute.name = to_lower(html_.substr(at_, end - at_));
    at_ = end;
    skip_blanks();
    if (at_ < html_.size() && html_[at_] == '=') {
      ++at_;
      skip_blanks();
      if (at_ == html_.size()) return false;
      const char quote = html_[at_];
      const bool is_quoted = quote == '"' || quote == '\'';
      if (is_quoted) ++at_;
      const std::size_t stop =
          is_quoted ? html_.find(quote, at_) : html_.find_first_of(" \t\n\f\r>", at_);
      if (stop == std::string_view::npos) {
        at_ = html_.size();
        return false;
      }
      attribute.value = decoded(html_.substr(at_, stop - at_), true);
      at_ = stop + (is_quoted ? 1 : 0);
    }
    token.attributes.push_back(std::move(attribute));
  }
}

}  // namespace banyan::comparator
