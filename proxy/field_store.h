// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/http/message.h"

namespace banyan::proxy {

// Owns a copy of some fields, for as long as an exchange needs them after their message is gone. It
// keeps its memory from one assignment to the next; views are valid until then.
class FieldStore {
 public:
  // Without hop-by-hop fields and those that Connection names.
  void assign_end_to_end(const http::HeaderList& fields);
  // Without what must not stand in trailers.
  void assign_trailers(const http::HeaderList& trailers);
  void clear();
  const http::HeaderList& fields() const { return fields_; }

 private:
  template <typename Keep>
  void assign(const http::HeaderList& fields, const Keep& keep);

  std::string bytes_;
  http::HeaderList fields_;
};

}  // namespace banyan::proxy
