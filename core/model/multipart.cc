// SPDX-License-Identifier: Apache-2.0
#include "core/model/multipart.h"

#include "core/base/text.h"

namespace banyan::model {
namespace {

constexpr std::size_t kBoundaryBytesMax = 200;  // RFC 2046 has 70

// The value of a parameter behind the first ";": `name=token` or `name="quoted"`.
std::optional<std::string> parameter(std::string_view value, std::string_view wanted) {
  std::size_t at = value.find(';');
  while (at < value.size()) {
    ++at;
    const std::size_t equals = value.find_first_of("=;", at);
    if (equals == std::string_view::npos) return std::nullopt;
    const std::string_view name = trim(value.substr(at, equals - at));
    at = equals;
    if (value[equals] == ';') continue;
    std::string text;
    ++at;
    while (at < value.size() && (value[at] == ' ' || value[at] == '\t')) ++at;
    if (at < value.size() && value[at] == '"') {
      for (++at; at < value.size() && value[at] != '"'; ++at) {
        if (value[at] == '\\' && at + 1 < value.size()) ++at;
        text += value[at];
      }
      if (at == value.size()) return std::nullopt;
      at = value.find(';', at);
    } else {
      const std::size_t end = value.find(';', at);
      text = trim(value.substr(at, end == std::string_view::npos ? end : end - at));
      at = end;
    }
    if (equal_ignoring_case(name, wanted)) return text;
  }
  return std::nullopt;
}

void read_header(std::string_view line, MultipartPart& part) {
  const std::size_t colon = line.find(':');
  const std::string_view name = trim(line.substr(0, colon));
  const std::string_view value =
      colon == std::string_view::npos ? std::string_view() : trim(line.substr(colon + 1));
  if (equal_ignoring_case(name, "content-disposition")) {
    if (parameter(value, "name*")) part.is_readable = false;
    part.name = parameter(value, "name").value_or("");
    part.file_name = parameter(value, "filename").value_or("");
    // Browsers write a quote in a name as %22.
    for (std::size_t at = 0; (at = part.name.find("%22", at)) != std::string::npos; ++at) {
      part.name.replace(at, 3, "\"");
    }
  } else if (equal_ignoring_case(name, "content-type")) {
    part.content_type = value;
  } else if (equal_ignoring_case(name, "content-transfer-encoding")) {
    const bool is_plain = equal_ignoring_case(value, "binary") ||
                          equal_ignoring_case(value, "8bit") || equal_ignoring_case(value, "7bit");
    part.is_readable = part.is_readable && is_plain;
  }
}

// Splits "headers, empty line, content"; false where there is no empty line.
bool read_part(std::string_view bytes, MultipartPart& part) {
  std::size_t at = 0;
  while (true) {
    const std::size_t end = bytes.find('\n', at);
    if (end == std::string_view::npos) return false;
    std::string_view line = bytes.substr(at, end - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    at = end + 1;
    if (line.empty()) break;
    if (line[0] == ' ' || line[0] == '\t') part.is_readable = false;  // folded
    read_header(line, part);
  }
  part.headers = bytes.substr(0, at);
  part.content = bytes.substr(at);
  return true;
}

// Lines that begin with "--boundary".
class Delimiters {
 public:
  Delimiters(std::string_view body, std::string_view boundary)
      : body_(body), mark_("--" + std::string(boundary)) {}

  enum class Kind { kNone, kPart, kClosing, kWrong };
  struct Delimiter {
    Kind kind = Kind::kNone;
    std::size_t begin = 0, end = 0;  // with the line end before it and, of a part, behind it
  };

  Delimiter next(std::size_t from) const {
    Delimiter found;
    std::size_t at = from;
    while (true) {
      at = body_.find(mark_, at);
      if (at == std::string_view::npos) return found;
      if (at == 0 || body_[at - 1] == '\n') break;
      at += 2;
    }
    found.begin = at;
    if (found.begin > from) --found.begin;
    if (found.begin > from && body_[found.begin - 1] == '\r') --found.begin;
    at += mark_.size();
    if (body_.substr(at).starts_with("--")) {
      found.kind = Kind::kClosing;
      found.end = body_.size();
      return found;
    }
    while (at < body_.size() && (body_[at] == ' ' || body_[at] == '\t')) ++at;
    if (body_.substr(at).starts_with("\r")) ++at;
    found.kind = body_.substr(at).starts_with("\n") ? Kind::kPart : Kind::kWrong;
    found.end = at + 1;
    return found;
  }

 private:
  std::string_view body_;
  std::string mark_;
};

}  // namespace

std::optional<Multipart> parse_multipart(std::string_view body, std::string_view content_type) {
  const auto boundary = parameter(content_type, "boundary");
  if (!boundary || boundary->empty() || boundary->size() > kBoundaryBytesMax) return std::nullopt;
  using Kind = Delimiters::Kind;
  const Delimiters delimiters(body, *boundary);
  Multipart parsed;
  Delimiters::Delimiter opening = delimiters.next(0);
  parsed.preamble = body.substr(0, opening.begin);
  while (opening.kind == Kind::kPart && parsed.parts.size() < kMultipartPartsMax) {
    const Delimiters::Delimiter ending = delimiters.next(opening.end);
    if (ending.kind == Kind::kNone) return std::nullopt;
    MultipartPart part;
    part.delimiter = body.substr(opening.begin, opening.end - opening.begin);
    if (!read_part(body.substr(opening.end, ending.begin - opening.end), part)) return std::nullopt;
    parsed.parts.push_back(std::move(part));
    opening = ending;
  }
  if (opening.kind != Kind::kClosing) return std::nullopt;
  parsed.closing = body.substr(opening.begin);
  return parsed;
}

}  // namespace banyan::model
