// SPDX-License-Identifier: Apache-2.0
//
// The two forms of a subject's record: open in memory, sealed in the log, where its personal part
// is encrypted under the subject's key and the rest stays readable (docs/formats/log.md,
// "Subjects"). Pure functions; docs/decisions/0025-erasure.md says why.
#pragma once

#include <string>
#include <string_view>

#include "core/base/error.h"

namespace banyan::model {

// Key id of a sealed record; "" of any other bytes.
std::string_view subject_of_sealed(std::string_view encoded);
// Key id of a record of kOpenVersion; "" of any other bytes.
std::string_view subject_of_open(std::string_view encoded);

// `open` is a record of kOpenVersion; `out` becomes the sealed one. Without a key ("") its personal
// part is left out for good. kDamaged for anything else.
Status seal_record(std::string_view open, std::string_view key, std::string& out);

// The other way. kDamaged where this is not what was sealed under that key, to the byte, for this
// record.
Status open_record(std::string_view sealed, std::string_view key, std::string& out);

}  // namespace banyan::model
