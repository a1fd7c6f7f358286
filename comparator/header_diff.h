// SPDX-License-Identifier: Apache-2.0
//
// The differences between the fields of two answers. For the comparator's own sources.
#pragma once

#include <string>
#include <string_view>

#include "comparator/difference_sink.h"
#include "comparator/rules.h"
#include "core/http/message.h"

namespace banyan::comparator {

class FieldCoverage;

// True where nothing can differ: the same fields in the same order, but for values that are
// expected to change (Date …) and fields that are never compared. Allocates nothing in the usual
// case.
bool have_same_fields(const http::HeaderList& legacy, const http::HeaderList& candidate);

void compare_fields(FieldPlace place, const http::HeaderList& legacy,
                    const http::HeaderList& candidate, const RuleSet& rules, DifferenceSink& sink);

// Notes the fields that the rules cover.
void cover_fields(FieldPlace place, const http::HeaderList& fields, const RuleSet& rules,
                  FieldCoverage& coverage);

// The coding names in order, lower case, without identity: "" or "gzip" or "deflate, gzip".
std::string content_coding(const http::HeaderList& fields);
std::string media_type(const http::HeaderList& fields);  // "application/json", "" where absent
std::string charset(const http::HeaderList& fields);     // lower case, "" where absent

}  // namespace banyan::comparator
