// SPDX-License-Identifier: Apache-2.0
#include "interchange/http_payload.h"

#include <string>
#include <utility>

#include "core/base/text.h"
#include "core/model/record.h"
#include "interchange/exchange_check.h"

namespace banyan::interchange {
namespace {

using http::ReadEvent;

Error cut_head() {
  return make_error(ErrorCode::kDamaged, ErrorOrigin::kClient, "its head is cut");
}

// The body behind a head that `reader` has just read.
template <typename Reader>
Status take_body(Reader& reader, std::string_view rest, http::BodyFraming framing,
                 std::uint64_t content_length, StoredBody& body, Fields& trailers) {
  if (framing != http::BodyFraming::kChunked) {
    body = whole_body(std::string(rest));
    if (framing == http::BodyFraming::kContentLength && rest.size() < content_length) {
      body.held = Held::kPart;
      body.length = content_length;
    }
    return {};
  }
  for (;;) {
    switch (reader.next(rest)) {
      case ReadEvent::kBody: body.bytes.append(reader.body()); break;
      case ReadEvent::kComplete:
        body.length = body.bytes.size();
        trailers = owned(reader.trailers());
        return {};
      case ReadEvent::kNeedMore:
        body.length = body.bytes.size();
        body.held = Held::kPart;
        return {};
      case ReadEvent::kHead: break;
      case ReadEvent::kError: return refused_message(reader.error());
    }
  }
}

}  // namespace

Error refused_message(const http::ReadError& error) {
  return make_error(ErrorCode::kDamaged, ErrorOrigin::kClient,
                    "not HTTP/1 (" + std::string(error.code) + "): " + error.message);
}

http::ReadLimits recorded_limits() {
  http::ReadLimits limits;
  limits.head_bytes_max = ExchangeLimits::kHeadBytesMax;
  limits.line_bytes_max = ExchangeLimits::kHeadBytesMax;
  limits.target_bytes_max = ExchangeLimits::kTargetBytesMax;
  limits.fields_max = ExchangeLimits::kFieldsMax;
  limits.trailer_bytes_max = 64 * 1024;
  for (std::size_t i = 0; i < http::kLeniencyCount; ++i) {
    limits.lenient.add(static_cast<http::Leniency>(i));
  }
  return limits;
}

Fields end_to_end(const http::HeaderList& fields) {
  const http::ConnectionFields connection(fields);
  Fields out;
  out.reserve(fields.size());
  for (const http::Header& field : fields) {
    if (connection.contains(field.name)) continue;
    out.push_back({std::string(field.name), std::string(field.value)});
  }
  return out;
}

void take_head(const http::RequestHead& head, Exchange& out) {
  out.method = head.method;
  out.target = head.target;
  out.http_version = model::http_version_number(head.version_major, head.version_minor);
  out.fields = end_to_end(head.fields);
}

void take_head(const http::ResponseHead& head, StoredAnswer& out) {
  out.status = static_cast<std::uint16_t>(head.status);
  out.http_version = model::http_version_number(head.version_major, head.version_minor);
  out.fields = end_to_end(head.fields);
}

Status parse_request(std::string_view payload, Exchange& out) {
  http::RequestReader reader(recorded_limits());
  const ReadEvent event = reader.next(payload);
  if (event == ReadEvent::kError) return refused_message(reader.error());
  if (event != ReadEvent::kHead) return cut_head();
  const http::RequestHead& head = reader.head();
  take_head(head, out);
  return take_body(reader, payload, head.framing, head.content_length, out.body, out.trailers);
}

Status parse_answer(std::string_view payload, std::string_view method, StoredAnswer& out) {
  http::ResponseReader reader(recorded_limits());
  reader.expect_answer_to(method, true);
  for (;;) {
    const ReadEvent event = reader.next(payload);
    if (event == ReadEvent::kError) return refused_message(reader.error());
    if (event != ReadEvent::kHead) return cut_head();
    if (reader.head().status >= 200 || reader.head().status == 101) break;
    if (reader.next(payload) != ReadEvent::kComplete) return cut_head();
    reader.reset();
  }
  const http::ResponseHead& head = reader.head();
  take_head(head, out);
  if (head.framing == http::BodyFraming::kNone) payload = {};
  return take_body(reader, payload, head.framing, head.content_length, out.body, out.trailers);
}

}  // namespace banyan::interchange
