// SPDX-License-Identifier: Apache-2.0
#include "comparator/incidents.h"

#include <map>

namespace banyan::comparator {
namespace {

struct Open {
  std::vector<std::size_t> needs;  // issues, by number
  std::size_t missing = 0;         // of these, not decided yet
  std::uint64_t exchanges = 0;
};

class Greedy {
 public:
  Greedy(const std::vector<Incident>& incidents,
         const std::function<bool(std::string_view)>& is_decided) {
    for (const Incident& incident : incidents) {
      Open open;
      for (const std::string& issue : incident.issues) {
        if (!is_decided(issue)) open.needs.push_back(number_of(issue));
      }
      if (open.needs.empty()) continue;
      out_.exchanges += incident.exchanges;
      open.missing = open.needs.size();
      open.exchanges = incident.exchanges_min;
      for (const std::size_t issue : open.needs) needed_by_[issue].push_back(open_.size());
      open_.push_back(std::move(open));
    }
  }

  Explanation run() {
    const auto enough = kExplainShare * static_cast<double>(out_.exchanges);
    while (static_cast<double>(explained_) < enough) {
      const Open* best = nullptr;
      for (const Open& open : open_) {
        const bool fits = open.missing > 0 && out_.steps.size() + open.missing <= kExplainStepsMax;
        if (fits && (best == nullptr || is_better(open, *best))) best = &open;
      }
      if (best == nullptr) break;
      for (const std::size_t issue : best->needs) decide(issue);
    }
    return std::move(out_);
  }

 private:
  std::size_t number_of(const std::string& issue) {
    const auto [found, is_new] = numbers_.try_emplace(issue, names_.size());
    if (is_new) {
      names_.push_back(&found->first);
      needed_by_.emplace_back();
      is_decided_.push_back(false);
    }
    return found->second;
  }

  static bool is_better(const Open& a, const Open& b) {
    return a.exchanges * b.missing > b.exchanges * a.missing;
  }

  void decide(std::size_t issue) {
    if (is_decided_[issue]) return;
    is_decided_[issue] = true;
    for (const std::size_t incident : needed_by_[issue]) {
      Open& open = open_[incident];
      if (--open.missing == 0) explained_ += open.exchanges;
    }
    out_.steps.push_back({*names_[issue], explained_});
  }

  std::vector<Open> open_;
  std::map<std::string, std::size_t> numbers_;
  std::vector<const std::string*> names_;
  std::vector<std::vector<std::size_t>> needed_by_;
  std::vector<bool> is_decided_;
  std::uint64_t explained_ = 0;
  Explanation out_;
};

}  // namespace

Explanation explain(const std::vector<Incident>& incidents,
                    const std::function<bool(std::string_view issue)>& is_decided) {
  return Greedy(incidents, is_decided).run();
}

}  // namespace banyan::comparator
