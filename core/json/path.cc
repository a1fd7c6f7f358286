// SPDX-License-Identifier: Apache-2.0
#include "core/json/path.h"

#include <algorithm>
#include <utility>

namespace banyan::json {
namespace {

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '@' || c == '$' || c == ':' || static_cast<unsigned char>(c) >= 0x80;
}

std::string render(const std::vector<PathStep>& steps, bool with_index) {
  std::string out = "$";
  for (const PathStep& step : steps) {
    if (!step.is_item) {
      append_member(out, step.name);
    } else if (with_index) {
      out += '[' + std::to_string(step.index) + ']';
    } else {
      out += "[]";
    }
  }
  return out;
}

}  // namespace

class PathPattern::Parser {
 public:
  Parser(std::string_view text, PathPattern& out) : text_(text), out_(out) {}

  Status run() {
    if (text_.size() > kTextBytesMax) return error("the path is too long");
    if (text_ == "**") return add(Kind::kDeep, {});
    if (!take("$")) return error("a path starts with $ (or is **)");
    while (at_ < text_.size()) BANYAN_RETURN_IF_ERROR(step());
    return {};
  }

 private:
  Status step() {
    if (take("[")) return bracket();
    if (take("..")) {
      BANYAN_RETURN_IF_ERROR(add(Kind::kDeep, {}));
      if (take("[")) return bracket();
      if (take("*")) return add(Kind::kChild, {});
      if (take("{}")) return add(Kind::kAnyMember, {});
      return name();
    }
    if (!take(".")) return error("expected . or [");
    if (take("**")) return add(Kind::kDeep, {});
    if (take("*")) return add(Kind::kChild, {});
    if (take("{}")) return add(Kind::kAnyMember, {});
    return name();
  }

  Status name() {
    const std::size_t start = at_;
    while (at_ < text_.size() && is_plain(text_[at_])) ++at_;
    if (at_ == start) return error("expected a name; write odd names as ['…']");
    return add(Kind::kMember, std::string(text_.substr(start, at_ - start)));
  }

  Status bracket() {
    if (take("]") || take("*]")) return add(Kind::kItem, {});
    if (!take("'")) return error("expected [] for every item or ['name']");
    std::string name;
    while (at_ < text_.size() && text_[at_] != '\'') {
      if (text_[at_] == '\\' && ++at_ == text_.size()) break;
      name.push_back(text_[at_++]);
    }
    if (!take("']")) return error("['… is not closed by ']");
    return add(Kind::kMember, std::move(name));
  }

  Status add(Kind kind, std::string name) {
    if (out_.steps_.size() == kStepsMax) return error("the path has too many steps");
    // Two of them in a row mean what one means.
    if (kind == Kind::kDeep && !out_.steps_.empty() && out_.steps_.back().kind == Kind::kDeep) {
      return {};
    }
    if (kind == Kind::kDeep) out_.deep_ |= State{1} << out_.steps_.size();
    out_.steps_.push_back({kind, std::move(name)});
    return {};
  }

  bool take(std::string_view token) {
    if (!text_.substr(at_).starts_with(token)) return false;
    at_ += token.size();
    return true;
  }

  Error error(std::string_view what) const {
    return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kConfig,
                      "path, byte " + std::to_string(at_) + ": " + std::string(what));
  }

  std::string_view text_;
  PathPattern& out_;
  std::size_t at_ = 0;
};

Result<PathPattern> PathPattern::parse(std::string_view text) {
  PathPattern pattern;
  BANYAN_RETURN_IF_ERROR(Parser(text, pattern).run());
  pattern.text_ = text;
  constexpr std::uint32_t kBase = kStepsMax + 2;  // so that no count reaches the next one up
  std::uint32_t names = 0;
  std::uint32_t singles = 0;
  std::uint32_t deep = 0;
  for (const Step& step : pattern.steps_) {
    std::uint32_t& count = step.kind == Kind::kMember ? names
                           : step.kind == Kind::kDeep ? deep
                                                      : singles;
    ++count;
  }
  pattern.rank_ = (names * kBase + singles) * kBase + (kBase - 1 - deep);
  return pattern;
}

PathPattern::State PathPattern::enter_member(State state, std::string_view name) const {
  State next = state & deep_;
  for (std::size_t i = 0; i < steps_.size() && (state >> i) != 0; ++i) {
    if ((state >> i & 1) == 0) continue;
    const Step& step = steps_[i];
    if (step.kind == Kind::kChild || step.kind == Kind::kAnyMember ||
        (step.kind == Kind::kMember && step.name == name)) {
      next |= State{2} << i;
    }
  }
  return close(next);
}

PathPattern::State PathPattern::enter_item(State state) const {
  State next = state & deep_;
  for (std::size_t i = 0; i < steps_.size() && (state >> i) != 0; ++i) {
    if ((state >> i & 1) == 0) continue;
    if (steps_[i].kind == Kind::kChild || steps_[i].kind == Kind::kItem) next |= State{2} << i;
  }
  return close(next);
}

void append_member(std::string& out, std::string_view name) {
  if (!name.empty() && std::all_of(name.begin(), name.end(), is_plain)) {
    out += '.';
    out += name;
    return;
  }
  out += "['";
  for (const char c : name) {
    if (c == '\'' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  out += "']";
}

std::string template_path(const std::vector<PathStep>& steps) { return render(steps, false); }
std::string concrete_path(const std::vector<PathStep>& steps) { return render(steps, true); }

}  // namespace banyan::json
