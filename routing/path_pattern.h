// SPDX-License-Identifier: Apache-2.0
//
// Paths are matched segment by segment on one normal form, so that two spellings of one path cannot
// take two routes:
//   1. the query is cut off; "*" (OPTIONS) counts as "/";
//   2. %XX of an unreserved character (letter, digit, - . _ ~) is decoded, every other escape keeps
//   its
//      meaning with upper-case digits (%2f stays one character of its segment, never a separator);
//   3. empty segments go ("//" is "/", a slash at the end does not matter);
//   4. "." and ".." are resolved; ".." never climbs above the root.
// Matching is case-sensitive. The request itself is forwarded as the client spelt it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"

namespace banyan::routing {

// A request's path as segments. Reused between requests so that it seldom allocates.
class NormalPath {
 public:
  // Views point into `target` or into this object; valid until the next assign().
  void assign(std::string_view target);
  const std::vector<std::string_view>& segments() const { return segments_; }
  std::string to_string() const;  // "/a/b"

 private:
  std::vector<std::string_view> segments_;
  std::string decoded_;
};

// A glob by segments, compiled once: "*" is one segment, "**" any number of them (also none), and a
// segment may hold "*" for a run of characters ("report-*.csv"). Immutable; any thread.
class PathPattern {
 public:
  static constexpr std::size_t kPatternBytesMax = 1024;
  static constexpr std::size_t kDeepWildcardsMax = 8;  // "**" in one pattern

  PathPattern() = default;  // matches everything
  static Result<PathPattern> compile(std::string_view pattern);
  bool matches(const NormalPath& path) const;
  // True where no path can fail: "", "/**".
  bool matches_everything() const;

 private:
  enum class Kind : std::uint8_t { kLiteral, kOne, kGlob, kDeep };
  struct Segment {
    Kind kind = Kind::kLiteral;
    std::string text;
  };
  static bool segment_matches(const Segment& segment, std::string_view text);
  std::vector<Segment> segments_{{Kind::kDeep, "**"}};
};

}  // namespace banyan::routing
