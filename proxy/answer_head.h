// SPDX-License-Identifier: Apache-2.0
//
// Heads of answers as the client gets them, the primary's and our own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/http/message.h"

namespace banyan::proxy {

enum class ClientFraming {
  kNoBody,  // HEAD, 204, 304
  kContentLength,
  kChunked,
  kUntilClose,  // to HTTP/1.0 clients where the length is not known
};

struct ClientHead {
  int status = 0;
  std::string_view reason;
  const http::HeaderList* fields = nullptr;  // end-to-end ones
  ClientFraming framing = ClientFraming::kNoBody;
  std::uint64_t content_length = 0;
  bool keeps_alive = true;
  bool client_is_1_0 = false;
  bool writes_via = false;
};

ClientFraming client_framing(const http::ResponseHead& head, bool answers_head_method,
                             bool client_is_1_0);
void write_client_head(const ClientHead& head, std::string& out);
// A 1xx answer but 100, with its end-to-end fields.
void write_informational(int status, std::string_view reason, const http::HeaderList& fields,
                         std::string& out);

struct ErrorAnswer {
  int status = 0;
  std::string_view code;        // stable: "connect_failed"
  std::string_view message;     // for people; never bytes of a peer, a stack or a path
  std::string_view exchange;    // "" before admission
  std::string_view request_id;  // "": none
  bool keeps_alive = false;
  bool client_is_1_0 = false;
  bool answers_head_method = false;
};
// {"error":{"code":…,"message":…,"exchange":…}}
void write_error_answer(const ErrorAnswer& answer, std::string& out);

}  // namespace banyan::proxy
