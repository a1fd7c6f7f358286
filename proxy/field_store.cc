// SPDX-License-Identifier: Apache-2.0
#include "proxy/field_store.h"

#include <utility>

#include "core/base/text.h"
#include "core/base/vector16.h"
#include "proxy/forward_head.h"

namespace banyan::proxy {

template <typename Keep>
void FieldStore::assign(const http::HeaderList& fields, const Keep& keep) {
  clear();
  std::size_t size = 0;
  for (const http::Header& field : fields) size += field.name.size() + field.value.size();
  bytes_.resize(size);  // The views below need memory that stays where it is.
  char* to = bytes_.data();
  const auto copied = [&to](std::string_view text) {
    copy_short(to, text.data(), text.size());
    return std::string_view(std::exchange(to, to + text.size()), text.size());
  };
  for (const http::Header& field : fields) {
    if (!keep(field.name)) continue;
    const std::string_view name = copied(field.name);
    fields_.push_back({name, copied(field.value)});
  }
}

void FieldStore::assign_end_to_end(const http::HeaderList& fields) {
  const http::ConnectionFields connection(fields);
  assign(fields, [&connection](std::string_view name) { return !connection.contains(name); });
}

void FieldStore::assign_trailers(const http::HeaderList& trailers) {
  assign(trailers, [](std::string_view name) { return !is_forbidden_in_trailers(name); });
}

void FieldStore::clear() {
  fields_.clear();
  bytes_.clear();
}

}  // namespace banyan::proxy
