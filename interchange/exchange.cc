// SPDX-License-Identifier: Apache-2.0
#include "interchange/exchange.h"

#include <algorithm>
#include <utility>

#include "core/base/text.h"

namespace banyan::interchange {

http::HeaderList views_of(const Fields& fields) {
  http::HeaderList views;
  views.reserve(fields.size());
  for (const Field& field : fields) views.push_back({field.name, field.value});
  return views;
}

Fields owned(const http::HeaderList& fields) {
  Fields out;
  out.reserve(fields.size());
  for (const http::Header& field : fields) {
    out.push_back({std::string(field.name), std::string(field.value)});
  }
  return out;
}

std::string_view value_of(const Fields& fields, std::string_view name) {
  for (const Field& field : fields) {
    if (equal_ignoring_case(field.name, name)) return field.value;
  }
  return {};
}

bool has_field(const Fields& fields, std::string_view name) {
  return std::any_of(fields.begin(), fields.end(),
                     [&](const Field& field) { return equal_ignoring_case(field.name, name); });
}

StoredBody whole_body(std::string bytes) {
  StoredBody body;
  body.length = bytes.size();
  body.bytes = std::move(bytes);
  return body;
}

}  // namespace banyan::interchange
