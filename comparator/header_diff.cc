// SPDX-License-Identifier: Apache-2.0
#include "comparator/header_diff.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "comparator/field_coverage.h"
#include "comparator/set_cookie_diff.h"
#include "comparator/transition.h"
#include "core/base/text.h"

namespace banyan::comparator {
namespace {

// How the values of a field are compared.
enum class Class { kExact, kDropped, kVolatile, kSet, kContentType, kContentEncoding, kSetCookie };

struct NamedClass {
  std::string_view name;
  Class how;
};

// Sorted by name. Dropped: hop-by-hop, and Content-Length, which says nothing the body does not.
constexpr std::array kClasses = std::to_array<NamedClass>({
    {"accept-patch", Class::kSet},
    {"accept-post", Class::kSet},
    {"accept-ranges", Class::kSet},
    {"access-control-allow-headers", Class::kSet},
    {"access-control-allow-methods", Class::kSet},
    {"access-control-expose-headers", Class::kSet},
    {"age", Class::kVolatile},
    {"allow", Class::kSet},
    {"alt-svc", Class::kVolatile},
    {"b3", Class::kVolatile},
    {"cache-control", Class::kSet},
    {"cf-ray", Class::kVolatile},
    {"clear-site-data", Class::kSet},
    {"connection", Class::kDropped},
    {"content-encoding", Class::kContentEncoding},
    {"content-language", Class::kSet},
    {"content-length", Class::kDropped},
    {"content-type", Class::kContentType},
    {"date", Class::kVolatile},
    {"etag", Class::kVolatile},
    {"expires", Class::kVolatile},
    {"keep-alive", Class::kDropped},
    {"last-modified", Class::kVolatile},
    {"nel", Class::kVolatile},
    {"pragma", Class::kSet},
    {"proxy-connection", Class::kDropped},
    {"report-to", Class::kVolatile},
    {"request-id", Class::kVolatile},
    {"sentry-trace", Class::kVolatile},
    {"server", Class::kVolatile},
    {"server-timing", Class::kVolatile},
    {"set-cookie", Class::kSetCookie},
    {"te", Class::kDropped},
    {"traceparent", Class::kVolatile},
    {"tracestate", Class::kVolatile},
    {"trailer", Class::kDropped},
    {"transfer-encoding", Class::kDropped},
    {"upgrade", Class::kDropped},
    {"vary", Class::kSet},
    {"via", Class::kVolatile},
    {"x-amzn-trace-id", Class::kVolatile},
    {"x-cache", Class::kVolatile},
    {"x-cloud-trace-context", Class::kVolatile},
    {"x-correlation-id", Class::kVolatile},
    {"x-powered-by", Class::kVolatile},
    {"x-request-id", Class::kVolatile},
    {"x-runtime", Class::kVolatile},
});
static_assert(std::is_sorted(kClasses.begin(), kClasses.end(),
                             [](const NamedClass& a, const NamedClass& b) {
                               return a.name < b.name;
                             }));

Class class_of(std::string_view lower_name) {
  const auto found = std::lower_bound(
      kClasses.begin(), kClasses.end(), lower_name,
      [](const NamedClass& named, std::string_view name) { return named.name < name; });
  if (found != kClasses.end() && found->name == lower_name) return found->how;
  if (lower_name.starts_with("x-b3-") || lower_name.starts_with("x-datadog-")) {
    return Class::kVolatile;
  }
  return lower_name.starts_with("banyan-") ? Class::kDropped : Class::kExact;
}

// One spelling for all: "content-type" → "Content-Type".
std::string display_name(std::string_view lower_name) {
  if (lower_name == "etag") return "ETag";
  if (lower_name == "www-authenticate") return "WWW-Authenticate";
  std::string out(lower_name);
  bool at_start = true;
  for (char& c : out) {
    if (at_start && c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
    at_start = c == '-';
  }
  return out;
}

struct FieldLines {
  std::string name;  // lower case
  std::vector<std::string_view> values;
};

// Compared fields by name, each with its values in order.
std::vector<FieldLines> lines_by_field(const http::HeaderList& fields) {
  std::vector<std::pair<std::string, std::string_view>> lines;
  for (const http::Header& field : fields) {
    std::string name = to_lower(field.name);
    if (class_of(name) != Class::kDropped) lines.emplace_back(std::move(name), trim(field.value));
  }
  std::stable_sort(lines.begin(), lines.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<FieldLines> out;
  for (auto& [name, value] : lines) {
    if (out.empty() || out.back().name != name) out.push_back({std::move(name), {}});
    out.back().values.push_back(value);
  }
  return out;
}

std::string joined(const std::vector<std::string_view>& values) {
  std::string out;
  for (const std::string_view value : values) {
    if (!out.empty()) out += ", ";
    out += value;
  }
  return out;
}

std::vector<std::string> tokens(const std::vector<std::string_view>& values) {
  std::vector<std::string> out;
  for (const std::string_view value : values) {
    for (const std::string_view part : split(value, ',')) {
      if (!trim(part).empty()) out.push_back(to_lower(trim(part)));
    }
  }
  return out;
}

std::vector<std::string> token_set(const std::vector<std::string_view>& values) {
  std::vector<std::string> out = tokens(values);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

std::string coding_of(const std::vector<std::string_view>& values) {
  std::string out;
  for (std::string& token : tokens(values)) {
    if (token == "identity") continue;
    if (token == "x-gzip") token = "gzip";
    if (!out.empty()) out += ", ";
    out += token;
  }
  return out;
}

struct ContentType {
  std::string media_type;
  std::string charset;
  std::vector<std::string> parameters;  // the others, but for a boundary, sorted
};

ContentType content_type_of(std::string_view value) {
  ContentType out;
  const auto parts = split(value, ';');
  out.media_type = to_lower(trim(parts[0]));
  for (std::size_t i = 1; i < parts.size(); ++i) {
    const std::string_view part = trim(parts[i]);
    const std::size_t equals = part.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string name = to_lower(trim(part.substr(0, equals)));
    std::string_view told = trim(part.substr(equals + 1));
    if (told.size() >= 2 && told.front() == '"' && told.back() == '"') {
      told = told.substr(1, told.size() - 2);
    }
    if (name == "charset")
      out.charset = to_lower(told);
    else if (name != "boundary")
      out.parameters.push_back(name + "=" + std::string(told));
  }
  std::sort(out.parameters.begin(), out.parameters.end());
  return out;
}

class HeaderDiff {
 public:
  HeaderDiff(FieldPlace place, const RuleSet& rules, DifferenceSink& sink)
      : place_(place), rules_(rules), sink_(sink) {}

  void one_sided(const FieldLines& field, bool is_legacy) {
    const Class how = class_of(field.name);
    if (how == Class::kContentEncoding) {
      const std::string coding = coding_of(field.values);
      return is_legacy ? encoding(field.name, coding, "") : encoding(field.name, "", coding);
    }
    if (how == Class::kSetCookie) {
      return is_legacy ? cookies(field.name, field.values, {})
                       : cookies(field.name, {}, field.values);
    }
    const std::string value = joined(field.values);
    if (is_legacy)
      emit(field.name, DifferenceKind::kMissing, value, {});
    else
      emit(field.name, DifferenceKind::kExtra, {}, value);
  }

  void both(const FieldLines& a, const FieldLines& b) {
    switch (class_of(a.name)) {
      case Class::kDropped:
      case Class::kVolatile: return;
      case Class::kSetCookie: return cookies(a.name, a.values, b.values);
      case Class::kContentEncoding:
        return encoding(a.name, coding_of(a.values), coding_of(b.values));
      case Class::kContentType: return content_type(a, b);
      case Class::kSet:
        if (token_set(a.values) == token_set(b.values)) return;
        break;
      case Class::kExact:
        if (a.values == b.values) return;
        break;
    }
    const std::string left = joined(a.values);
    const std::string right = joined(b.values);
    if (left != right) emit_values(a.name, left, right);
  }

 private:
  void encoding(const std::string& name, const std::string& a, const std::string& b) {
    if (a == b) return;
    const auto told = [](const std::string& coding) {
      return coding.empty() ? "identity" : coding;
    };
    emit(name, DifferenceKind::kEncoding, told(a), told(b), told(a) + "→" + told(b));
  }

  void content_type(const FieldLines& a, const FieldLines& b) {
    const std::string left = joined(a.values);
    const std::string right = joined(b.values);
    const ContentType x = content_type_of(left);
    const ContentType y = content_type_of(right);
    if (x.media_type != y.media_type || x.parameters != y.parameters) {
      emit_values(a.name, left, right);
    } else if (x.charset != y.charset) {
      const auto told = [](const std::string& name) { return name.empty() ? "none" : name; };
      emit(a.name, DifferenceKind::kEncoding, left, right, told(x.charset) + "→" + told(y.charset));
    }
  }

  void cookies(const std::string& name, const std::vector<std::string_view>& a,
               const std::vector<std::string_view>& b) {
    for (CookieDifference& found : compare_set_cookies(a, b)) {
      // Only of a value both texts are one; else they are whole lines.
      emit(name, found.kind, found.legacy, found.candidate,
           found.kind == DifferenceKind::kValue ? word_of(name, found.legacy, found.candidate)
                                                : std::string(),
           found.at);
    }
  }

  std::string word_of(const std::string& name, std::string_view a, std::string_view b) const {
    return rules_.field(place_, name, DifferenceKind::kValue, a, b).empty()
               ? transition_of_text(a, b)
               : std::string();
  }

  void emit_values(const std::string& name, const std::string& a, const std::string& b) {
    emit(name, DifferenceKind::kValue, a, b, word_of(name, a, b));
  }

  void emit(const std::string& name, DifferenceKind kind, const std::string& legacy,
            const std::string& candidate, std::string transition = {}, std::string_view at = {}) {
    const std::string path = std::string(prefix_of(place_)) + display_name(name);
    sink_.add({path, path + std::string(at), kind, legacy, candidate,
               std::string(rules_.field(place_, name, kind, legacy, candidate)),
               std::move(transition)});
  }

  const FieldPlace place_;
  const RuleSet& rules_;
  DifferenceSink& sink_;
};

std::vector<std::string_view> values_of(const http::HeaderList& fields, std::string_view name) {
  std::vector<std::string_view> out;
  for (const http::Header& field : fields) {
    if (equal_ignoring_case(field.name, name)) out.push_back(field.value);
  }
  return out;
}

}  // namespace

bool have_same_fields(const http::HeaderList& legacy, const http::HeaderList& candidate) {
  if (legacy.size() != candidate.size()) return false;
  for (std::size_t i = 0; i < legacy.size(); ++i) {
    const http::Header& a = legacy[i];
    const http::Header& b = candidate[i];
    if (a.name != b.name && !equal_ignoring_case(a.name, b.name)) return false;
    if (a.value == b.value) continue;
    const Class how = class_of(to_lower(a.name));
    if (how != Class::kVolatile && how != Class::kDropped) return false;
  }
  return true;
}

void compare_fields(FieldPlace place, const http::HeaderList& legacy,
                    const http::HeaderList& candidate, const RuleSet& rules, DifferenceSink& sink) {
  const std::vector<FieldLines> a = lines_by_field(legacy);
  const std::vector<FieldLines> b = lines_by_field(candidate);
  HeaderDiff diff(place, rules, sink);
  for (std::size_t i = 0, k = 0; i < a.size() || k < b.size();) {
    if (k == b.size() || (i < a.size() && a[i].name < b[k].name)) {
      diff.one_sided(a[i++], true);
    } else if (i == a.size() || b[k].name < a[i].name) {
      diff.one_sided(b[k++], false);
    } else {
      diff.both(a[i++], b[k++]);
    }
  }
}

void cover_fields(FieldPlace place, const http::HeaderList& fields, const RuleSet& rules,
                  FieldCoverage& coverage) {
  for (const FieldLines& field : lines_by_field(fields)) {
    if (!rules.names_field(place, field.name)) continue;
    coverage.add(std::string(prefix_of(place)) + display_name(field.name));
  }
}

std::string content_coding(const http::HeaderList& fields) {
  return coding_of(values_of(fields, "Content-Encoding"));
}
std::string media_type(const http::HeaderList& fields) {
  return content_type_of(joined(values_of(fields, "Content-Type"))).media_type;
}
std::string charset(const http::HeaderList& fields) {
  return content_type_of(joined(values_of(fields, "Content-Type"))).charset;
}

}  // namespace banyan::comparator
