// SPDX-License-Identifier: Apache-2.0
//
// Reads the tables of HTTP messages in tests/cases/.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/source_dir.h"

namespace banyan::http {

inline std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 >= text.size()) {
      out.push_back(text[i]);
      continue;
    }
    switch (text[++i]) {
      case 'r': out.push_back('\r'); break;
      case 'n': out.push_back('\n'); break;
      case 't': out.push_back('\t'); break;
      case 'x':
        out.push_back(static_cast<char>(
            std::strtol(std::string(text.substr(i + 1, 2)).c_str(), nullptr, 16)));
        i += 2;
        break;
      default: out.push_back(text[i]); break;
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
  std::ifstream in(source_dir() + "/tests/cases/" + file);
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
