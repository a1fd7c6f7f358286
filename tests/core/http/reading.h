// SPDX-License-Identifier: Apache-2.0
//
// Reads whole messages in pieces of a given size.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/http/message_reader.h"

namespace banyan::http {

// What came of one message.
struct Reading {
  ReadEvent last = ReadEvent::kNeedMore;  // kComplete, kError or kNeedMore
  bool has_head = false;
  int status = 0;    // of the error
  std::string code;  // of the error
  std::string line;  // method, target and authority, or status and reason
  std::vector<std::pair<std::string, std::string>> fields, trailers;
  std::string body;
  std::size_t consumed = 0;
  bool operator==(const Reading&) const = default;
};

inline std::string line_of(const RequestHead& head) {
  return std::string(head.method) + " " + std::string(head.target) + " " +
         std::string(head.authority) + " 1." + std::to_string(head.version_minor);
}
inline std::string line_of(const ResponseHead& head) {
  return std::to_string(head.status) + " " + std::string(head.reason);
}

// `pieces`: sizes of the pieces, the last one again and again.
template <typename Reader>
Reading read_message(Reader& reader, std::string_view message, std::size_t first_piece,
                     std::size_t further_pieces) {
  Reading result;
  std::size_t piece_max = first_piece;
  std::size_t at = 0;
  for (;;) {
    // An own copy of each piece, so that a view kept too long is seen by the sanitizer.
    const std::string piece(message.substr(at, piece_max));
    std::string_view input = piece;
    piece_max = further_pieces;
    for (;;) {
      const ReadEvent event = reader.next(input);
      if (event == ReadEvent::kNeedMore) break;
      if (event == ReadEvent::kHead) {
        result.has_head = true;
        continue;
      }
      if (event == ReadEvent::kBody) {
        result.body.append(reader.body());
        continue;
      }
      result.last = event;
      result.consumed = at + piece.size() - input.size();
      break;
    }
    at += piece.size();
    if (result.last != ReadEvent::kNeedMore || at >= message.size()) break;
  }
  if (result.last == ReadEvent::kError) {
    result.status = reader.error().status;
    result.code = reader.error().code;
    result.consumed = 0;  // how much was read before a refusal depends on the pieces
    result.body.clear();
    result.has_head = false;
    return result;
  }
  if (!result.has_head) return result;
  result.line = line_of(reader.head());
  for (const auto& field : reader.head().fields)
    result.fields.emplace_back(field.name, field.value);
  for (const auto& field : reader.trailers()) result.trailers.emplace_back(field.name, field.value);
  return result;
}

}  // namespace banyan::http
