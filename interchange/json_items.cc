// SPDX-License-Identifier: Apache-2.0
#include "interchange/json_items.h"

#include <algorithm>

namespace banyan::interchange {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

void append_bounded(std::string* out, std::string_view bytes, std::size_t bytes_max) {
  if (out == nullptr || out->size() > bytes_max) return;
  out->append(bytes.substr(0, bytes_max + 1 - out->size()));
}

}  // namespace

JsonItems::Step JsonItems::fail(const Error& error) {
  error_ = error;
  where_ = Where::kBehind;
  return Step::kBroken;
}

Error JsonItems::broken(std::string_view what) const {
  return make_error(ErrorCode::kDamaged, ErrorOrigin::kClient,
                    "line " + std::to_string(input_.line()) + ", byte " +
                        std::to_string(input_.position()) + ": " + std::string(what));
}

JsonItems::Step JsonItems::next(std::string& item) {
  item.clear();
  if (where_ == Where::kBehind) return Step::kEnd;
  if (where_ == Where::kBefore) {
    if (const Status found = find_array(); !found.ok()) return fail(found.error());
    where_ = Where::kInside;
  }
  auto c = peek();
  if (!c.ok()) return fail(c.error());
  if (*c == ']') {
    input_.consume(1);
    where_ = Where::kBehind;
    const Status rest = skip_rest();
    return rest.ok() ? Step::kEnd : fail(rest.error());
  }
  if (!is_first_) {
    if (const Status comma = expect(','); !comma.ok()) return fail(comma.error());
  }
  is_first_ = false;
  const Status taken = take_value(&item, item_bytes_max_);
  if (!taken.ok()) return fail(taken.error());
  return item.size() > item_bytes_max_ ? Step::kTooLong : Step::kItem;
}

Result<char> JsonItems::peek() {
  for (;;) {
    auto held = input_.look();
    if (!held.ok()) return held.error();
    if (held->empty()) return '\0';
    const std::size_t at = held->find_first_not_of(kSpace);
    if (at != std::string_view::npos) {
      const char c = (*held)[at];
      input_.consume(at);
      return c;
    }
    input_.consume(held->size());
  }
}

Status JsonItems::expect(char wanted) {
  auto c = peek();
  if (!c.ok()) return c.error();
  if (*c == '\0') return broken("the document ends too early; was the file cut?");
  if (*c != wanted) return broken(std::string("expected '") + wanted + "'");
  input_.consume(1);
  return {};
}

Status JsonItems::find_array() {
  auto beginning = input_.look_ahead(3);
  if (!beginning.ok()) return beginning.error();
  if (beginning->starts_with("\xEF\xBB\xBF")) input_.consume(3);
  for (const std::string& name : path_) BANYAN_RETURN_IF_ERROR(descend(name));
  return expect('[');
}

// Up to the value of that member of the object that begins here.
Status JsonItems::descend(const std::string& name) {
  BANYAN_RETURN_IF_ERROR(expect('{'));
  for (;;) {
    auto c = peek();
    if (!c.ok()) return c.error();
    if (*c == '}') return broken("there is no member \"" + name + "\"; is it another format?");
    if (*c != '"') return broken("expected the name of a member");
    std::string member;
    BANYAN_RETURN_IF_ERROR(take_string(&member, kNameBytesMax));
    BANYAN_RETURN_IF_ERROR(expect(':'));
    if (member == "\"" + name + "\"") return {};
    BANYAN_RETURN_IF_ERROR(take_value(nullptr, 0));
    c = peek();
    if (!c.ok()) return c.error();
    if (*c == ',') input_.consume(1);
  }
}

// The members behind the array, of each object around it.
Status JsonItems::skip_rest() {
  for (std::size_t level = 0; level < path_.size(); ++level) {
    for (;;) {
      auto c = peek();
      if (!c.ok()) return c.error();
      if (*c == '}') break;
      BANYAN_RETURN_IF_ERROR(expect(','));
      BANYAN_RETURN_IF_ERROR(skip_member());
    }
    input_.consume(1);
  }
  auto c = peek();
  if (!c.ok()) return c.error();
  return *c == '\0' ? Status() : broken("there are bytes behind the end of the document");
}

Status JsonItems::skip_member() {
  auto c = peek();
  if (!c.ok()) return c.error();
  if (*c != '"') return broken("expected the name of a member");
  BANYAN_RETURN_IF_ERROR(take_string(nullptr, 0));
  BANYAN_RETURN_IF_ERROR(expect(':'));
  return take_value(nullptr, 0);
}

Status JsonItems::take_value(std::string* out, std::size_t bytes_max) {
  auto c = peek();
  if (!c.ok()) return c.error();
  if (*c == '\0') return broken("the document ends too early; was the file cut?");
  if (*c == '"') return take_string(out, bytes_max);
  if (*c == '{' || *c == '[') return take_nested(out, bytes_max);
  return take_scalar(out, bytes_max);
}

// From quote to quote.
Status JsonItems::take_string(std::string* out, std::size_t bytes_max) {
  append_bounded(out, "\"", bytes_max);
  input_.consume(1);
  bool is_escaped = false;
  for (;;) {
    auto held = input_.look();
    if (!held.ok()) return held.error();
    if (held->empty()) return broken("the document ends inside a string; was the file cut?");
    std::size_t at = 0;
    bool is_closed = false;
    while (at < held->size() && !is_closed) {
      const char c = (*held)[at++];
      is_closed = c == '"' && !is_escaped;
      is_escaped = c == '\\' && !is_escaped;
    }
    append_bounded(out, held->substr(0, at), bytes_max);
    input_.consume(at);
    if (is_closed) return {};
  }
}

// An object or array with all that is in it; only brackets and strings are looked at.
Status JsonItems::take_nested(std::string* out, std::size_t bytes_max) {
  std::uint64_t depth = 0;
  do {
    auto held = input_.look();
    if (!held.ok()) return held.error();
    if (held->empty()) return broken("the document ends too early; was the file cut?");
    const std::size_t at = held->find_first_of("\"{}[]");
    const std::size_t size = std::min(at, held->size());
    append_bounded(out, held->substr(0, size), bytes_max);
    if (at == std::string_view::npos) {
      input_.consume(size);
      continue;
    }
    const char c = (*held)[at];
    input_.consume(size);
    if (c == '"') {
      BANYAN_RETURN_IF_ERROR(take_string(out, bytes_max));
      continue;
    }
    append_bounded(out, std::string_view(&c, 1), bytes_max);
    input_.consume(1);
    depth += c == '{' || c == '[' ? 1 : std::uint64_t(-1);
  } while (depth > 0);
  return {};
}

Status JsonItems::take_scalar(std::string* out, std::size_t bytes_max) {
  bool is_any = false;
  for (;;) {
    auto held = input_.look();
    if (!held.ok()) return held.error();
    const std::size_t at = held->find_first_of(" \t\r\n,]}{[\":");
    const std::size_t size = std::min(at, held->size());
    append_bounded(out, held->substr(0, size), bytes_max);
    is_any |= size > 0;
    input_.consume(size);
    if (at != std::string_view::npos || held->empty()) break;
  }
  return is_any ? Status() : broken("expected a value");
}

}  // namespace banyan::interchange
