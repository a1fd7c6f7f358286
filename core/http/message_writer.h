// SPDX-License-Identifier: Apache-2.0
//
// Serialises messages from parsed fields; what goes out never copies raw bytes of a peer. Each
// function appends to `out`. What is written is checked once more: no CR, LF or NUL of a name or
// value ever is (the field is left out and the function answers false; the second lock behind the
// reader).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/http/message.h"

namespace banyan::http {

bool write_request_line(std::string& out, std::string_view method, std::string_view target);
bool write_status_line(std::string& out, int status, std::string_view reason);  // HTTP/1.1
bool write_field(std::string& out, std::string_view name, std::string_view value);
// All of them in one go, but those named `left_out`; false where one could not be written.
bool write_fields(std::string& out, const HeaderList& fields, std::string_view left_out = {});
// The same for fields that a reader has checked, or that we made: looked at again is that they make
// as many lines as they are fields, and nothing that no field may hold. Else each is checked.
bool write_parsed_fields(std::string& out, const HeaderList& fields,
                         std::string_view left_out = {});
void write_content_length(std::string& out, std::uint64_t length);
void write_end_of_head(std::string& out);

// "1a3\r\n", the caller sends the bytes, then kChunkEnd.
void write_chunk_head(std::string& out, std::uint64_t size);
inline constexpr std::string_view kChunkEnd = "\r\n";
// "0\r\n", trailers, "\r\n".
void write_last_chunk(std::string& out, const HeaderList& trailers);

}  // namespace banyan::http
