// SPDX-License-Identifier: Apache-2.0
#include "proxy/field_store.h"

#include "core/base/text.h"
#include "proxy/forward_head.h"

namespace banyan::proxy {

template <typename Keep>
void FieldStore::assign(const http::HeaderList& fields, const Keep& keep) {
  clear();
  std::size_t size = 0;
  for (const http::Header& field : fields) size += field.name.size() + field.value.size();
  bytes_.reserve(size);  // The views below need memory that stays where it is.
  const auto copied = [this](std::string_view text) {
    const std::size_t at = bytes_.size();
    bytes_.append(text);
    return std::string_view(bytes_.data() + at, text.size());
  };
  for (const http::Header& field : fields) {
    if (!keep(field.name)) continue;
    const std::string_view name = copied(field.name);
    fields_.push_back({name, copied(field.value)});
  }
}

void FieldStore::assign_end_to_end(const http::HeaderList& fields) {
  // Scanning Connection per field is only needed where there is one.
  const bool has_connection = http::find_header(fields, "connection").has_value();
  assign(fields, [&fields, has_connection](std::string_view name) {
    return has_connection ? !http::is_connection_specific(fields, name)
                          : !http::is_hop_by_hop(name);
  });
}

void FieldStore::assign_trailers(const http::HeaderList& trailers) {
  assign(trailers, [](std::string_view name) { return !is_forbidden_in_trailers(name); });
}

void FieldStore::clear() {
  fields_.clear();
  bytes_.clear();
}

}  // namespace banyan::proxy
