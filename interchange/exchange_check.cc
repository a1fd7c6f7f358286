// SPDX-License-Identifier: Apache-2.0
#include "interchange/exchange_check.h"

#include <algorithm>
#include <string>

#include "core/http/char_classes.h"

namespace banyan::interchange {
namespace {

Status check_fields(const Fields& fields, const std::string& of) {
  if (fields.size() > ExchangeLimits::kFieldsMax) {
    return malformed(of + " has more than " + std::to_string(ExchangeLimits::kFieldsMax) +
                     " fields");
  }
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const Field& field = fields[i];
    const std::string place = "field " + std::to_string(i + 1) + " of " + of;
    if (!http::is_token(field.name)) return malformed(place + " has a name that is no token");
    if (!http::is_field_value(field.value)) {
      return malformed(place + " has a control character in its value");
    }
    bytes += field.name.size() + field.value.size();
  }
  if (bytes > ExchangeLimits::kHeadBytesMax) {
    return malformed("the fields of " + of + " have more than " +
                     std::to_string(ExchangeLimits::kHeadBytesMax) + " bytes");
  }
  return {};
}

Status check_body(const StoredBody& body, const std::string& of) {
  if (body.bytes.size() <= ExchangeLimits::kBodyBytesMax) return {};
  return malformed("the body of " + of + " has more than " +
                   std::to_string(ExchangeLimits::kBodyBytesMax) + " bytes");
}

Status check_answer(const StoredAnswer& answer, const std::string& of) {
  if (answer.status < 100 || answer.status > 999) {
    return malformed(of + " has a status that is none: " + std::to_string(answer.status));
  }
  BANYAN_RETURN_IF_ERROR(check_fields(answer.fields, of));
  BANYAN_RETURN_IF_ERROR(check_fields(answer.trailers, of + "'s trailers"));
  return check_body(answer.body, of);
}

// Bytes over 0x7e are taken: some clients send them, and a route may excuse them.
bool is_sendable_target(std::string_view target) {
  return !target.empty() && std::all_of(target.begin(), target.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte > 0x20 && byte != 0x7f && c != '#';
  });
}

}  // namespace

Error malformed(std::string message) {
  return make_error(ErrorCode::kDamaged, ErrorOrigin::kClient, std::move(message));
}

Status check_exchange(const Exchange& exchange) {
  if (exchange.method.size() > ExchangeLimits::kMethodBytesMax ||
      !http::is_token(exchange.method)) {
    return malformed("the method is no token");
  }
  if (exchange.target.size() > ExchangeLimits::kTargetBytesMax ||
      !is_sendable_target(exchange.target)) {
    return malformed(
        "the request target is empty, too long, or holds a space, '#' or a control "
        "character");
  }
  for (const std::string* const text : {&exchange.route, &exchange.session}) {
    if (text->size() > ExchangeLimits::kTextBytesMax) {
      return malformed("the route or the session has more than " +
                       std::to_string(ExchangeLimits::kTextBytesMax) + " bytes");
    }
  }
  BANYAN_RETURN_IF_ERROR(check_fields(exchange.fields, "the request"));
  BANYAN_RETURN_IF_ERROR(check_fields(exchange.trailers, "the request's trailers"));
  BANYAN_RETURN_IF_ERROR(check_body(exchange.body, "the request"));
  return exchange.answer ? check_answer(*exchange.answer, "the answer") : Status();
}

}  // namespace banyan::interchange
