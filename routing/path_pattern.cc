// SPDX-License-Identifier: Apache-2.0
#include "routing/path_pattern.h"

#include "core/base/text.h"

namespace banyan::routing {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

// Step 2 of the normal form. A % without two hex digits stays as it is.
void append_decoded(std::string_view text, std::string& out) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
    const int low = high >= 0 ? hex_value(text[i + 2]) : -1;
    if (low < 0) {
      out.push_back(text[i]);
      continue;
    }
    const char c = static_cast<char>(high * 16 + low);
    if (is_unreserved(c)) {
      out.push_back(c);
    } else {
      out.push_back('%');
      out.push_back(kDigits[high]);
      out.push_back(kDigits[low]);
    }
    i += 2;
  }
}

Error pattern_error(std::string message) {
  return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kConfig, std::move(message));
}

}  // namespace

void NormalPath::assign(std::string_view target) {
  segments_.clear();
  std::string_view path = target.substr(0, target.find('?'));
  if (path == "*") return;
  if (path.find('%') != std::string_view::npos) {
    decoded_.clear();
    append_decoded(path, decoded_);
    path = decoded_;
  }
  while (!path.empty()) {
    const std::size_t end = path.find('/');
    const std::string_view segment = path.substr(0, end);
    path = end == std::string_view::npos ? std::string_view() : path.substr(end + 1);
    if (segment.empty() || segment == ".") continue;
    if (segment != "..") {
      segments_.push_back(segment);
    } else if (!segments_.empty()) {
      segments_.pop_back();
    }
  }
}

std::string NormalPath::to_string() const {
  if (segments_.empty()) return "/";
  std::string out;
  for (const std::string_view segment : segments_) {
    out += '/';
    out += segment;
  }
  return out;
}

Result<PathPattern> PathPattern::compile(std::string_view pattern) {
  if (pattern.empty()) return PathPattern();
  if (pattern.front() != '/') return pattern_error("a path pattern starts with \"/\"");
  if (pattern.size() > kPatternBytesMax) {
    return pattern_error("a path pattern has at most 1024 bytes");
  }
  PathPattern compiled;
  compiled.segments_.clear();
  std::size_t deep = 0;
  for (const std::string_view part : split(pattern.substr(1), '/')) {
    for (const char c : part) {
      if (c == '?' || c == '#') {
        return pattern_error("a path pattern ends before the query; use match.query for it");
      }
      if (static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7f) {
        return pattern_error("a path pattern holds visible ASCII only; write others as %XX");
      }
    }
    if (part.empty()) continue;
    Segment segment;
    append_decoded(part, segment.text);
    if (segment.text == "." || segment.text == "..") {
      return pattern_error("\".\" and \"..\" are resolved before matching and would never match");
    }
    if (part == "**") {
      segment.kind = Kind::kDeep;
      if (++deep > kDeepWildcardsMax) return pattern_error("at most 8 \"**\" in one path pattern");
    } else if (part.find("**") != std::string_view::npos) {
      return pattern_error("\"**\" stands alone between slashes: /a/**/b");
    } else if (part == "*") {
      segment.kind = Kind::kOne;
    } else if (part.find('*') != std::string_view::npos) {
      segment.kind = Kind::kGlob;
    }
    compiled.segments_.push_back(std::move(segment));
  }
  return compiled;
}

bool PathPattern::segment_matches(const Segment& segment, std::string_view text) {
  switch (segment.kind) {
    case Kind::kLiteral: return segment.text == text;
    case Kind::kOne: return true;
    case Kind::kGlob: return glob_match(segment.text, text);
    case Kind::kDeep: return false;
  }
  return false;
}

// Only the latest "**" is ever widened, so the work is bounded by pattern times path.
bool PathPattern::matches(const NormalPath& path) const {
  const auto& texts = path.segments();
  constexpr std::size_t kNone = SIZE_MAX;
  std::size_t p = 0, t = 0, deep = kNone, mark = 0;
  while (t < texts.size()) {
    if (p < segments_.size() && segments_[p].kind == Kind::kDeep) {
      deep = p++;
      mark = t;
    } else if (p < segments_.size() && segment_matches(segments_[p], texts[t])) {
      ++p;
      ++t;
    } else if (deep != kNone) {
      p = deep + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (p < segments_.size() && segments_[p].kind == Kind::kDeep) ++p;
  return p == segments_.size();
}

bool PathPattern::matches_everything() const {
  if (segments_.empty()) return false;
  for (const Segment& segment : segments_) {
    if (segment.kind != Kind::kDeep) return false;
  }
  return true;
}

}  // namespace banyan::routing
