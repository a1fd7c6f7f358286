// SPDX-License-Identifier: Apache-2.0
//
// One whole exchange that owns its bytes: what stands between the records of the log and a file of
// another format. The joiner makes it from records, readers make it from files, writers and the
// appender take it apart again. Plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.h"
#include "core/base/ids.h"
#include "core/http/message.h"
#include "core/model/types.h"

namespace banyan::interchange {

struct Field {
  std::string name;
  std::string value;
  bool operator==(const Field&) const = default;
};
using Fields = std::vector<Field>;

http::HeaderList views_of(const Fields& fields);  // valid as long as `fields`
Fields owned(const http::HeaderList& fields);
// First value of the field, "" where absent.
std::string_view value_of(const Fields& fields, std::string_view name);
bool has_field(const Fields& fields, std::string_view name);

// How much of a body `bytes` holds.
enum class Held : std::uint8_t {
  kAll = 0,   // all of it; also where there is none
  kPart = 1,  // its beginning: it was cut, or the rest is not there
  kNone = 2,  // there was one, and nothing of it is there
};

struct StoredBody {
  Held held = Held::kAll;
  std::string bytes;
  std::uint64_t length = 0;  // of the original, as far as it was seen
  bool is_redacted = false;  // tokens stand in it; `length` is that of the original
};

// Of a body that is there as it was.
StoredBody whole_body(std::string bytes);

struct StoredAnswer {
  System system = System::kLegacy;
  std::uint16_t status = 0;
  std::uint8_t http_version = 1;  // see model::http_version_number()
  Fields fields;
  Fields trailers;
  StoredBody body;
  Instant first_byte;
  Instant ended;
};

// How an exchange ended that no system answered.
struct StoredOutcome {
  OutcomeKind kind = OutcomeKind::kUnknown;
  std::uint16_t status = 0;
  Forwarded forwarded = Forwarded::kWhole;
  std::string cause;
  Instant ended;
};

struct Exchange {
  ExchangeId id;          // of the log it comes from; null where it comes from a foreign file
  std::string source_id;  // how the file it comes from calls it, for people; "" where it comes from
                          // the log
  Instant started;
  std::string route;
  std::string decision;
  std::string session;     // keyed token
  std::string connection;  // of a captured one: which connection it came on
  System primary = System::kLegacy;
  MirrorDecision mirror = MirrorDecision::kOff;
  SkipReason skip = SkipReason::kNone;
  bool is_write = false;
  bool is_ours = false;  // the file was written by Banyan: route, session and is_write are known

  std::string method;
  std::string target;
  std::uint8_t http_version = 1;
  Fields fields;
  Fields trailers;
  StoredBody body;

  // At most one of the two. Neither: the end of the exchange is not known.
  std::optional<StoredAnswer> answer;
  std::optional<StoredOutcome> outcome;
  Delivery delivery = Delivery::kWhole;

  std::optional<StoredAnswer> shadow;  // status 0: no answer
  std::optional<Verdict> verdict;
};

}  // namespace banyan::interchange
