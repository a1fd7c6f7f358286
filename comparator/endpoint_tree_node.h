// SPDX-License-Identifier: Apache-2.0
//
// The inside of EndpointTree, for endpoint_tree.cc (learning) and endpoint_tree_state.cc (keeping).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "comparator/endpoint_tree.h"

namespace banyan::comparator {

struct EndpointTree::Node {
  std::map<std::string, std::unique_ptr<Node>, std::less<>> words;
  std::unique_ptr<Node> any;  // {}
  std::map<std::string, std::uint64_t, std::less<>> operations;
  std::uint64_t visits = 0;
  std::uint64_t ends = 0;         // of these, whose path ends here
  std::uint64_t word_visits = 0;  // of these, which went on by a word
  std::uint64_t spilled = 0;      // and which by a word for which there was no place
  std::uint64_t born = 0;         // of a word: the parent's word_visits before it
  bool is_collapsed = false;

  bool is_empty() const { return words.empty() && !any && operations.empty() && ends == 0; }
};

// "GET /users/{} query A", cut up.
struct EndpointTree::Parts {
  std::string_view method;
  std::string_view path;  // behind its first slash
  std::string_view operation;
  bool is_path = false;

  explicit Parts(std::string_view endpoint) {
    const std::size_t space = endpoint.find(' ');
    if (space == std::string_view::npos || endpoint.substr(space + 1, 1) != "/") return;
    is_path = true;
    method = endpoint.substr(0, space);
    path = endpoint.substr(space + 2);
    const std::size_t behind = path.find(' ');
    if (behind == std::string_view::npos) return;
    operation = path.substr(behind + 1);
    path = path.substr(0, behind);
  }
  bool is_fixed() const { return method == "gRPC"; }  // every part of the path is a name of its own
  // Takes the next segment off `path`.
  bool next(std::string_view& segment) {
    if (is_done_) return false;
    const std::size_t slash = path.find('/');
    segment = path.substr(0, slash);
    is_done_ = slash == std::string_view::npos;
    if (!is_done_) path.remove_prefix(slash + 1);
    return true;
  }

 private:
  bool is_done_ = false;
};

}  // namespace banyan::comparator
