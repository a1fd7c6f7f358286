// SPDX-License-Identifier: Apache-2.0
#include "comparator/transition.h"

#include <algorithm>
#include <array>
#include <optional>

#include "comparator/chars.h"
#include "comparator/transition_parts.h"
#include "core/base/text.h"

namespace banyan::comparator {
namespace {

constexpr std::size_t kTruncatedBytesMin = 4;  // what must be left of a text to call it so
constexpr std::size_t kEncodedBytesMin = 4;
constexpr std::size_t kHostBytesMax = 255;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

template <typename Skip>
bool are_equal_without(std::string_view a, std::string_view b, Skip skip) {
  std::size_t i = 0;
  std::size_t k = 0;
  for (;;) {
    while (i < a.size() && skip(a[i])) ++i;
    while (k < b.size() && skip(b[k])) ++k;
    if (i == a.size() || k == b.size()) return i == a.size() && k == b.size();
    if (a[i++] != b[k++]) return false;
  }
}

// Two words for the two directions of one cause.
struct BothWays {
  std::string_view there, back;
};

std::string_view word_for(const BothWays& words, bool is_there) {
  return is_there ? words.there : words.back;
}

// The 32 digits of a uuid in any of its spellings, lower case; "" where it is none.
std::string uuid_digits(std::string_view text) {
  if (text.size() > 45) return {};
  if (starts_with_ignoring_case(text, "urn:uuid:")) text.remove_prefix(9);
  if (text.size() == 38 && text.front() == '{' && text.back() == '}') text = text.substr(1, 36);
  if (text.size() != 36 && text.size() != 32) return {};
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_mark = text.size() == 36 && (i == 8 || i == 13 || i == 18 || i == 23);
    if (is_mark != (text[i] == '-')) return {};
    if (!is_mark) out.push_back(text[i]);
  }
  return u64_of_hex(std::string_view(out).substr(0, 16)) &&
                 u64_of_hex(std::string_view(out).substr(16))
             ? to_lower(out)
             : std::string();
}

std::string_view uuid_transition(std::string_view a, std::string_view b) {
  const std::string left = uuid_digits(a);
  if (left.empty() || left != uuid_digits(b)) return {};
  return equal_ignoring_case(a, b) ? "uuid case" : "uuid form";
}

struct Url {
  std::string_view scheme, host, rest;
};

std::optional<Url> read_url(std::string_view text) {
  const std::size_t mark = text.find("://");
  if (mark == 0 || mark == std::string_view::npos || mark > 16) return std::nullopt;
  const std::string_view behind = text.substr(mark + 3);
  const std::size_t end = std::min(behind.find_first_of("/?#"), behind.size());
  if (end == 0 || end > kHostBytesMax) return std::nullopt;
  return Url{text.substr(0, mark), behind.substr(0, end), behind.substr(end)};
}

std::string_view url_transition(std::string_view a, std::string_view b) {
  const auto left = read_url(a);
  const auto right = read_url(b);
  if (!left || !right) return {};
  const auto path = [](std::string_view rest) { return rest == "/" ? std::string_view() : rest; };
  if (path(left->rest) != path(right->rest)) return {};
  if (left->host != right->host) return "url host";
  return left->scheme != right->scheme ? "url scheme" : "url form";
}

bool is_cut(std::string_view whole, std::string_view part) {
  for (const std::string_view mark : {"…", "..."}) {
    if (part.ends_with(mark)) part.remove_suffix(mark.size());
  }
  return part.size() >= kTruncatedBytesMin && part.size() < whole.size() && whole.starts_with(part);
}

// What the entities of HTML stand for, one level.
std::string html_unescaped(std::string_view text) {
  struct Entity {
    std::string_view name;
    char c;
  };
  constexpr std::array<Entity, 9> kEntities = {{{"&amp;", '&'},
                                                {"&lt;", '<'},
                                                {"&gt;", '>'},
                                                {"&quot;", '"'},
                                                {"&#34;", '"'},
                                                {"&#39;", '\''},
                                                {"&#x27;", '\''},
                                                {"&apos;", '\''},
                                                {"&#x2F;", '/'}}};
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Entity* found = nullptr;
    if (text[0] == '&') {
      for (const Entity& entity : kEntities) {
        if (text.starts_with(entity.name)) found = &entity;
      }
    }
    out.push_back(found != nullptr ? found->c : text[0]);
    text.remove_prefix(found != nullptr ? found->name.size() : 1);
  }
  return out;
}

// Standard or for URLs, with or without padding.
bool is_base64_of(std::string_view encoded, std::string_view plain) {
  if (plain.size() < kEncodedBytesMin || encoded.size() < plain.size() / 3 * 4) return false;
  std::string text(encoded);
  std::replace(text.begin(), text.end(), '-', '+');
  std::replace(text.begin(), text.end(), '_', '/');
  while (text.size() % 4 != 0) text.push_back('=');
  return bytes_of_base64(text) == plain;
}

bool is_percent_encoded(std::string_view encoded, std::string_view plain) {
  if (encoded.find('%') == std::string_view::npos) return false;
  std::string text(encoded);
  if (percent_decode(text) == plain) return true;
  std::replace(text.begin(), text.end(), '+', ' ');
  return percent_decode(text) == plain;
}

// UTF-8 that was taken for ISO-8859-1 and encoded once more.
bool is_encoded_twice(std::string_view twice, std::string_view once) {
  if (twice.size() <= once.size()) return false;
  std::size_t at = 0;
  for (const char c : once) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80) {
      if (at >= twice.size() || twice[at++] != static_cast<char>(0xC0 | byte >> 6)) return false;
    }
    const char last = byte < 0x80 ? c : static_cast<char>(0x80 | (byte & 0x3F));
    if (at >= twice.size() || twice[at++] != last) return false;
  }
  return at == twice.size();
}

// Where `b` is `a` written in another way, or `a` of `b`.
std::string_view encoding_transition(std::string_view a, std::string_view b) {
  struct Encoding {
    bool (*is_encoded)(std::string_view encoded, std::string_view plain);
    BothWays words;
  };
  constexpr std::array<Encoding, 4> kEncodings = {
      {{[](std::string_view x, std::string_view y) {
          return x.find('&') != std::string_view::npos && html_unescaped(x) == y;
        },
        {"html-escaped", "html-unescaped"}},
       {is_percent_encoded, {"percent-encoded", "percent-decoded"}},
       {is_encoded_twice, {"UTF-8 encoded twice", "UTF-8 encoded once"}},
       {is_base64_of, {"base64", "base64 decoded"}}}};
  for (const Encoding& encoding : kEncodings) {
    if (encoding.is_encoded(b, a)) return encoding.words.there;
    if (encoding.is_encoded(a, b)) return encoding.words.back;
  }
  return {};
}

// What costs one pass.
std::string_view spelling_transition(std::string_view a, std::string_view b) {
  if (a.empty() || b.empty()) return a.empty() ? "filled" : "emptied";
  if (equal_ignoring_case(a, b)) return "case";
  if (trimmed(a) == trimmed(b)) {
    if (a.size() == b.size()) return "white space";
    return word_for({"trimmed", "padded"}, b.size() < a.size());
  }
  if (are_equal_without(a, b, [](char c) { return c == '\r'; })) return "line endings";
  if (are_equal_without(a, b, is_blank)) return "white space";
  if (is_cut(a, b)) return "truncated";
  if (is_cut(b, a)) return "extended";
  return {};
}

std::string text_transition(std::string_view a, std::string_view b) {
  if (a == b) return {};
  if (std::max(a.size(), b.size()) > kTransitionBytesMax) {
    return std::string(spelling_transition(a, b));
  }
  const auto first = read_number(a);
  const auto second = read_number(b);
  if (first && second) return transition_of_numbers(*first, *second);
  const auto before = read_time(a);
  const auto after = read_time(b);
  if (before && after) return transition_of_times(*before, *after);
  if (const auto word = uuid_transition(a, b); !word.empty()) return std::string(word);
  if (const auto word = url_transition(a, b); !word.empty()) return std::string(word);
  // Before the spelling, because what is escaped may begin like what is not.
  if (const auto word = encoding_transition(a, b); !word.empty()) return std::string(word);
  return std::string(spelling_transition(a, b));
}

std::string_view word_of(LeafType type) {
  switch (type) {
    case LeafType::kNull: return "null";
    case LeafType::kBoolean: return "boolean";
    case LeafType::kNumber: return "number";
    case LeafType::kString: return "string";
  }
  return "";
}

std::string arrow(std::string_view from, std::string_view to) {
  return std::string(from) + "→" + std::string(to);
}

// How a number that became a string, or the other way round, is told: both name what they hold.
std::string number_and_string(std::string_view number, std::string_view text, bool is_there) {
  const auto pair = [&](std::string_view from, std::string_view to) {
    return is_there ? arrow(from, to) : arrow(to, from);
  };
  const auto value = read_number(number);
  if (!value) return pair("number", "string");
  const auto time = read_time(text);
  if (const auto epoch = read_time(number); epoch && time) {
    const std::string word =
        is_there ? transition_of_times(*epoch, *time) : transition_of_times(*time, *epoch);
    if (!word.empty()) return word;
  }
  return pair(value->is_integer() ? "int" : "number", "string");
}

bool is_flag_of(const Leaf& boolean, const Leaf& number) {
  return number.text == (boolean.text == "true" ? "1" : "0");
}

}  // namespace

std::string transition_of(const Leaf& legacy, const Leaf& candidate) {
  if (legacy.type == candidate.type) {
    if (legacy.type == LeafType::kBoolean) {
      if (legacy.text == candidate.text) return {};
      return arrow(legacy.text, candidate.text);
    }
    return text_transition(legacy.text, candidate.text);
  }
  const bool is_from_number = legacy.type == LeafType::kNumber;
  if (is_from_number && candidate.type == LeafType::kString) {
    return number_and_string(legacy.text, candidate.text, true);
  }
  if (legacy.type == LeafType::kString && candidate.type == LeafType::kNumber) {
    return number_and_string(candidate.text, legacy.text, false);
  }
  if (legacy.type == LeafType::kBoolean && candidate.type == LeafType::kNumber &&
      is_flag_of(legacy, candidate)) {
    return "boolean→0/1";
  }
  if (is_from_number && candidate.type == LeafType::kBoolean && is_flag_of(candidate, legacy)) {
    return "0/1→boolean";
  }
  const auto named = [](const Leaf& leaf) {
    return leaf.type == LeafType::kString && leaf.text.empty() ? "\"\"" : word_of(leaf.type);
  };
  return arrow(named(legacy), named(candidate));
}

std::string transition_of_text(std::string_view legacy, std::string_view candidate) {
  return text_transition(legacy, candidate);
}

}  // namespace banyan::comparator
