// SPDX-License-Identifier: Apache-2.0
#include "core/http/message.h"

#include <algorithm>
#include <array>

#include "core/base/text.h"

namespace banyan::http {
namespace {

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && equal_ignoring_case(a, b);
}

// True if `on_element` answers true for some element of the comma-separated list.
template <typename F>
bool any_element(std::string_view list, F on_element) {
  while (!list.empty()) {
    const auto comma = list.find(',');
    const auto element = trim(list.substr(0, comma));
    if (!element.empty() && on_element(element)) return true;
    if (comma == std::string_view::npos) break;
    list.remove_prefix(comma + 1);
  }
  return false;
}

struct Phrase {
  int status;
  std::string_view text;
};
// RFC 9110 section 15 and the IANA registry; sorted.
constexpr std::array kPhrases{
    Phrase{100, "Continue"},
    Phrase{101, "Switching Protocols"},
    Phrase{102, "Processing"},
    Phrase{103, "Early Hints"},
    Phrase{200, "OK"},
    Phrase{201, "Created"},
    Phrase{202, "Accepted"},
    Phrase{203, "Non-Authoritative Information"},
    Phrase{204, "No Content"},
    Phrase{205, "Reset Content"},
    Phrase{206, "Partial Content"},
    Phrase{207, "Multi-Status"},
    Phrase{208, "Already Reported"},
    Phrase{226, "IM Used"},
    Phrase{300, "Multiple Choices"},
    Phrase{301, "Moved Permanently"},
    Phrase{302, "Found"},
    Phrase{303, "See Other"},
    Phrase{304, "Not Modified"},
    Phrase{305, "Use Proxy"},
    Phrase{307, "Temporary Redirect"},
    Phrase{308, "Permanent Redirect"},
    Phrase{400, "Bad Request"},
    Phrase{401, "Unauthorized"},
    Phrase{402, "Payment Required"},
    Phrase{403, "Forbidden"},
    Phrase{404, "Not Found"},
    Phrase{405, "Method Not Allowed"},
    Phrase{406, "Not Acceptable"},
    Phrase{407, "Proxy Authentication Required"},
    Phrase{408, "Request Timeout"},
    Phrase{409, "Conflict"},
    Phrase{410, "Gone"},
    Phrase{411, "Length Required"},
    Phrase{412, "Precondition Failed"},
    Phrase{413, "Content Too Large"},
    Phrase{414, "URI Too Long"},
    Phrase{415, "Unsupported Media Type"},
    Phrase{416, "Range Not Satisfiable"},
    Phrase{417, "Expectation Failed"},
    Phrase{421, "Misdirected Request"},
    Phrase{422, "Unprocessable Content"},
    Phrase{423, "Locked"},
    Phrase{424, "Failed Dependency"},
    Phrase{425, "Too Early"},
    Phrase{426, "Upgrade Required"},
    Phrase{428, "Precondition Required"},
    Phrase{429, "Too Many Requests"},
    Phrase{431, "Request Header Fields Too Large"},
    Phrase{451, "Unavailable For Legal Reasons"},
    Phrase{500, "Internal Server Error"},
    Phrase{501, "Not Implemented"},
    Phrase{502, "Bad Gateway"},
    Phrase{503, "Service Unavailable"},
    Phrase{504, "Gateway Timeout"},
    Phrase{505, "HTTP Version Not Supported"},
    Phrase{506, "Variant Also Negotiates"},
    Phrase{507, "Insufficient Storage"},
    Phrase{508, "Loop Detected"},
    Phrase{511, "Network Authentication Required"},
};

}  // namespace

std::optional<std::string_view> find_header(const HeaderList& fields, std::string_view name) {
  for (const Header& field : fields) {
    if (same_name(field.name, name)) return field.value;
  }
  return std::nullopt;
}

std::size_t count_header(const HeaderList& fields, std::string_view name) {
  return static_cast<std::size_t>(
      std::count_if(fields.begin(), fields.end(),
                    [&](const Header& field) { return same_name(field.name, name); }));
}

bool list_field_contains(const HeaderList& fields, std::string_view name, std::string_view token) {
  for (const Header& field : fields) {
    if (!same_name(field.name, name)) continue;
    if (any_element(field.value,
                    [&](std::string_view element) { return same_name(element, token); })) {
      return true;
    }
  }
  return false;
}

bool is_safe_method(std::string_view method) {
  // Methods are case-sensitive (RFC 9110 section 9.1).
  return method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "TRACE" ||
         method == "PROPFIND" || method == "REPORT" || method == "SEARCH" || method == "QUERY";
}

bool is_idempotent_method(std::string_view method) {
  return is_safe_method(method) || method == "PUT" || method == "DELETE";
}

bool is_hop_by_hop(std::string_view name) {
  switch (name.size()) {  // By length first: this runs for every field of every message.
    case 2: return equal_ignoring_case(name, "TE");
    case 7: return equal_ignoring_case(name, "Trailer") || equal_ignoring_case(name, "Upgrade");
    case 10:
      return equal_ignoring_case(name, "Connection") || equal_ignoring_case(name, "Keep-Alive");
    case 16: return equal_ignoring_case(name, "Proxy-Connection");
    case 17: return equal_ignoring_case(name, "Transfer-Encoding");
    default: return false;
  }
}

bool is_connection_specific(const HeaderList& fields, std::string_view name) {
  return is_hop_by_hop(name) || list_field_contains(fields, "Connection", name);
}

ConnectionFields::ConnectionFields(const HeaderList& fields) : fields_(fields) {
  for (const Header& field : fields) {
    if (!same_name(field.name, "Connection")) continue;
    names_others_ |=
        any_element(field.value, [](std::string_view element) { return !is_hop_by_hop(element); });
  }
}

std::string_view reason_phrase(int status) {
  const auto found =
      std::lower_bound(kPhrases.begin(), kPhrases.end(), status,
                       [](const Phrase& phrase, int wanted) { return phrase.status < wanted; });
  return found != kPhrases.end() && found->status == status ? found->text : std::string_view();
}

}  // namespace banyan::http
