// SPDX-License-Identifier: Apache-2.0
#include "proxy/subject.h"

#include "core/base/text.h"
#include "routing/matcher.h"
#include "routing/session.h"

namespace banyan::proxy {

std::string subject_of(const SubjectOptions& options, const http::RequestHead& head,
                       std::string_view session) {
  switch (options.kind) {
    case SubjectOptions::Kind::kNone: return {};
    case SubjectOptions::Kind::kHeader:
      return std::string(trim(http::find_header(head.fields, options.name).value_or("")));
    case SubjectOptions::Kind::kCookie:
      return std::string(routing::find_cookie(head.fields, options.name));
    case SubjectOptions::Kind::kQuery: {
      const std::size_t mark = head.target.find('?');
      if (mark == std::string_view::npos) return {};
      return routing::query_parameter(head.target.substr(mark + 1), options.name).value_or("");
    }
    case SubjectOptions::Kind::kSession: return std::string(session);
  }
  return {};
}

}  // namespace banyan::proxy
