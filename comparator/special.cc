// SPDX-License-Identifier: Apache-2.0
#include "comparator/special.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <string_view>

#include "comparator/chars.h"
#include "comparator/readiness_counts.h"
#include "core/base/text.h"
#include "core/http/message.h"

namespace banyan::comparator {
namespace {

constexpr std::size_t kValueBytesMax = 32;

void add_fact(std::vector<std::string>& to, std::string what) {
  if (to.size() < kFactsMax && std::find(to.begin(), to.end(), what) == to.end()) {
    to.push_back(std::move(what));
  }
}

void add_parameters(std::string_view target, RequestFacts& out) {
  const std::size_t mark = target.find('?');
  if (mark == std::string_view::npos) return;
  std::string_view query = target.substr(mark + 1);
  query = query.substr(0, query.find('#'));
  for (const std::string_view parameter : split(query, '&')) {
    const std::size_t equals = parameter.find('=');
    const std::string_view name = parameter.substr(0, equals);
    if (equals == std::string_view::npos || !is_plain(name, kPlainNameBytesMax)) continue;
    const std::string what = "?" + std::string(name) + "=";
    add_fact(out.names, what);
    const std::string_view value = parameter.substr(equals + 1);
    if (out.values.size() < kFactsMax && is_plain(value, kValueBytesMax)) {
      out.values.emplace_back(what, value);
    } else if (out.values.size() < kFactsMax) {
      out.values.emplace_back(what, "");  // one that is not told
    }
  }
}

std::string_view size_class(const model::Body& body) {
  if (body.kind == model::Body::Kind::kNone || body.length == 0) return "no body";
  if (body.length < 1024) return "body under 1 KiB";
  if (body.length < 16 * 1024) return "body of 1 to 16 KiB";
  if (body.length < 256 * 1024) return "body of 16 to 256 KiB";
  return "body over 256 KiB";
}

// What all requests are counted by: which of them has a property.
class PropertyTable {
 public:
  PropertyTable(const std::vector<RequestFacts>& differing, const std::vector<RequestFacts>& others)
      : differing_(differing.size()), others_(others.size()) {
    std::map<std::string, std::set<std::string>> values;
    for (const auto* side : {&differing, &others}) {
      for (const RequestFacts& facts : *side) {
        for (const auto& [name, value] : facts.values) values[name].insert(value);
      }
    }
    std::size_t number = 0;
    for (const auto* side : {&differing, &others}) {
      for (const RequestFacts& facts : *side) {
        for (const std::string& name : facts.names) note(name, true, number);
        for (const std::string& mark : facts.marks) note(mark, false, number);
        for (const auto& [name, value] : facts.values) {
          if (value.empty() || values[name].size() > kValuesToldMax) continue;
          note(name + value, false, number);
        }
        ++number;
      }
    }
  }

  std::vector<Special> told(double share_of_others) {
    std::vector<std::pair<Special, std::vector<bool>>> found;
    for (const auto& [what, property] : properties_) {
      judge(what, property.has, share_of_others, found);
      if (!property.may_be_missed) continue;
      std::vector<bool> lacks = property.has;
      lacks.flip();
      judge("no " + what, lacks, share_of_others, found);
    }
    std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
      return a.first.odds_at_least > b.first.odds_at_least;
    });
    // What the same requests have is one property by several names.
    std::vector<Special> out;
    std::set<std::vector<bool>> known;
    for (auto& [special, has] : found) {
      if (out.size() == kSpecialMax) break;
      if (known.insert(std::move(has)).second) out.push_back(std::move(special));
    }
    return out;
  }

 private:
  struct Property {
    std::vector<bool> has;  // by request, differing ones first
    bool may_be_missed = false;
  };

  void note(const std::string& what, bool may_be_missed, std::size_t number) {
    Property& property = properties_[what];
    if (property.has.empty()) property.has.resize(differing_ + others_);
    property.has[number] = true;
    property.may_be_missed = may_be_missed;
  }

  // Log-odds with half a request added to each cell (Haldane), less some standard errors.
  void judge(const std::string& what, const std::vector<bool>& has, double share_of_others,
             std::vector<std::pair<Special, std::vector<bool>>>& found) const {
    const auto middle = has.begin() + static_cast<std::ptrdiff_t>(differing_);
    const auto with = static_cast<double>(std::count(has.begin(), middle, true));
    const auto with_others = static_cast<double>(std::count(middle, has.end(), true));
    if (with < static_cast<double>(kSpecialRequestsMin)) return;
    const auto total = static_cast<double>(differing_);
    const auto total_others = static_cast<double>(others_);
    const std::array<double, 4> cells = {with + 0.5, total - with + 0.5, with_others + 0.5,
                                         total_others - with_others + 0.5};
    double variance = 0;
    for (const double cell : cells) variance += 1 / cell;
    const double log_odds = std::log(cells[0] / cells[1]) - std::log(cells[2] / cells[3]);
    const double odds = std::exp(log_odds - kSpecialErrors * std::sqrt(variance));
    if (odds < kOddsMin) return;
    Special special;
    special.what = what;
    special.differing = with / total;
    special.all =
        share_of_others * with_others / total_others + (1 - share_of_others) * special.differing;
    special.odds_at_least = odds;
    found.emplace_back(std::move(special), has);
  }

  std::size_t differing_, others_;
  std::map<std::string, Property> properties_;
};

}  // namespace

RequestFacts facts_of(const model::RequestRecord& request, int status_class) {
  RequestFacts out;
  if (is_plain(request.method, kPlainNameBytesMax))
    out.marks.push_back("method " + std::string(request.method));
  add_parameters(request.target, out);
  if (out.names.size() > 1) {
    std::vector<std::string> names = out.names;
    std::sort(names.begin(), names.end());
    std::string shape = "the parameters";
    for (const std::string& name : names) shape += " " + name.substr(1, name.size() - 2);
    out.marks.push_back(std::move(shape));
  }
  for (const http::Header& field : request.fields) {
    if (is_plain(field.name, kPlainNameBytesMax))
      add_fact(out.names, "header " + to_lower(field.name));
  }
  if (const auto type = http::find_header(request.fields, "content-type")) {
    const std::string media = to_lower(trim(type->substr(0, type->find(';'))));
    const std::size_t slash = media.find('/');
    if (slash != std::string::npos && is_plain(media.substr(0, slash), kPlainNameBytesMax)) {
      const std::string_view rest = std::string_view(media).substr(slash + 1);
      const bool is_known = rest.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.+-_") ==
                            std::string_view::npos;
      if (is_known && media.size() <= 2 * kPlainNameBytesMax) {
        out.marks.push_back("content type " + media);
      }
    }
  }
  out.marks.emplace_back(size_class(request.body));
  if (status_class > 0) {
    out.marks.push_back("legacy status " + std::to_string(status_class) + "xx");
  }
  // A keyed token, as `log cat --session` takes it.
  if (!request.session.empty() && request.session.size() <= kFactsMax) {
    out.marks.push_back("session " + std::string(request.session));
  }
  const std::int64_t hour = request.started.wall_ns / kHourNs % 24;
  out.marks.push_back("hour " + std::to_string(hour) + " UTC");
  return out;
}

std::vector<Special> special_of(const std::vector<RequestFacts>& differing,
                                const std::vector<RequestFacts>& others, double share_of_others) {
  if (differing.size() < kSpecialRequestsMin || others.size() < kSpecialRequestsMin) return {};
  return PropertyTable(differing, others).told(share_of_others);
}

}  // namespace banyan::comparator
