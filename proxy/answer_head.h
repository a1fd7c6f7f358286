// SPDX-License-Identifier: Apache-2.0
//
// Heads of answers as the client gets them, the primary's and our own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/http/message.h"

namespace banyan::proxy {

// The head of an answer, before it is framed.
struct ClientHead {
  int status = 0;
  std::string_view reason;
  const http::HeaderList* fields = nullptr;  // end-to-end ones
  bool has_body = true;                      // false: HEAD, 204, 304
  bool is_length_known = false;
  std::uint64_t content_length = 0;
  bool keeps_alive = true;  // nothing in the exchange asks for the end of the connection
};
// `head` views `answer` and `fields`.
ClientHead client_head(const http::ResponseHead& answer, const http::HeaderList& fields,
                       bool answers_head_method);
// Of `head.fields`: Content-Length passes only where a HEAD or 304 tells the length a GET would
// have had; 204 must not (RFC 9110 section 8.6).
bool passes_length_field(const ClientHead& head);
bool is_content_length(std::string_view name);

// How HTTP/1 says where the answer ends.
enum class ClientFraming {
  kNoBody,
  kContentLength,
  kChunked,
  kUntilClose,  // to HTTP/1.0 clients where the length is not known
};
struct Http1Facts {
  ClientFraming framing = ClientFraming::kNoBody;
  bool keeps_alive = true;
  bool client_is_1_0 = false;
  bool writes_via = false;
};
ClientFraming client_framing(const ClientHead& head, bool client_is_1_0);
void write_client_head(const ClientHead& head, const Http1Facts& facts, std::string& out);
// A 1xx answer with its end-to-end fields.
void write_informational(int status, std::string_view reason, const http::HeaderList& fields,
                         std::string& out);

struct ErrorAnswer {
  int status = 0;
  std::string_view code;        // stable: "connect_failed"
  std::string_view message;     // for people; never bytes of a peer, a stack or a path
  std::string_view exchange;    // "" before admission
  std::string_view request_id;  // "": none
  bool keeps_alive = false;
  bool answers_head_method = false;
};
// {"error":{"code":…,"message":…,"exchange":…}}
std::string error_body(const ErrorAnswer& answer);
void write_error_answer(const ErrorAnswer& answer, bool client_is_1_0, std::string& out);

}  // namespace banyan::proxy
