// SPDX-License-Identifier: Apache-2.0
#include "replay/copy_request.h"

#include <utility>

#include "core/base/bytes.h"
#include "core/base/hash.h"
#include "core/base/text.h"
#include "core/http/message_writer.h"

namespace banyan::replay {
namespace {

// Framing is ours; Expect would make us wait; a Banyan-* field is ours alone.
bool is_left_out(std::string_view name) {
  switch (name.size()) {  // By length first: this runs for every field of every copy.
    case 4: return equal_ignoring_case(name, "host");
    case 6: return equal_ignoring_case(name, "expect");
    case 14: return equal_ignoring_case(name, "content-length");
    default: return false;
  }
}

bool is_ours(std::string_view name) {
  return !name.empty() && (name[0] | 0x20) == 'b' && starts_with_ignoring_case(name, "banyan-");
}

// The recorded Host is the one that the primary got. Where that was a configured name, the client's
// is in X-Forwarded-Host.
std::string_view client_host(const http::HeaderList& fields) {
  if (const auto forwarded = http::find_header(fields, "x-forwarded-host");
      forwarded.has_value() && !forwarded->empty() &&
      forwarded->find(',') == std::string_view::npos) {
    return *forwarded;
  }
  return http::find_header(fields, "host").value_or("");
}

bool method_implies_body(std::string_view method) {
  return method == "POST" || method == "PUT" || method == "PATCH";
}

struct Parts {
  std::string_view target;
  const http::HeaderList* fields = nullptr;
  std::string_view body;
};

Status write_copy(const model::RequestRecord& request, const Parts& parts, std::string_view host,
                  const StreamedBody& streamed, CopyMessage& copy) {
  std::string& head = copy.head;
  head.reserve(512);
  http::HeaderList& fields = copy.fields;
  fields.clear();
  fields.push_back({"Host", host.empty() ? client_host(*parts.fields) : host});
  const http::ConnectionFields connection(*parts.fields);
  for (const http::Header& field : *parts.fields) {
    if (is_left_out(field.name) || is_ours(field.name) || connection.contains(field.name)) continue;
    if (request.is_write && equal_ignoring_case(field.name, "idempotency-key")) {
      copy.idempotency_key = field.value;
    }
    fields.push_back(field);
  }
  fields.push_back({"Banyan-Shadow", "1"});
  if (request.is_write && copy.idempotency_key.empty()) {
    copy.idempotency_key = idempotency_key_of(request.exchange);
    fields.push_back({"Idempotency-Key", copy.idempotency_key});
  }
  bool is_clean = http::write_request_line(head, request.method, parts.target);
  is_clean &= http::write_fields(head, fields);
  if (!is_clean) {
    return make_error(ErrorCode::kDamaged, ErrorOrigin::kInternal,
                      "the recorded request of " + request.exchange.to_string() +
                          " holds bytes that a message may not carry");
  }
  if (streamed.is_streamed && streamed.has_trailers) {
    (void)http::write_field(head, "Transfer-Encoding", "chunked");
  } else if (streamed.is_streamed) {
    http::write_content_length(head, streamed.length);
  } else if (!parts.body.empty() || method_implies_body(request.method)) {
    http::write_content_length(head, parts.body.size());
    copy.body = parts.body;
  }
  http::write_end_of_head(head);
  return {};
}

}  // namespace

std::string idempotency_key_of(ExchangeId exchange) {
  std::string bytes = "banyan idempotency key ";
  ByteWriter writer(bytes);
  writer.u64(exchange.high);
  writer.u64(exchange.low);
  const Digest128 digest = xxh3_128(bytes);
  // RFC 9562, version 8 (custom): the bits of version and variant are fixed.
  const std::uint64_t high = (digest.high & ~0xf000ULL) | 0x8000ULL;
  const std::uint64_t low = (digest.low & ~(3ULL << 62)) | (2ULL << 62);
  const std::string hex = hex_of_u64(high) + hex_of_u64(low);
  return hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" +
         hex.substr(16, 4) + "-" + hex.substr(20);
}

Status build_copy(const model::RequestRecord& request, const model::Redactor& redactor,
                  std::string_view host, const StreamedBody& streamed, CopyMessage& copy) {
  copy.head.clear();
  copy.body.clear();
  copy.idempotency_key.clear();
  copy.dropped_fields = 0;
  // Most requests hold no secret and go out as they are.
  if (request.sealed.empty()) {
    return write_copy(request, {request.target, &request.fields, request.body.bytes}, host,
                      streamed, copy);
  }
  auto restored = redactor.restore(request.exchange, request.target, request.fields,
                                   request.body.bytes, request.sealed);
  if (!restored.ok()) return restored.error();
  copy.dropped_fields = restored->dropped_fields;
  http::HeaderList fields;
  fields.reserve(restored->fields.size());
  for (const auto& [name, value] : restored->fields) fields.push_back({name, value});
  return write_copy(request, {restored->target, &fields, restored->body}, host, streamed, copy);
}

}  // namespace banyan::replay
