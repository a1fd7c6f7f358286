// SPDX-License-Identifier: Apache-2.0
//
// Paths that a specification names, "/users/{id}/orders": what fits one goes by it, and nothing is
// learned of it. A word goes before a parameter, from the left. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace banyan::comparator {

class PathTemplates {
 public:
  static constexpr std::size_t kSegmentsMax = 32;
  static constexpr std::size_t kTemplatesMax = 5'000;

  // Any of more than kSegmentsMax segments, and those past kTemplatesMax, are left out: who reads
  // them says so.
  explicit PathTemplates(const std::vector<std::string>& paths = {});
  ~PathTemplates();
  PathTemplates(PathTemplates&&) noexcept;
  PathTemplates& operator=(PathTemplates&&) noexcept;

  bool is_empty() const { return count_ == 0; }
  // The name that an endpoint ("GET /users/ada query A") goes by; null where no path fits. Valid
  // until the next call.
  const std::string* name_of(std::string_view endpoint);
  // Differs where the paths do.
  std::uint64_t signature() const { return signature_; }

 private:
  struct Node;
  static constexpr std::size_t kKnownMax = 10'000;

  void add(std::string_view path);
  static bool match(const Node& node, const std::vector<std::string_view>& segments, std::size_t at,
                    std::string& out);

  std::unique_ptr<Node> root_;
  std::size_t count_ = 0;
  std::uint64_t signature_ = 0;
  std::unordered_map<std::string, std::string> known_;  // "" for none
  std::string key_;
};

}  // namespace banyan::comparator
