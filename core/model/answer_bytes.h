// SPDX-License-Identifier: Apache-2.0
//
// Comparing two answers as they stand in the log, without decoding them: most copies are answered
// to the byte as the primary answered.
#pragma once

#include <string_view>

#include "core/base/error.h"
#include "core/model/record.h"

namespace banyan::model {

// decode_head(), which also gives the undecoded bytes behind the head: of the answer its fields,
// trailers and body.
Status decode_head(std::string_view bytes, ResponseRecord& record, std::string_view& rest);
Status decode_head(std::string_view bytes, ShadowRecord& record, std::string_view& rest);

// The body at the end of such bytes of a RESPONSE. kDamaged where they are malformed.
Result<Body> body_of_answer(std::string_view response_rest);

// The two were equal to the byte before anything was redacted: whole, of one length and digest.
bool is_same_original(const Body& a, const Body& b);

// Puts the body that stands in the RESPONSE alone (kAsPrimary) in its place; for who has both
// records of the exchange and shows or exports the answer. Views what `response` views.
void take_body_of(const ResponseRecord& response, ShadowRecord& shadow);

// True if both rests are well-formed and hold the same fields, trailers and body, and that body is
// whole and stands in them, or in the RESPONSE for both (or there is none). False says nothing:
// decode them and look.
bool hold_same_answer(std::string_view response_rest, std::string_view shadow_rest);

}  // namespace banyan::model
