// SPDX-License-Identifier: Apache-2.0
#include "comparator/endpoint_name.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "comparator/chars.h"
#include "comparator/difference_sink.h"
#include "core/base/text.h"
#include "core/http/message.h"
#include "core/json/value.h"

namespace banyan::comparator {
bool is_version(std::string_view segment) {
  if (segment.size() < 2 || segment.size() > 6 || (segment[0] | 0x20) != 'v') return false;
  segment.remove_prefix(1);
  const std::size_t point = segment.find('.');
  const auto are_digits = [](std::string_view text) {
    return !text.empty() && text.size() <= 3 && std::all_of(text.begin(), text.end(), is_digit);
  };
  return are_digits(segment.substr(0, point)) &&
         (point == std::string_view::npos || are_digits(segment.substr(point + 1)));
}

namespace {

constexpr std::size_t kOperationBytesMax = 200;
constexpr std::size_t kHexDigitsMin = 8;  // a word of a to f this long is a number
constexpr std::size_t kExtensionBytesMax = 5;
constexpr std::size_t kRequestNodesMax = 10'000;
constexpr std::string_view kGraphql = "graphql";

enum Sort : std::uint8_t {
  kDigit = 1,
  kAt = 2,
  kPoint = 4,
  kPercent = 8,
  kSemicolon = 16,
  kNoHex = 32
};

constexpr std::array<std::uint8_t, 256> kSorts = [] {
  std::array<std::uint8_t, 256> out{};
  for (std::size_t i = 0; i < out.size(); ++i) {
    const bool is_digit = i >= '0' && i <= '9';
    const bool is_hex = is_digit || (i >= 'a' && i <= 'f') || (i >= 'A' && i <= 'F');
    out[i] = static_cast<std::uint8_t>((is_digit ? kDigit : 0) | (is_hex ? 0 : kNoHex));
  }
  out['@'] |= kAt;
  out['.'] |= kPoint;
  out['%'] |= kPercent;
  out[';'] |= kSemicolon;
  return out;
}();

// ".pdf" of "report.pdf"; "" where there is none.
std::string_view extension_of(std::string_view segment) {
  const std::size_t point = segment.rfind('.');
  if (point == 0 || point == std::string_view::npos) return {};
  const std::string_view name = segment.substr(point + 1);
  const bool is_one =
      !name.empty() && name.size() <= kExtensionBytesMax && is_letter(name[0]) &&
      std::all_of(name.begin(), name.end(), [](char c) { return is_letter(c) || is_digit(c); });
  return is_one ? segment.substr(point) : std::string_view();
}

void append_segment(std::string_view segment, std::string& out) {
  std::uint8_t sorts = 0;
  for (const char c : segment) sorts |= kSorts[static_cast<unsigned char>(c)];
  if (sorts == kNoHex) {  // a word, as most are
    out += segment;
    return;
  }
  if ((sorts & kSemicolon) != 0) {  // parameters of the segment
    return append_segment(segment.substr(0, segment.find(';')), out);
  }
  if ((sorts & kDigit) != 0 && is_version(segment)) {
    out += segment;
    return;
  }
  const std::string_view extension =
      (sorts & (kPoint | kAt | kPercent)) == kPoint ? extension_of(segment) : std::string_view();
  const bool is_number = (sorts & kNoHex) == 0 && segment.size() >= kHexDigitsMin;
  if ((sorts & (kDigit | kAt | kPercent)) != 0 || is_number || !extension.empty()) {
    out += kAnySegment;
    out += extension;
  } else {
    out += segment;
  }
}

std::string_view path_of(std::string_view target) {
  return target.substr(0, target.find_first_of("?#"));
}

bool is_graphql_path(std::string_view target) {
  std::string_view path = path_of(target);
  if (path.ends_with('/')) path.remove_suffix(1);
  return path.size() >= kGraphql.size() &&
         equal_ignoring_case(path.substr(path.size() - kGraphql.size()), kGraphql);
}

// A label is one word of ASCII, whatever the client sent.
void set_name(std::string_view prefix, std::string_view name, Operation& out) {
  out.name = prefix;
  for (const char c : name.substr(0, kOperationBytesMax)) {
    out.name.push_back(c > ' ' && c < '\x7f' ? c : '_');
  }
}

std::string_view field(const model::RequestRecord& request, std::string_view name) {
  return http::find_header(request.fields, name).value_or(std::string_view());
}

std::string_view unquoted(std::string_view text) {
  text = trim(text);
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
    text = text.substr(1, text.size() - 2);
  }
  return text;
}

// The parameter `action` of application/soap+xml.
std::string_view soap_action(std::string_view content_type) {
  for (const std::string_view part : split(content_type, ';')) {
    const std::string_view told = trim(part);
    if (starts_with_ignoring_case(told, "action=")) return unquoted(told.substr(7));
  }
  return {};
}

// Reads "query GetUser($id: ID) {…}" token by token; comments and strings count for nothing.
class GraphqlReader {
 public:
  explicit GraphqlReader(std::string_view text) : text_(text) {}

  // The type and name of the operation called `wanted`, of the first one where that is "".
  std::string operation(std::string_view wanted) {
    int depth = 0;
    while (skip_to_token()) {
      const char c = text_[at_];
      if (c == '{' || c == '(' || c == '[') {
        if (depth == 0 && c == '{' && wanted.empty()) return "query";
        ++depth;
        ++at_;
      } else if (c == '}' || c == ')' || c == ']') {
        depth = std::max(0, depth - 1);
        ++at_;
      } else if (c == '"') {
        skip_string();
      } else if (is_letter(c) || c == '_') {
        const std::string_view type = word();
        if (depth != 0) continue;
        if (type == "fragment") {
          depth = skip_to_body() ? 1 : 0;
        } else if (type == "query" || type == "mutation" || type == "subscription") {
          const std::string_view name = skip_to_token() ? word() : std::string_view();
          if (wanted.empty() || wanted == name) {
            return std::string(type) + (name.empty() ? "" : " " + std::string(name));
          }
          depth = skip_to_body() ? 1 : 0;
        }
      } else {
        ++at_;
      }
    }
    return {};
  }

 private:
  bool skip_to_token() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',') {
        ++at_;
      } else {
        return true;
      }
    }
    return false;
  }
  std::string_view word() {
    const std::size_t start = at_;
    while (at_ < text_.size() &&
           (is_letter(text_[at_]) || is_digit(text_[at_]) || text_[at_] == '_')) {
      ++at_;
    }
    return text_.substr(start, at_ - start);
  }
  void skip_string() {
    const std::string_view mark = text_.substr(at_).starts_with("\"\"\"") ? "\"\"\"" : "\"";
    for (at_ += mark.size(); at_ < text_.size(); ++at_) {
      if (text_[at_] == '\\') {
        ++at_;
      } else if (text_.substr(at_).starts_with(mark)) {
        at_ += mark.size();
        return;
      }
    }
    at_ = text_.size();
  }
  // Behind the brace that opens a body: variables and directives stand before it.
  bool skip_to_body() {
    int parentheses = 0;
    while (skip_to_token()) {
      const char c = text_[at_];
      if (c == '"') {
        skip_string();
        continue;
      }
      ++at_;
      if (c == '(') ++parentheses;
      if (c == ')') --parentheses;
      if (c == '{' && parentheses <= 0) return true;
    }
    return false;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

void name_graphql(std::string_view query, std::string_view wanted, Operation& out) {
  const std::string found = GraphqlReader(query).operation(wanted);
  if (!found.empty()) {
    const std::size_t space = found.find(' ');
    if (space == std::string::npos) return set_name({}, found, out);
    return set_name(found.substr(0, space + 1), std::string_view(found).substr(space + 1), out);
  }
  if (!wanted.empty()) set_name({}, wanted, out);  // a stored query
}

void name_json_call(const json::Value& call, bool is_graphql, Operation& out) {
  if (call.type == json::Value::Type::kArray) {
    const bool is_list_of_calls =
        !call.items.empty() && (is_graphql || call.items[0].find("jsonrpc") != nullptr);
    if (is_list_of_calls) out.name = "batch";
    return;
  }
  if (!call.is_object()) return;
  if (is_graphql) {
    name_graphql(call.string_or("query", ""), call.string_or("operationName", ""), out);
  } else if (call.find("jsonrpc") != nullptr) {
    set_name({}, call.string_or("method", ""), out);
  }
}

std::optional<std::string> query_value(std::string_view target, std::string_view name) {
  const std::size_t mark = target.find('?');
  if (mark == std::string_view::npos) return std::nullopt;
  const std::string_view query = target.substr(mark + 1, target.find('#', mark) - mark - 1);
  for (const std::string_view part : split(query, '&')) {
    const std::size_t equals = part.find('=');
    if (part.substr(0, equals) != name || equals == std::string_view::npos) continue;
    std::string value(part.substr(equals + 1));
    std::replace(value.begin(), value.end(), '+', ' ');
    return percent_decode(value);
  }
  return std::nullopt;
}

void name_by_body(const model::RequestRecord& request, std::string_view type, Operation& out) {
  const model::Body& body = request.body;
  if (body.kind != model::Body::Kind::kInline || body.bytes.size() > kOperationBodyBytesMax ||
      !field(request, "Content-Encoding").empty()) {
    return;
  }
  const bool is_graphql = is_graphql_path(request.target);
  if (is_graphql && starts_with_ignoring_case(type, "application/graphql") &&
      !starts_with_ignoring_case(type, "application/graphql+json")) {
    return name_graphql(body.bytes, {}, out);
  }
  const bool is_json = starts_with_ignoring_case(type, "application/json") ||
                       to_lower(type).find("+json") != std::string::npos;
  // Most JSON is neither; a look for the name spares reading it.
  if (!is_json || (!is_graphql && body.bytes.find("\"jsonrpc\"") == std::string_view::npos)) return;
  json::ParseLimits limits;
  limits.nodes_max = kRequestNodesMax;
  const auto call = json::parse(body.bytes, limits);
  if (call.ok()) name_json_call(*call, is_graphql, out);
}

}  // namespace

bool may_name_operation(std::string_view method, std::string_view target) {
  if (method == "POST") return true;
  // Nearly every GET is settled by one look.
  return method == "GET" && target.find('?') != std::string_view::npos && is_graphql_path(target);
}

void read_operation(const model::RequestRecord& request, Operation& out) {
  out.clear();
  if (request.method == "GET") {
    const auto name = query_value(request.target, "operationName");
    const auto query = query_value(request.target, "query");
    return name_graphql(query.value_or(""), name.value_or(""), out);
  }
  const std::string_view type = field(request, "Content-Type");
  if (starts_with_ignoring_case(type, "application/grpc")) {
    out.is_grpc = true;
    return;
  }
  if (const auto target = field(request, "X-Amz-Target"); !target.empty()) {
    return set_name({}, target, out);
  }
  if (const auto action = unquoted(field(request, "SOAPAction")); !action.empty()) {
    return set_name({}, action, out);
  }
  if (starts_with_ignoring_case(type, "application/soap+xml")) {
    return set_name({}, soap_action(type), out);
  }
  name_by_body(request, type, out);
}

void write_endpoint(std::string_view method, std::string_view target, const Operation& operation,
                    std::string& out) {
  target = path_of(target);
  if (operation.is_grpc) {
    out.assign("gRPC ");
    out += target;
  } else {
    out.assign(method);
    out.push_back(' ');
    for (;;) {
      const std::size_t slash = target.find('/');
      append_segment(target.substr(0, slash), out);
      if (slash == std::string_view::npos) break;
      out.push_back('/');
      target.remove_prefix(slash + 1);
    }
  }
  // What names the operation outlives the cut: it is the more telling part.
  const std::size_t room =
      kEndpointBytesMax - (operation.name.empty() ? 0 : operation.name.size() + 1);
  if (out.size() > room) out = cut_shown(out, room);
  if (!operation.name.empty()) {
    out.push_back(' ');
    out += operation.name;
  }
}

std::string endpoint_of(std::string_view method, std::string_view target) {
  std::string out;
  write_endpoint(method, target, Operation{}, out);
  return out;
}

}  // namespace banyan::comparator
