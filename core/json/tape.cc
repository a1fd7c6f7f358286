// SPDX-License-Identifier: Apache-2.0
//
// simdjson's first stage finds the tokens and checks UTF-8, control characters and that strings
// end; the grammar on top is walked here, because no interface of simdjson 3.0.1 keeps number
// spelling and checks everything (docs/decisions/0002-json-parsing.md).
#include "core/json/tape.h"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "core/base/text.h"
#include "core/base/unicode.h"

namespace banyan::json {
namespace {

// A thread keeps its token buffer up to this capacity between texts.
constexpr std::size_t kKeptCapacityMax = 1 << 20;
constexpr std::size_t kTextBytesMax = 1ULL << 31;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool ends_scalar(char c) {
  return is_space(c) || c == ',' || c == ']' || c == '}' || c == ':' || c == '[' || c == '{';
}
bool is_digit(char c) { return c >= '0' && c <= '9'; }

void append_utf8(std::string& out, std::uint32_t code) {
  const auto push = [&](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    push(code);
  } else if (code < 0x800) {
    push(0xC0 | code >> 6);
    push(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    push(0xE0 | code >> 12);
    push(0x80 | (code >> 6 & 0x3F));
    push(0x80 | (code & 0x3F));
  } else {
    push(0xF0 | code >> 18);
    push(0x80 | (code >> 12 & 0x3F));
    push(0x80 | (code >> 6 & 0x3F));
    push(0x80 | (code & 0x3F));
  }
}

Error invalid(std::size_t position, std::string_view what) {
  return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kInternal,
                    "invalid JSON at byte " + std::to_string(position) + ": " + std::string(what));
}

// Where the first stage would not go on. It tells why, but not where.
Error first_stage_error(std::string_view text, simdjson::error_code code) {
  if (code == simdjson::UTF8_ERROR) {
    std::size_t low = 0;
    while (low < text.size()) {
      const auto lead = static_cast<unsigned char>(text[low]);
      const std::size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0x80 ? 2 : 1;
      if (low + size > text.size() || !is_utf8(text.substr(low, size))) break;
      low += size;
    }
    return invalid(low, "not UTF-8");
  }
  if (code == simdjson::EMPTY) return invalid(0, "there is no value");
  bool in_string = false;
  std::size_t opened = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!in_string) {
      if (text[i] == '"') {
        in_string = true;
        opened = i;
      }
    } else if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      in_string = false;
    } else if (static_cast<unsigned char>(text[i]) < 0x20) {
      return invalid(i, "control character in a string");
    }
  }
  if (in_string) return invalid(opened, "the string does not end");
  return invalid(0, simdjson::error_message(code));
}

// Finds the tokens of one text at a time. Thread-local: creating one costs more than a small text.
class Tokenizer {
 public:
  // Copies `text` with the padding that simdjson reads over.
  simdjson::error_code run(std::string_view text) {
    padded_.assign(text);
    padded_.append(simdjson::SIMDJSON_PADDING, ' ');
    if (parser_ == nullptr || capacity_ < text.size()) {
      capacity_ = text.size() < 4096 ? 4096 : text.size();
      const auto code = simdjson::get_active_implementation()->create_dom_parser_implementation(
          capacity_, 1, parser_);
      if (code != simdjson::SUCCESS) {
        parser_.reset();
        return code;
      }
    }
    return parser_->stage1(reinterpret_cast<const std::uint8_t*>(padded_.data()), text.size(),
                           simdjson::stage1_mode::regular);
  }
  const char* text() const { return padded_.data(); }
  const std::uint32_t* tokens() const { return parser_->structural_indexes.get(); }
  std::size_t count() const { return parser_->n_structural_indexes; }
  void shrink() {
    if (capacity_ <= kKeptCapacityMax) return;
    parser_.reset();
    padded_ = std::string();
  }

 private:
  std::unique_ptr<simdjson::internal::dom_parser_implementation> parser_;
  std::size_t capacity_ = 0;
  std::string padded_;
};

}  // namespace

// The grammar over the tokens. Every function answers false after fail().
class Walker {
 public:
  // `tape` is empty; where there are escapes, its room for decoded strings holds all of `original`
  // and thus never moves.
  Walker(const Tokenizer& tokenizer, std::string_view original, bool has_escapes,
         const ParseLimits& limits, Tape& tape)
      : original_(original),
        text_(tokenizer.text()),
        size_(original.size()),
        tokens_(tokenizer.tokens()),
        count_(tokenizer.count()),
        has_escapes_(has_escapes),
        limits_(limits),
        tape_(tape),
        decoded_(tape.decoded_) {}

  bool document() {
    if (!value({}, 0)) return false;
    if (next_ < count_) return fail(tokens_[next_], "something follows the value");
    return true;
  }
  const Error& error() const { return error_; }

 private:
  bool value(std::string_view name, std::size_t depth) {
    if (next_ >= count_) return fail(size_, "the text ends where a value is due");
    const std::size_t at = tokens_[next_++];
    const std::size_t index = tape_.count_;
    if (index >= limits_.nodes_max) return exhausted(at, "values", limits_.nodes_max);
    TapeNode& node = tape_.append();
    node.name = name;
    switch (text_[at]) {
      case '{': return object(index, at, depth);
      case '[': return array(index, at, depth);
      case '"': node.type = Value::Type::kString; return string(node.text, at);
      case 't': return literal(node, at, "true", Value::Type::kBool, true);
      case 'f': return literal(node, at, "false", Value::Type::kBool, false);
      case 'n': return literal(node, at, "null", Value::Type::kNull, false);
      default: return number(node, at);
    }
  }

  bool object(std::size_t index, std::size_t at, std::size_t depth) {
    tape_.nodes_[index].type = Value::Type::kObject;
    if (depth >= limits_.depth_max) return exhausted(at, "nested values", limits_.depth_max);
    if (take('}')) return close(index, at, 0);
    std::uint32_t members = 0;
    do {
      if (next_ >= count_ || text_[tokens_[next_]] != '"') return expected("a member name");
      std::string_view name;
      if (!string(name, tokens_[next_++])) return false;
      if (!take(':')) return expected("':'");
      if (!value(name, depth + 1)) return false;
      ++members;
    } while (take(','));
    return take('}') ? close(index, at, members) : expected("',' or '}'");
  }

  bool array(std::size_t index, std::size_t at, std::size_t depth) {
    tape_.nodes_[index].type = Value::Type::kArray;
    if (depth >= limits_.depth_max) return exhausted(at, "nested values", limits_.depth_max);
    if (take(']')) return close(index, at, 0);
    std::uint32_t items = 0;
    do {
      if (!value({}, depth + 1)) return false;
      ++items;
    } while (take(','));
    return take(']') ? close(index, at, items) : expected("',' or ']'");
  }

  // The closing token was taken.
  bool close(std::size_t index, std::size_t at, std::uint32_t children) {
    TapeNode& node = tape_.nodes_[index];
    node.children = children;
    node.end = static_cast<std::uint32_t>(tape_.count_);
    node.text = original_.substr(at, tokens_[next_ - 1] + 1 - at);
    return true;
  }

  bool literal(TapeNode& out, std::size_t at, std::string_view word, Value::Type type,
               bool boolean) {
    const std::string_view rest(text_ + at, size_ - at);
    if (!rest.starts_with(word) || !scalar_ends(at + word.size())) {
      return fail(at, "expected a value");
    }
    out.type = type;
    out.boolean = boolean;
    return true;
  }

  bool number(TapeNode& out, std::size_t at) {
    std::size_t end = at;
    if (char_at(end) == '-') ++end;
    const std::size_t whole = end;
    while (is_digit(char_at(end))) ++end;
    if (end == whole || (text_[whole] == '0' && end > whole + 1)) {
      return fail(at, "expected a value");
    }
    if (char_at(end) == '.' && !digits(++end)) return fail(at, "expected a value");
    if (char_at(end) == 'e' || char_at(end) == 'E') {
      ++end;
      if (char_at(end) == '+' || char_at(end) == '-') ++end;
      if (!digits(end)) return fail(at, "expected a value");
    }
    if (!scalar_ends(end)) return fail(at, "expected a value");
    out.type = Value::Type::kNumber;
    out.text = original_.substr(at, end - at);
    return true;
  }

  bool digits(std::size_t& end) const {
    const std::size_t start = end;
    while (is_digit(char_at(end))) ++end;
    return end > start;
  }

  // `at` is the opening quote. The first stage knows that the string ends inside the text, so the
  // last thing before the next token is the closing quote.
  bool string(std::string_view& out, std::size_t at) {
    std::size_t end = next_ < count_ ? tokens_[next_] : size_;
    while (end > at + 1 && is_space(text_[end - 1])) --end;
    if (end <= at + 1 || text_[end - 1] != '"') return fail(at, "the string does not end");
    out = original_.substr(at + 1, end - at - 2);
    return !has_escapes_ || out.find('\\') == std::string_view::npos || decode(out, at + 1);
  }

  bool decode(std::string_view& out, std::size_t at) {
    const std::size_t end = at + out.size();
    const std::size_t written = decoded_.size();
    while (at < end) {
      if (text_[at] == '\\') {
        if (!escape(decoded_, at)) return fail(at, "invalid escape");
      } else {
        decoded_.push_back(text_[at++]);
      }
    }
    out = std::string_view(decoded_).substr(written);
    return true;
  }

  // Appends what the escape at `at` means and moves behind it. A lone surrogate has no UTF-8.
  bool escape(std::string& out, std::size_t& at) const {
    constexpr std::string_view kNames = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    const char name = char_at(at + 1);
    if (const auto index = kNames.find(name); index != std::string_view::npos) {
      out.push_back(kMeanings[index]);
      at += 2;
      return true;
    }
    const auto code = unicode(at);
    if (!code || (*code >= 0xDC00 && *code < 0xE000)) return false;
    if (*code < 0xD800 || *code >= 0xE000) {
      append_utf8(out, *code);
      at += 6;
      return true;
    }
    const auto low = unicode(at + 6);
    if (!low || *low < 0xDC00 || *low >= 0xE000) return false;
    append_utf8(out, 0x10000 + ((*code - 0xD800) << 10) + (*low - 0xDC00));
    at += 12;
    return true;
  }

  std::optional<std::uint32_t> unicode(std::size_t at) const {
    if (at + 6 > size_ || text_[at] != '\\' || text_[at + 1] != 'u') return std::nullopt;
    std::uint32_t code = 0;
    const auto result = std::from_chars(text_ + at + 2, text_ + at + 6, code, 16);
    if (result.ec != std::errc() || result.ptr != text_ + at + 6) return std::nullopt;
    return code;
  }

  bool take(char c) {
    if (next_ >= count_ || text_[tokens_[next_]] != c) return false;
    ++next_;
    return true;
  }
  // Behind the text stand spaces, more than anything here looks ahead.
  char char_at(std::size_t at) const { return text_[at]; }
  bool scalar_ends(std::size_t at) const { return ends_scalar(text_[at]); }
  bool expected(std::string_view what) {
    return fail(next_ < count_ ? tokens_[next_] : size_, "expected " + std::string(what));
  }
  bool fail(std::size_t position, std::string_view what) {
    error_ = invalid(position, what);
    return false;
  }
  bool exhausted(std::size_t position, std::string_view what, std::size_t limit) {
    error_ = make_error(ErrorCode::kExhausted, ErrorOrigin::kInternal,
                        "JSON has more than " + std::to_string(limit) + " " + std::string(what) +
                            " at byte " + std::to_string(position));
    return false;
  }

  std::string_view original_;
  const char* text_;  // of the padded copy
  std::size_t size_;
  const std::uint32_t* tokens_;
  std::size_t count_;
  bool has_escapes_;
  const ParseLimits& limits_;
  Tape& tape_;
  std::string& decoded_;
  std::size_t next_ = 0;
  Error error_;
};

constexpr std::size_t kKeptNodesMax = 1 << 16;

Status Tape::parse(std::string_view text, const ParseLimits& limits) {
  clear();
  if (text.size() > kTextBytesMax) {
    return make_error(ErrorCode::kExhausted, ErrorOrigin::kInternal, "JSON text over 2 GiB");
  }
  if (text.empty()) return invalid(0, "there is no value");
  thread_local Tokenizer tokenizer;
  const auto code = tokenizer.run(text);
  if (code != simdjson::SUCCESS) {
    tokenizer.shrink();
    return first_stage_error(text, code);
  }
  const bool has_escapes = text.find('\\') != std::string_view::npos;
  if (has_escapes) decoded_.reserve(text.size());
  Walker walker(tokenizer, text, has_escapes, limits, *this);
  const bool is_valid = walker.document();
  tokenizer.shrink();
  if (!is_valid) {
    clear();
    return walker.error();
  }
  is_ascii_ = banyan::is_ascii(text) && banyan::is_ascii(decoded_);
  return {};
}

void Tape::assign(const Value& value) {
  clear();
  add(value, {});
}

TapeNode& Tape::append() {
  if (count_ == nodes_.size()) nodes_.resize(std::max<std::size_t>(64, 2 * count_));
  TapeNode& node = nodes_[count_++];
  node = TapeNode{};
  node.end = static_cast<std::uint32_t>(count_);
  return node;
}

void Tape::add(const Value& value, std::string_view name) {
  const std::size_t index = count_;
  TapeNode& node = append();
  node.type = value.type;
  node.boolean = value.boolean;
  node.children = static_cast<std::uint32_t>(value.items.size() + value.members.size());
  node.name = name;
  node.text = value.text;
  for (const Value& item : value.items) add(item, {});
  for (const auto& [member, child] : value.members) add(child, member);
  nodes_[index].end = static_cast<std::uint32_t>(count_);
}

Value Tape::value(std::uint32_t index) const {
  const TapeNode& node = nodes_[index];
  Value out = Value::of_type(node.type);
  out.boolean = node.boolean;
  const bool is_leaf = node.type == Value::Type::kNumber || node.type == Value::Type::kString;
  if (is_leaf) out.text = node.text;
  if (node.type == Value::Type::kArray) out.items.reserve(node.children);
  if (node.type == Value::Type::kObject) out.members.reserve(node.children);
  for (std::uint32_t child = index + 1; child < node.end; child = nodes_[child].end) {
    if (node.type == Value::Type::kArray) {
      out.items.push_back(value(child));
    } else {
      out.members.emplace_back(nodes_[child].name, value(child));
    }
  }
  return out;
}

void Tape::normalize_names() {
  if (is_ascii_) return;
  for (TapeNode& node : std::span(nodes_).first(count_)) {
    if (is_surely_nfc(node.name)) continue;
    append_nfc(names_.emplace_back(), node.name);
    node.name = names_.back();
  }
}

void Tape::clear() {
  count_ = 0;
  decoded_.clear();
  names_.clear();
  is_ascii_ = false;
}

void Tape::shrink() {
  clear();
  if (nodes_.size() > kKeptNodesMax) nodes_ = {};
  if (decoded_.capacity() > kKeptCapacityMax) decoded_ = {};
}

}  // namespace banyan::json
