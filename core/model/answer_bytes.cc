// SPDX-License-Identifier: Apache-2.0
#include "core/model/answer_bytes.h"

namespace banyan::model {

bool is_same_original(const Body& a, const Body& b) {
  return a.is_complete && b.is_complete && a.length == b.length && a.digest == b.digest;
}

void take_body_of(const ResponseRecord& response, ShadowRecord& shadow) {
  Body& body = shadow.answer.body;
  if (body.kind == Body::Kind::kAsPrimary && is_same_original(response.answer.body, body)) {
    body = response.answer.body;
  }
}

}  // namespace banyan::model
