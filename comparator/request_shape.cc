// SPDX-License-Identifier: Apache-2.0
#include "comparator/request_shape.h"

#include <algorithm>
#include <array>

#include "comparator/chars.h"
#include "core/base/hash.h"

namespace banyan::comparator {
namespace {

constexpr std::string_view kOddName = "?";

// The name without index and value: "ids[0]=7" and "ids%5B%5D" are both "ids".
std::string_view parameter_name(std::string_view parameter) {
  std::string_view name = parameter.substr(0, parameter.find('='));
  name = name.substr(0, name.find('['));
  for (const std::string_view bracket : {"%5B", "%5b"}) name = name.substr(0, name.find(bracket));
  const bool is_told =
      parameter.find('=') != std::string_view::npos && is_plain(name, kPlainNameBytesMax);
  return is_told || name.empty() ? name : kOddName;
}

}  // namespace

std::uint32_t request_shape(std::string_view target) {
  const std::size_t mark = target.find('?');
  if (mark == std::string_view::npos) return 0;
  std::string_view query = target.substr(mark + 1);
  query = query.substr(0, query.find('#'));
  std::array<std::uint64_t, kShapeNamesMax> names;
  std::size_t count = 0;
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view name = parameter_name(query.substr(0, end));
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    if (name.empty()) continue;
    const std::uint64_t hash = xxh3_64(name);
    const auto known = names.begin() + static_cast<std::ptrdiff_t>(count);
    if (std::find(names.begin(), known, hash) != known) continue;
    if (count == kShapeNamesMax) return kManyNamesShape;
    names[count++] = hash;
  }
  if (count == 0) return 0;
  std::sort(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(count));
  const auto shape = static_cast<std::uint32_t>(xxh3_64(
      std::string_view(reinterpret_cast<const char*>(names.data()), count * sizeof(names[0]))));
  return shape > kManyNamesShape ? shape : shape + 2;
}

}  // namespace banyan::comparator
