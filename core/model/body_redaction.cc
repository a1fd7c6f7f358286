// SPDX-License-Identifier: Apache-2.0
#include "core/model/body_redaction.h"

#include <algorithm>
#include <utility>

#include "core/base/text.h"
#include "core/codec/content_encoding.h"
#include "core/model/json_redaction.h"
#include "core/model/multipart.h"

namespace banyan::model {
namespace {

enum class BodyForm { kOther, kJson, kJsonLines, kForm, kMultipart };

BodyForm form_of(std::string_view content_type, std::string_view body) {
  const std::string type = to_lower(trim(content_type.substr(0, content_type.find(';'))));
  if (type == "application/x-www-form-urlencoded") return BodyForm::kForm;
  if (type.starts_with("multipart/")) return BodyForm::kMultipart;
  if (type == "application/x-ndjson" || type == "application/ndjson" ||
      type == "application/jsonl" || type == "application/jsonlines") {
    return BodyForm::kJsonLines;
  }
  if (type == "application/json" || type.ends_with("+json") || type == "text/json") {
    return BodyForm::kJson;
  }
  const auto first = body.find_first_not_of(" \t\r\n");
  const bool begins_like_json =
      first != std::string_view::npos && (body[first] == '{' || body[first] == '[');
  return begins_like_json ? BodyForm::kJson : BodyForm::kOther;
}

// All codings in the order in which they were applied; "" for none.
std::string coding_of(const http::HeaderList& fields) {
  std::string codings;
  for (const http::Header& field : fields) {
    if (!equal_ignoring_case(field.name, "Content-Encoding")) continue;
    if (trim(field.value).empty() || equal_ignoring_case(trim(field.value), "identity")) continue;
    if (!codings.empty()) codings += ',';
    codings.append(field.value);
  }
  return codings;
}

// True: nothing that the pattern would find stands in `body`, however it is written there.
bool shows_no_match(std::string_view body, BodyForm form, const SecretPatterns& patterns) {
  switch (form) {
    case BodyForm::kMultipart: return false;  // A part may have a coding of its own.
    case BodyForm::kForm:
      if (body.find_first_of("%+") != std::string_view::npos) return false;
      break;
    case BodyForm::kJson:
    case BodyForm::kJsonLines:
      if (body.find("\\u") != std::string_view::npos) return false;
      break;
    case BodyForm::kOther: break;
  }
  return !patterns.may_match(body, kInBody);
}

// A "%" that begins no escape stands for itself.
std::string decode_loosely(std::string_view text, bool is_plus_space) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
  };
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 &&
        digit(text[i + 2]) >= 0) {
      out += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
      i += 2;
    } else {
      out += is_plus_space && text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

void append_escape(char c, std::string& out) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  const auto byte = static_cast<unsigned char>(c);
  out.append({'%', kHex[byte >> 4], kHex[byte & 15]});
}

std::string encode_again(std::string_view text) {
  constexpr std::string_view kPlain = "-._~:@,!'()*";
  std::string out;
  for (const char c : text) {
    const bool is_word = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
    if (is_word || kPlain.find(c) != std::string_view::npos) {
      out += c;
    } else {
      append_escape(c, out);
    }
  }
  return out;
}

// Only what may not stand in a field.
std::string encode_controls(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte >= 0x7f || c == '%') {
      append_escape(c, out);
    } else {
      out += c;
    }
  }
  return out;
}

// One percent-encoded piece through the patterns.
bool replace_encoded(std::string_view piece, bool is_plus_space, const SecretPatterns& patterns,
                     SecretPlace place, const TokenOf& token_of, std::size_t& matches_left,
                     ReplacedText& out) {
  if (!patterns.has(place) || piece.empty()) return false;
  const bool is_plain = piece.find_first_of(is_plus_space ? "%+" : "%") == std::string_view::npos;
  const std::string decoded = is_plain ? std::string() : decode_loosely(piece, is_plus_space);
  const std::string_view text = is_plain ? piece : std::string_view(decoded);
  if (!patterns.replace(text, place, token_of, matches_left, out)) return false;
  out.text = encode_again(out.text);
  out.to_send = out.dropped > 0 ? encode_again(out.to_send) : std::string(piece);
  return true;
}

class BodyRedaction {
 public:
  explicit BodyRedaction(const BodyRules& rules) : rules_(rules), json_(rules, matches_left_) {}

  RedactedText redact(std::string_view body, std::string_view content_type) {
    const BodyForm form = form_of(content_type, body);
    RedactedText result;
    if (rules_.paths.empty() && shows_no_match(body, form, rules_.patterns)) return result;
    switch (form) {
      case BodyForm::kJson: result = redact_json(body, json_.start()); break;
      case BodyForm::kJsonLines: result = redact_lines(body); break;
      case BodyForm::kForm: result = redact_form(body); break;
      case BodyForm::kMultipart: result = redact_multipart(body, content_type); break;
      case BodyForm::kOther: result = redact_text(body); break;
    }
    if (matches_left_ == 0) result.is_unreadable = true;
    return result;
  }

 private:
  RedactedText redact_text(std::string_view text) {
    RedactedText result;
    ReplacedText replaced;
    if (!rules_.patterns.has(kInBody) ||
        !rules_.patterns.replace(text, kInBody, rules_.token_of, matches_left_, replaced)) {
      return result;
    }
    result.is_changed = true;
    result.text = std::move(replaced.text);
    result.to_send = replaced.dropped > 0 ? std::move(replaced.to_send) : std::string(text);
    result.dropped = replaced.dropped;
    return result;
  }

  RedactedText redact_json(std::string_view text, const JsonRedaction::States& states) {
    RedactedText result = json_.redact(text, states);
    // Text that only looks like JSON: without a backslash it stands there as it is.
    const bool is_plain_text =
        result.is_unreadable && rules_.paths.empty() && text.find('\\') == std::string_view::npos;
    return is_plain_text ? redact_text(text) : result;
  }

  // Adds what became of one piece of the body to that of the whole.
  static void add(const RedactedText& piece, std::string_view original, RedactedText& whole) {
    whole.is_changed |= piece.is_changed;
    whole.is_unreadable |= piece.is_unreadable;
    whole.dropped += piece.dropped;
    whole.text.append(piece.is_changed ? std::string_view(piece.text) : original);
    whole.to_send.append(piece.is_changed ? std::string_view(piece.to_send) : original);
  }

  RedactedText redact_lines(std::string_view body) {
    RedactedText result;
    const auto states = json_.start();
    while (!body.empty() && !result.is_unreadable && matches_left_ > 0) {
      const std::size_t end = std::min(body.find('\n'), body.size());
      const std::string_view line = body.substr(0, end);
      const bool is_blank = line.find_first_not_of(" \t\r") == std::string_view::npos;
      add(is_blank ? RedactedText() : redact_json(line, states), line, result);
      add({}, body.substr(end, 1), result);
      body.remove_prefix(std::min(end + 1, body.size()));
    }
    return result;
  }

  RedactedText redact_form(std::string_view body) {
    const auto decide = [this](std::string_view name) { return redaction_of(name); };
    return redact_pairs(body, decide, rules_.patterns, kInBody, rules_.token_of, matches_left_);
  }

  Redaction redaction_of(std::string_view name) const {
    const std::string member(name);
    return json_.decide(json_.enter(json_.start(), &member));
  }

  RedactedText redact_multipart(std::string_view body, std::string_view content_type) {
    RedactedText result;
    const auto parsed = parse_multipart(body, content_type);
    if (!parsed) {
      result.is_unreadable = true;
      return result;
    }
    add(redact_text(parsed->preamble), parsed->preamble, result);
    for (const MultipartPart& part : parsed->parts) {
      if (!part.is_readable) result.is_unreadable = true;
      if (result.is_unreadable || matches_left_ == 0) break;
      redact_part(part, result);
    }
    add(redact_text(parsed->closing), parsed->closing, result);
    // The line end before a delimiter belongs to the part before it, which may be dropped.
    if (parsed->preamble.empty() && result.to_send.starts_with("\r\n")) result.to_send.erase(0, 2);
    return result;
  }

  void redact_part(const MultipartPart& part, RedactedText& result) {
    const Redaction decision = redaction_of(part.name);
    if (decision == Redaction::kNone) {
      add({}, part.delimiter, result);
      add(redact_text(part.headers), part.headers, result);
      add(redact_content(part), part.content, result);
      return;
    }
    result.is_changed = true;
    result.text.append(part.delimiter).append(part.headers).append(rules_.token_of(part.content));
    if (decision == Redaction::kDrop) {
      ++result.dropped;
    } else {
      result.to_send.append(part.delimiter).append(part.headers).append(part.content);
    }
  }

  // A part may be JSON itself; a form is an object of its parts.
  RedactedText redact_content(const MultipartPart& part) {
    const BodyForm form = form_of(part.content_type, part.content);
    const bool is_json = form == BodyForm::kJson || form == BodyForm::kJsonLines;
    if (!is_json) return redact_text(part.content);
    return redact_json(part.content, json_.enter(json_.start(), &part.name));
  }

  const BodyRules& rules_;
  // With one more than may be, the limit itself still passes.
  std::size_t matches_left_ = SecretPatterns::kMatchesMax + 1;
  JsonRedaction json_;
};

RedactedText redact_encoded(std::string_view body, const std::string& coding,
                            std::string_view content_type, const BodyRules& rules) {
  RedactedText result;
  result.is_unreadable = true;
  const auto plain = codec::decode_content(coding, body, kRedactionDecodeLimits);
  if (!plain.ok()) return result;
  RedactedText inner = BodyRedaction(rules).redact(*plain, content_type);
  if (inner.is_unreadable) return result;
  if (!inner.is_changed) return {};
  // In its coding again, so that the fields beside it still tell the truth.
  auto text = codec::encode_content(coding, inner.text);
  auto to_send = inner.dropped > 0 ? codec::encode_content(coding, inner.to_send)
                                   : Result<std::string>(std::string(body));
  if (!text.ok() || !to_send.ok()) return result;
  inner.text = *std::move(text);
  inner.to_send = *std::move(to_send);
  return inner;
}

}  // namespace

RedactedText redact_pairs(std::string_view pairs, const DecideByName& decide,
                          const SecretPatterns& patterns, SecretPlace place,
                          const TokenOf& token_of, std::size_t& matches_left) {
  RedactedText result;
  bool is_first_sent = true;
  bool is_first = true;
  const auto match = [&](std::string_view piece, std::string& to_send) {
    ReplacedText replaced;
    if (!replace_encoded(piece, true, patterns, place, token_of, matches_left, replaced)) {
      result.text += piece;
      to_send += piece;
      return;
    }
    result.is_changed = true;
    result.dropped += replaced.dropped;
    result.text += replaced.text;
    to_send += replaced.to_send;
  };
  for (const std::string_view pair : split(pairs, '&')) {
    const auto equals = pair.find('=');
    const std::string_view raw_name = pair.substr(0, equals);
    const bool has_value = equals != std::string_view::npos;
    const Redaction decision =
        has_value ? decide(decode_loosely(raw_name, true)) : Redaction::kNone;
    if (!is_first) result.text += '&';
    is_first = false;
    std::string to_send;
    match(raw_name, to_send);
    if (has_value) {
      const std::string_view value = pair.substr(equals + 1);
      result.text += '=';
      to_send += '=';
      if (decision == Redaction::kNone) {
        match(value, to_send);
      } else {
        result.is_changed = true;
        result.text += token_of(value);
        to_send += value;
      }
    }
    if (decision == Redaction::kDrop) {
      ++result.dropped;
      continue;
    }
    if (!is_first_sent) result.to_send += '&';
    is_first_sent = false;
    result.to_send += to_send;
  }
  return result;
}

RedactedText redact_path(std::string_view path, const SecretPatterns& patterns,
                         const TokenOf& token_of, std::size_t& matches_left) {
  RedactedText result;
  bool is_first = true;
  for (const std::string_view segment : split(path, '/')) {
    if (!is_first) {
      result.text += '/';
      result.to_send += '/';
    }
    is_first = false;
    ReplacedText replaced;
    if (replace_encoded(segment, false, patterns, kInPath, token_of, matches_left, replaced)) {
      result.is_changed = true;
      result.dropped += replaced.dropped;
      result.text += replaced.text;
      result.to_send += replaced.to_send;
    } else {
      result.text += segment;
      result.to_send += segment;
    }
  }
  return result;
}

RedactedText redact_field(std::string_view value, const SecretPatterns& patterns,
                          const TokenOf& token_of, std::size_t& matches_left) {
  RedactedText result;
  ReplacedText replaced;
  // References (Referer, Location …) hold what they say percent-encoded.
  const bool has_escape = value.find('%') != std::string_view::npos;
  const std::string decoded = has_escape ? decode_loosely(value, false) : std::string();
  const auto replace = [&](std::string_view text) {
    return patterns.replace(text, kInHeaders, token_of, matches_left, replaced);
  };
  if (has_escape && replace(decoded)) {
    result.text = encode_controls(replaced.text);
    result.to_send = encode_controls(replaced.to_send);
  } else if (replace(value)) {
    result.text = std::move(replaced.text);
    result.to_send = std::move(replaced.to_send);
  } else {
    return result;
  }
  result.is_changed = true;
  result.dropped = replaced.dropped;
  if (result.dropped == 0) result.to_send = value;
  return result;
}

RedactedText redact_body(std::string_view body, std::string_view content_type,
                         const http::HeaderList& fields, const BodyRules& rules) {
  const std::string coding = coding_of(fields);
  if (coding.empty()) return BodyRedaction(rules).redact(body, content_type);
  return redact_encoded(body, coding, content_type, rules);
}

bool is_body_clean(std::string_view body, const http::HeaderList& fields,
                   const SecretPatterns& patterns) {
  if (body.empty() || !patterns.has(kInBody)) return true;
  if (!coding_of(fields).empty()) return false;
  const auto type = http::find_header(fields, "content-type").value_or(std::string_view());
  return shows_no_match(body, form_of(type, body), patterns);
}

}  // namespace banyan::model
