// SPDX-License-Identifier: Apache-2.0
//
// Reads whole messages in pieces of a given size, and the files of tests/cases/.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <fstream>
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
  for (const auto& field : reader.head().fields) result.fields.emplace_back(field.name, field.value);
  for (const auto& field : reader.trailers()) result.trailers.emplace_back(field.name, field.value);
  return result;
}

inline std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 >= text.size()) {
      out.push_back(text[i]);
      continue;
    }
    switch (text[++i]) {
      case 'r':
        out.push_back('\r');
        break;
      case 'n':
        out.push_back('\n');
        break;
      case 't':
        out.push_back('\t');
        break;
      case 'x':
        out.push_back(
            static_cast<char>(std::strtol(std::string(text.substr(i + 1, 2)).c_str(), nullptr, 16)));
        i += 2;
        break;
      default:
        out.push_back(text[i]);
        break;
    }
  }
  return out;
}

struct Case {
  bool is_accepted = false;
  int status = 0;
  std::string code, name, message;
};

inline std::vector<Case> load_cases(const std::string& file) {
  std::ifstream in(std::string(BANYAN_SOURCE_DIR) + "/tests/cases/" + file);
  std::vector<Case> cases;
  std::string line;
  while (std::getline(in, line)) {
    if (line.empty() || line.front() == '#') continue;
    Case made;
    std::vector<std::string> words;
    std::size_t at = 0;
    while (at < line.size()) {
      const auto end = std::min(line.find(' ', at), line.size());
      words.push_back(line.substr(at, end - at));
      at = end + 1;
    }
    made.is_accepted = words[0] == "accept";
    made.name = words.back();
    if (!made.is_accepted) {
      made.status = std::atoi(words.at(1).c_str());
      made.code = words.at(2);
    }
    std::getline(in, line);
    made.message = unescape(line);
    cases.push_back(std::move(made));
  }
  return cases;
}

}  // namespace banyan::http
