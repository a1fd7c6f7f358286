// SPDX-License-Identifier: Apache-2.0
//
// The elements of one array inside a JSON document of any size, one at a time: HAR is a single
// document and may be larger than memory. What stands around the array is skipped; whether an
// element is valid JSON is for its reader. One thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "interchange/byte_input.h"

namespace banyan::interchange {

class JsonItems {
 public:
  // The array under these names, from the outermost object: {"log", "entries"}.
  JsonItems(BufferedInput& input, std::vector<std::string> path, std::size_t item_bytes_max)
      : input_(input), path_(std::move(path)), item_bytes_max_(item_bytes_max) {}

  enum class Step {
    kItem,
    kTooLong,  // one over item_bytes_max was skipped
    kEnd,      // of the document
    kBroken,   // the document does not go on as JSON does: error()
  };
  Step next(std::string& item);
  const Error& error() const { return error_; }

 private:
  enum class Where { kBefore, kInside, kBehind };
  static constexpr std::size_t kNameBytesMax = 4096;

  Result<char> peek();  // the next byte that is no white space; 0 at the end
  Status expect(char c);
  Status find_array();
  Status descend(const std::string& name);
  Status skip_rest();
  Status skip_member();
  // Appends the raw bytes to `out` where it is not null, at most `bytes_max` and one more.
  Status take_value(std::string* out, std::size_t bytes_max);
  Status take_string(std::string* out, std::size_t bytes_max);
  Status take_nested(std::string* out, std::size_t bytes_max);
  Status take_scalar(std::string* out, std::size_t bytes_max);
  Error broken(std::string_view what) const;
  Step fail(const Error& error);

  BufferedInput& input_;
  const std::vector<std::string> path_;
  const std::size_t item_bytes_max_;
  Where where_ = Where::kBefore;
  bool is_first_ = true;
  Error error_;
};

}  // namespace banyan::interchange
