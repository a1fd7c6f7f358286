// SPDX-License-Identifier: Apache-2.0
#include "tests/comparator/planted_faults.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "comparator/compare.h"
#include "comparator/noise.h"
#include "comparator/noise_fold.h"
#include "comparator/noise_sides.h"
#include "core/base/check.h"
#include "core/json/value.h"
#include "core/model/witness.h"
#include "replay/witness_budget.h"

namespace banyan::comparator {
namespace {

using json::Value;
using Type = Value::Type;

Value number(std::string text) {
  Value out = Value::of_type(Type::kNumber);
  out.text = std::move(text);
  return out;
}

Value boolean(bool is_true) {
  Value out = Value::of_type(Type::kBool);
  out.boolean = is_true;
  return out;
}

std::string cents(std::int64_t value) {
  const std::string rest = std::to_string(value % 100);
  return std::to_string(value / 100) + "." + (rest.size() < 2 ? "0" : "") + rest;
}

// What one system says to one request, before it is written.
struct Answer {
  int status = 200;
  http::HeaderList fields;
  Value body;
  std::int64_t total = 0;    // cents
  std::int64_t updated = 0;  // seconds since 1970
  int hour = 0;

  Value& at(std::string_view name) {
    const auto found = std::find_if(body.members.begin(), body.members.end(),
                                    [&](const auto& member) { return member.first == name; });
    CHECK(found != body.members.end());
    return found->second;
  }
  void remove(std::string_view name) {
    std::erase_if(body.members, [&](const auto& member) { return member.first == name; });
  }
};

Value line_of(std::uint64_t id) {
  Value line = Value::of_type(Type::kObject);
  line.members.emplace_back("sku", Value::of_text("line-" + std::to_string(id)));
  line.members.emplace_back("count", number(std::to_string(id % 7 + 1)));
  return line;
}

std::string created_at(int hour) {
  return "2026-11-20T" + std::string(hour < 10 ? "0" : "") + std::to_string(hour) + ":30:00Z";
}

// Always the same for a request.
Answer answer_to(std::uint64_t request) {
  std::mt19937_64 random(request * 0x9E3779B97F4A7C15U + 1);
  const auto below = [&](std::uint64_t n) { return random() % n; };
  Answer out;
  out.fields = {
      {"Content-Type", "application/json"}, {"Cache-Control", "no-store"}, {"Vary", "Accept"}};
  out.body = Value::of_type(Type::kObject);
  const auto add = [&](std::string name, Value value) {
    out.body.members.emplace_back(std::move(name), std::move(value));
  };
  out.total = static_cast<std::int64_t>(1000 + below(90'000)) * 10 + 5;
  out.updated = static_cast<std::int64_t>(1'760'000'000 + below(10'000'000));
  out.hour = static_cast<int>(below(20));
  add("id", number(std::to_string(below(1'000'000'000))));
  add("sku", Value::of_text("sku-abc-" + std::to_string(below(100'000))));
  add("name", Value::of_text(" Ada " + std::to_string(below(1000))));
  add("note", Value::of_text("Tom & Jerry's <b>order</b> no. " + std::to_string(below(100'000))));
  add("quantity", number(std::to_string(2 + below(90))));
  add("price", Value::of_text(cents(static_cast<std::int64_t>(100 + below(9900)))));
  add("total", number(cents(out.total)));
  constexpr std::array<const char*, 3> kStates{"open", "paid", "sent"};
  add("state", Value::of_text(kStates[below(3)]));
  add("created", Value::of_text(created_at(out.hour)));
  add("updated", number(std::to_string(out.updated)));
  add("active", boolean(below(2) == 0));
  add("discount", Value::of_type(Type::kNull));
  add("link", Value::of_text("https://shop.example/orders/" + std::to_string(below(100'000))));
  Value tags = Value::of_type(Type::kArray);
  for (const char* tag : {"red", "green", "blue", "gold"})
    tags.items.push_back(Value::of_text(tag));
  add("tags", std::move(tags));
  Value lines = Value::of_type(Type::kArray);
  const std::uint64_t first = below(1'000'000);
  for (std::uint64_t i = 0; i < 5; ++i) lines.items.push_back(line_of(first + i));
  add("lines", std::move(lines));
  add("server", Value::of_text("node-1"));
  return out;
}

struct Fault {
  std::string_view name;
  void (*plant)(Answer&);
};

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

const std::array<Fault, 24> kFaults{{
    {"int→string", [](Answer& a) { a.at("quantity").type = Type::kString; }},
    {"scale", [](Answer& a) { a.at("price").text += "00"; }},
    {"×100", [](Answer& a) { a.at("total").text = std::to_string(a.total); }},
    {"sign", [](Answer& a) { a.at("total").text = "-" + cents(a.total); }},
    {"off by one",
     [](Answer& a) {
       a.at("quantity").text = std::to_string(std::stoi(a.at("quantity").text) + 1);
     }},
    {"rounded", [](Answer& a) { a.at("total").text = std::to_string(a.total / 100); }},
    {"truncated", [](Answer& a) { a.at("note").text.resize(12); }},
    {"trimmed", [](Answer& a) { a.at("name").text.erase(0, 1); }},
    {"case", [](Answer& a) { a.at("sku").text = replaced(a.at("sku").text, "abc", "ABC"); }},
    {"html-escaped",
     [](Answer& a) {
       std::string& note = a.at("note").text;
       note = replaced(replaced(replaced(note, "&", "&amp;"), "<", "&lt;"), ">", "&gt;");
     }},
    {"null→empty", [](Answer& a) { a.at("discount") = Value::of_text(""); }},
    {"null→absent", [](Answer& a) { a.remove("discount"); }},
    {"missing", [](Answer& a) { a.remove("link"); }},
    {"extra", [](Answer& a) { a.body.members.emplace_back("debug", boolean(true)); }},
    {"enum", [](Answer& a) { a.at("state").text = "pending"; }},
    {"reordered",
     [](Answer& a) { std::reverse(a.at("tags").items.begin(), a.at("tags").items.end()); }},
    {"rows missing", [](Answer& a) { a.at("lines").items.pop_back(); }},
    {"paging boundary",
     [](Answer& a) {
       auto& items = a.at("lines").items;
       items.erase(items.begin());
       items.push_back(line_of(9'999'999));
     }},
    {"s→ms", [](Answer& a) { a.at("updated").text = std::to_string(a.updated) + "000"; }},
    {"time zone", [](Answer& a) { a.at("created").text = created_at(a.hour + 1); }},
    {"boolean", [](Answer& a) { a.at("active").boolean = !a.at("active").boolean; }},
    {"url host",
     [](Answer& a) { a.at("link").text = replaced(a.at("link").text, "shop.", "new.shop."); }},
    {"header missing",
     [](Answer& a) {
       std::erase_if(a.fields, [](const auto& field) { return field.name == "Cache-Control"; });
     }},
    {"status", [](Answer& a) { a.status = 202; }},
}};

// Paths with their kind, each with its transition and with every one, as findings count them.
using Key = NoiseFold::Path;
using Keys = NoiseFold::Paths;
using ShapePlace = std::pair<std::string, std::string>;  // path and kind

class Planted {
 public:
  explicit Planted(const PlantedRun& run)
      : run_(run), random_(run.seed), rules_(*CompiledRules::compile({})) {}

  PlantedResult judge() {
    PlantedResult out;
    for (std::size_t i = 0; i < run_.requests; ++i) {
      const std::uint64_t request = run_.seed * 1'000'000'007U + i;
      const bool is_faulty = run_.rate > 0 && is_chosen(request);
      const Answer plain = answer_to(request);
      Answer faulty = plain;
      if (is_faulty) {
        kFaults[run_.fault].plant(faulty);
        for (const Key& key : differences(plain, faulty)) places_.insert(key.path);
      }
      const Answer legacy = noisy(plain);
      std::map<ShapePlace, ShapeSides> shapes;
      const Keys live = differences(legacy, noisy(faulty), &shapes);
      for (auto& [place, sides] : shapes) {
        sides.drop_common();
        shapes_[place].add(sides);
      }
      if (!live.empty()) ++out.differing;
      for (const Key& key : live) ++tally_[key].raw;
      const Answer twin_answer = noisy(plain);
      const Keys twin = differences(legacy, twin_answer);
      for (const Key& key : twin) ++tally_[key].noise;  // Diffy asks for every request
      save_budget();
      if (is_control()) {
        count_pair(live, twin);
        shapes_again(legacy, twin_answer);
        legacy_is_noisy_ |= !twin.empty();
      }
      if (!live.empty() && may_confirm(live)) confirm(live, legacy, plain, faulty);
    }
    score(out);
    return out;
  }

 private:
  static constexpr unsigned kAsked = 2;
  static constexpr double kSavedMax = 20;  // as WitnessBudget has it

  struct Tally {
    NoiseCounts counts;
    std::uint64_t raw = 0, noise = 0;
  };

  bool chance(double share) {
    return share >= 1 || std::uniform_real_distribution<>(0, 1)(random_) < share;
  }
  // Whom controls ask: a twin, besides any budget, or legacy, within it.
  bool has_twin() const { return run_.control_share >= 1; }
  void save_budget() {
    const double share = run_.confirm_share + (has_twin() ? 0 : run_.control_share);
    budget_ = std::min(budget_ + share, kSavedMax);
  }
  // Those that are drawn, and more where legacy was seen to be noisy; as Witnesses draws them.
  bool is_control() {
    if (has_twin()) return true;
    using model::NoisyEndpoints;
    const double further =
        std::min(run_.control_share * NoisyEndpoints::kFactor, NoisyEndpoints::kShareMax);
    const bool is_drawn = chance(legacy_is_noisy_ ? further : run_.control_share);
    if (!is_drawn || budget_ < 1 + kSavedMax / 2) return false;
    budget_ -= 1;
    return true;
  }
  // Of one set of differences ever more rarely.
  bool may_confirm(const Keys& live) {
    std::string text;
    for (const Key& key : live) {
      if (key.transition == kEveryTransition) text += key.path + '\n' + key.kind + '\n';
    }
    const std::uint64_t set = std::hash<std::string>()(text);
    if (budget_ < kAsked || !fair_share_.is_due(set, random_())) return false;
    fair_share_.note(set);
    budget_ -= kAsked;
    return true;
  }
  // By the request alone: who asks again gets the same.
  bool is_chosen(std::uint64_t request) const {
    std::mt19937_64 of_request(request ^ 0x5DEECE66DU);
    return std::uniform_real_distribution<>(0, 1)(of_request) < run_.rate;
  }

  Answer noisy(Answer answer) {
    if (run_.noise <= 0) return answer;
    if (chance(run_.noise)) answer.at("server").text = "node-" + std::to_string(2 + random_() % 4);
    if (chance(run_.noise)) {
      auto& items = answer.at("tags").items;
      std::shuffle(items.begin(), items.end(), random_);
    }
    // What a fault has changed already stays changed.
    Value& total = answer.at("total");
    if (chance(run_.noise)) total.text += std::to_string(1 + random_() % 9);
    if (chance(run_.noise)) answer.at("note").text += " (" + std::to_string(random_() % 100) + ")";
    return answer;
  }

  Keys differences(const Answer& legacy, const Answer& candidate,
                   std::map<ShapePlace, ShapeSides>* shapes = nullptr) {
    const auto lifted = [](const Answer& answer, std::string& body) {
      body.clear();
      json::write(answer.body, body);
      LiftedAnswer out;
      out.status = answer.status;
      out.fields = answer.fields;
      out.body = body;
      out.has_body = true;
      out.body_length = body.size();
      return out;
    };
    const LiftedAnswer a = lifted(legacy, legacy_body_);
    const LiftedAnswer b = lifted(candidate, candidate_body_);
    Keys out;
    for (const auto& difference : compare_answers(*rules_, "orders", "GET", a, b).differences) {
      NoiseFold::add(out, difference.path, std::string(to_string(difference.kind)),
                     difference.transition);
      if (shapes == nullptr || !NoiseFold::has_shapes(difference)) continue;
      (*shapes)[{difference.path, std::string(to_string(difference.kind))}].add(
          difference.legacy, difference.candidate);
    }
    return out;
  }

  void shapes_again(const Answer& legacy, const Answer& again) {
    std::map<ShapePlace, ShapeSides> shapes;
    differences(legacy, again, &shapes);
    for (auto& [place, sides] : shapes) {
      sides.drop_common();
      for (const std::string& shape : sides.candidate) shapes_[place].add_again(shape);
    }
  }

  // As findings_standing.cc does.
  void weigh() {
    for (auto& [key, tally] : tally_) {
      NoiseCounts& counts = tally.counts;
      counts.pairs = pairs_;
      counts.watched = run_.requests;
      counts.confirmed_around = confirmed_;
      Key mirrored = key;
      if (key.transition == kEveryTransition) {
        const auto shapes = shapes_.find({key.path, key.kind});
        if (shapes != shapes_.end()) counts.weigh_shapes(shapes->second.shapes());
      } else if (mirror_change(mirrored.kind, mirrored.transition)) {
        const auto other = tally_.find(mirrored);
        counts.weigh_transition(tally.raw, other == tally_.end() ? 0 : other->second.raw);
      }
    }
  }

  void count_pair(const Keys& live, const Keys& twin) {
    ++pairs_;
    for (const Key& key : live) {
      NoiseCounts& counts = tally_[key].counts;
      ++(twin.contains(key) ? counts.both : counts.candidate_only);
    }
    for (const Key& key : twin) {
      if (!live.contains(key)) ++tally_[key].counts.legacy_only;
    }
  }

  void confirm(const Keys& live, const Answer& legacy, const Answer& plain, const Answer& faulty) {
    confirmed_ += kAsked;
    std::vector<Keys> again_legacy;
    std::vector<Keys> again_candidate;
    for (unsigned i = 0; i < kAsked; ++i) {
      const Answer again = noisy(plain);
      again_legacy.push_back(differences(legacy, again));
      legacy_is_noisy_ |= !again_legacy.back().empty();
      shapes_again(legacy, again);
      again_candidate.push_back(differences(legacy, noisy(faulty)));
    }
    for (const Key& key : live) {
      const auto has = [&](const Keys& keys) { return keys.contains(key); };
      NoiseCounts& counts = tally_[key].counts;
      counts.asked = kAsked;
      if (std::any_of(again_legacy.begin(), again_legacy.end(), has)) {
        ++counts.legacy_changed;
      } else if (std::all_of(again_candidate.begin(), again_candidate.end(), has)) {
        ++counts.held;
      } else {
        ++counts.cleared;
      }
    }
  }

  void score(PlantedResult& out) {
    weigh();
    std::vector<NoiseCounts> counts;
    for (const auto& [key, tally] : tally_) counts.push_back(tally.counts);
    const std::vector<NoiseJudgement> judged = judge_noise(counts);
    std::map<Key, Standing> standings;
    for (const auto& [key, tally] : tally_) standings[key] = judged[standings.size()].standing;
    for (const auto& [key, tally] : tally_) {
      const bool is_fault = places_.contains(key.path);
      Key general = key;
      general.transition = std::string(kEveryTransition);
      if (key == general) {
        score_by_diffy(tally, is_fault, out);
        continue;
      }
      if (tally.raw == 0) continue;  // no finding: only legacy differs from itself
      Standing standing = standings.at(key);
      const Standing field = standings.at(general);
      if (stands_as_field(tally.counts, standing, tally_.at(general).counts, field)) {
        standing = field;
      }
      const bool is_regression = standing == Standing::kRegression;
      if (is_fault) {
        out.is_found |= is_regression;
        out.is_shown |= is_regression || !is_decided(standing);
      } else {
        out.false_places += is_regression ? 1 : 0;
      }
    }
  }

  // Diffy counts by path and kind of difference.
  void score_by_diffy(const Tally& tally, bool is_fault, PlantedResult& out) const {
    const auto raw = static_cast<double>(tally.raw);
    const auto noise = static_cast<double>(tally.noise);
    const bool is_shown = raw > noise && (raw - noise) / (raw + noise) * 100 > 20.0 &&
                          (raw - noise) / static_cast<double>(run_.requests) * 100 > 0.03;
    if (is_shown && is_fault) out.is_found_by_diffy = true;
    if (is_shown && !is_fault) ++out.false_by_diffy;
  }

  const PlantedRun& run_;
  std::mt19937_64 random_;
  std::shared_ptr<const CompiledRules> rules_;
  std::map<Key, Tally> tally_;
  std::set<std::string> places_;  // paths at which the fault shows
  std::map<ShapePlace, ShapeTally> shapes_;
  std::uint64_t pairs_ = 0, confirmed_ = 0;
  double budget_ = 0;  // questions to legacy
  bool legacy_is_noisy_ = false;
  replay::FairShare fair_share_;
  std::string legacy_body_, candidate_body_;
};

}  // namespace

std::span<const std::string_view> planted_faults() {
  static const auto names = [] {
    std::array<std::string_view, kFaults.size()> out;
    std::transform(kFaults.begin(), kFaults.end(), out.begin(),
                   [](const Fault& fault) { return fault.name; });
    return out;
  }();
  return names;
}

PlantedResult judge_planted(const PlantedRun& run) { return Planted(run).judge(); }

}  // namespace banyan::comparator
