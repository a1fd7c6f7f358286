// SPDX-License-Identifier: Apache-2.0
//
// simdjson's first stage finds the tokens and checks UTF-8, control characters and that strings
// end; the grammar on top is walked here, because no interface of simdjson 3.0.1 keeps number
// spelling and checks everything (docs/decisions/0002-json-parsing.md).
#include "core/json/value.h"

#include <simdjson.h>

#include <charconv>
#include <memory>

#include "core/base/text.h"
#include "core/json/json_writer.h"

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

// The grammar over the tokens. Every function answers false after fail().
class Walker {
 public:
  Walker(const Tokenizer& tokenizer, std::size_t size, const ParseLimits& limits)
      : text_(tokenizer.text()),
        size_(size),
        tokens_(tokenizer.tokens()),
        count_(tokenizer.count()),
        limits_(limits) {}

  bool document(Value& out) {
    if (!value(out, 0)) return false;
    if (next_ < count_) return fail(tokens_[next_], "something follows the value");
    return true;
  }
  const Error& error() const { return error_; }

 private:
  bool value(Value& out, std::size_t depth) {
    if (next_ >= count_) return fail(size_, "the text ends where a value is due");
    const std::size_t at = tokens_[next_++];
    if (++nodes_ > limits_.nodes_max) return exhausted(at, "values", limits_.nodes_max);
    switch (text_[at]) {
      case '{': return object(out, at, depth);
      case '[': return array(out, at, depth);
      case '"': out.type = Value::Type::kString; return string(out.text, at);
      case 't': return literal(out, at, "true", Value::Type::kBool, true);
      case 'f': return literal(out, at, "false", Value::Type::kBool, false);
      case 'n': return literal(out, at, "null", Value::Type::kNull, false);
      default: return number(out, at);
    }
  }

  bool object(Value& out, std::size_t at, std::size_t depth) {
    out.type = Value::Type::kObject;
    if (depth >= limits_.depth_max) return exhausted(at, "nested values", limits_.depth_max);
    if (take('}')) return true;
    do {
      if (next_ >= count_ || text_[tokens_[next_]] != '"') return expected("a member name");
      auto& member = out.members.emplace_back();
      if (!string(member.first, tokens_[next_++])) return false;
      if (!take(':')) return expected("':'");
      if (!value(member.second, depth + 1)) return false;
    } while (take(','));
    return take('}') || expected("',' or '}'");
  }

  bool array(Value& out, std::size_t at, std::size_t depth) {
    out.type = Value::Type::kArray;
    if (depth >= limits_.depth_max) return exhausted(at, "nested values", limits_.depth_max);
    if (take(']')) return true;
    do {
      if (!value(out.items.emplace_back(), depth + 1)) return false;
    } while (take(','));
    return take(']') || expected("',' or ']'");
  }

  bool literal(Value& out, std::size_t at, std::string_view word, Value::Type type, bool boolean) {
    const std::string_view rest(text_ + at, size_ - at);
    if (!rest.starts_with(word) || !scalar_ends(at + word.size())) {
      return fail(at, "expected a value");
    }
    out.type = type;
    out.boolean = boolean;
    return true;
  }

  bool number(Value& out, std::size_t at) {
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
    out.text.assign(text_ + at, end - at);
    return true;
  }

  bool digits(std::size_t& end) const {
    const std::size_t start = end;
    while (is_digit(char_at(end))) ++end;
    return end > start;
  }

  // `at` is the opening quote; that the string ends inside the text is known.
  bool string(std::string& out, std::size_t at) {
    std::size_t end = at + 1;
    while (char_at(end) != '"' && char_at(end) != '\\' && end < size_) ++end;
    out.assign(text_ + at + 1, end - at - 1);
    while (end < size_ && text_[end] != '"') {
      if (text_[end] == '\\') {
        if (!escape(out, end)) return fail(end, "invalid escape");
      } else {
        out.push_back(text_[end++]);
      }
    }
    return end < size_ || fail(at, "the string does not end");
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
  char char_at(std::size_t at) const { return at < size_ ? text_[at] : ' '; }
  bool scalar_ends(std::size_t at) const { return at >= size_ || ends_scalar(text_[at]); }
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

  const char* text_;
  std::size_t size_;
  const std::uint32_t* tokens_;
  std::size_t count_;
  const ParseLimits& limits_;
  std::size_t next_ = 0;
  std::size_t nodes_ = 0;
  Error error_;
};

void write_to(const Value& value, JsonWriter& json) {
  switch (value.type) {
    case Value::Type::kNull: json.null(); break;
    case Value::Type::kBool: json.boolean(value.boolean); break;
    case Value::Type::kNumber: json.raw(value.text); break;
    case Value::Type::kString: json.string(value.text); break;
    case Value::Type::kArray:
      json.begin_array();
      for (const Value& item : value.items) write_to(item, json);
      json.end_array();
      break;
    case Value::Type::kObject:
      json.begin_object();
      for (const auto& [name, member] : value.members) {
        json.key(name);
        write_to(member, json);
      }
      json.end_object();
      break;
  }
}

}  // namespace

Value::Value() = default;
Value::~Value() = default;
Value::Value(const Value&) = default;
Value::Value(Value&&) noexcept = default;
Value& Value::operator=(const Value&) = default;
Value& Value::operator=(Value&&) noexcept = default;

Value Value::of_type(Type type) {
  Value value;
  value.type = type;
  return value;
}

Value Value::of_text(std::string text) {
  Value value = of_type(Type::kString);
  value.text = std::move(text);
  return value;
}

const Value* Value::find(std::string_view name) const {
  for (auto it = members.rbegin(); it != members.rend(); ++it) {
    if (it->first == name) return &it->second;
  }
  return nullptr;
}

std::string_view Value::string_or(std::string_view name, std::string_view fallback) const {
  const Value* found = find(name);
  return found != nullptr && found->type == Type::kString ? std::string_view(found->text)
                                                          : fallback;
}

double Value::number_or(std::string_view name, double fallback) const {
  const Value* found = find(name);
  if (found == nullptr || found->type != Type::kNumber) return fallback;
  double number = 0;
  const char* end = found->text.data() + found->text.size();
  const auto result = std::from_chars(found->text.data(), end, number);
  return result.ec == std::errc() && result.ptr == end ? number : fallback;
}

bool Value::bool_or(std::string_view name, bool fallback) const {
  const Value* found = find(name);
  return found != nullptr && found->type == Type::kBool ? found->boolean : fallback;
}

Result<Value> parse(std::string_view text, const ParseLimits& limits) {
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
  Value value;
  Walker walker(tokenizer, text.size(), limits);
  const bool is_valid = walker.document(value);
  tokenizer.shrink();
  if (!is_valid) return walker.error();
  return value;
}

void write(const Value& value, std::string& out) {
  JsonWriter json(out);
  write_to(value, json);
}

}  // namespace banyan::json
