// SPDX-License-Identifier: Apache-2.0
//
// Entries of a HAR that a browser or another tool wrote. Such a file does not hold what went over
// the wire: bodies are decoded, HTTP/2 has pseudo fields, and equal fields are joined. Any thread.
#pragma once

#include <string>

#include "core/base/error.h"
#include "core/json/value.h"
#include "interchange/exchange.h"
#include "interchange/tally.h"

namespace banyan::interchange {

// "text", and its encoding base64, of a postData or content; null and absent give "".
Status read_har_text(const json::Value* object, const std::string& where, std::string& out);
Status read_har_status(const json::Value& response, StoredAnswer& out);
Status read_foreign_entry(const json::Value& entry, Exchange& out, Tally& losses);

}  // namespace banyan::interchange
