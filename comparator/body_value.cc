// SPDX-License-Identifier: Apache-2.0
#include "comparator/body_value.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "comparator/body_diff.h"
#include "comparator/body_errors.h"
#include "core/base/hash.h"
#include "core/base/text.h"
#include "core/model/multipart.h"

namespace banyan::comparator {
namespace {

using json::Value;
using Type = Value::Type;

constexpr char kRecordSeparator = '\x1e';  // RFC 7464

std::size_t count_nodes(const Value& value) {
  std::size_t count = 1;
  for (const Value& item : value.items) count += count_nodes(item);
  for (const auto& [name, member] : value.members) count += count_nodes(member);
  return count;
}

// How many values there may still be.
class Room {
 public:
  Status take(std::size_t count) {
    if (count > left_) {
      return too_large_body("has more than " + std::to_string(kJsonNodesMax) + " values");
    }
    left_ -= count;
    return {};
  }
  Result<Value> parse(std::string_view text) {
    json::ParseLimits limits;
    limits.nodes_max = left_;
    auto value = json::parse(text, limits);
    if (value.ok()) BANYAN_RETURN_IF_ERROR(take(count_nodes(*value)));
    return value;
  }

 private:
  std::size_t left_ = kJsonNodesMax;
};

// Collects values under names; one that comes again makes an array of them.
class NamedValues {
 public:
  void add(std::string name, Value value) {
    const auto [found, is_new] = places_.emplace(std::move(name), object_.members.size());
    if (is_new) {
      object_.members.emplace_back(found->first, std::move(value));
      is_list_.push_back(false);
      return;
    }
    Value& held = object_.members[found->second].second;
    if (!is_list_[found->second]) {
      Value list = Value::of_type(Type::kArray);
      list.items.push_back(std::move(held));
      held = std::move(list);
      is_list_[found->second] = true;
    }
    held.items.push_back(std::move(value));
  }
  Value take() { return std::move(object_); }

 private:
  Value object_ = Value::of_type(Type::kObject);
  std::map<std::string, std::size_t> places_;  // a tree: nobody can make its names collide
  std::vector<bool> is_list_;
};

// application/x-www-form-urlencoded, as the URL standard reads it, but for bytes that are no text.
Result<Value> read_form(std::string_view body) {
  Room room;
  NamedValues fields;
  const auto decoded = [](std::string_view text) -> std::optional<std::string> {
    std::string spaced(text);
    std::replace(spaced.begin(), spaced.end(), '+', ' ');
    auto out = percent_decode(spaced);
    return out && is_utf8(*out) ? out : std::nullopt;
  };
  std::size_t number = 0;
  for (const std::string_view pair : split(body, '&')) {
    ++number;
    if (pair.empty()) continue;
    BANYAN_RETURN_IF_ERROR(room.take(1));
    const std::size_t equals = pair.find('=');
    auto name = decoded(pair.substr(0, equals));
    auto value = decoded(equals == std::string_view::npos ? "" : pair.substr(equals + 1));
    if (!name || !value) {
      return malformed_body("is no form: field " + std::to_string(number) +
                            " is not percent-encoded UTF-8");
    }
    fields.add(*std::move(name), Value::of_text(*std::move(value)));
  }
  return fields.take();
}

// Bytes that are no text are told by their size and hash: that they differ is seen, not where.
Value part_content(const model::MultipartPart& part, Room& room) {
  const std::string type = to_lower(part.content_type.substr(0, part.content_type.find(';')));
  if (part.is_readable && (trim(type) == "application/json" || trim(type).ends_with("+json"))) {
    auto value = room.parse(part.content);
    if (value.ok()) return *std::move(value);
  }
  if (is_utf8(part.content)) return Value::of_text(std::string(part.content));
  const Digest128 digest = xxh3_128(part.content, 0);
  return Value::of_text(std::to_string(part.content.size()) + " bytes, hash " +
                        std::to_string(digest.high) + std::to_string(digest.low));
}

Result<Value> read_multipart(std::string_view body, std::string_view content_type) {
  const auto parsed = model::parse_multipart(body, content_type);
  if (!parsed) return malformed_body("is no multipart body of its boundary");
  const bool has_names = std::all_of(parsed->parts.begin(), parsed->parts.end(),
                                     [](const auto& part) { return !part.name.empty(); });
  Room room;
  NamedValues named;
  Value list = Value::of_type(Type::kArray);
  for (const model::MultipartPart& part : parsed->parts) {
    BANYAN_RETURN_IF_ERROR(room.take(4));
    Value value = Value::of_type(Type::kObject);
    value.members.emplace_back("content", part_content(part, room));
    const auto add = [&value](const char* name, std::string_view text) {
      if (!text.empty())
        value.members.emplace_back(name, Value::of_text(escape_for_terminal(text)));
    };
    add("type", part.content_type);
    add("file_name", part.file_name);
    if (has_names) {
      named.add(escape_for_terminal(part.name), std::move(value));
    } else {
      list.items.push_back(std::move(value));
    }
  }
  return has_names ? named.take() : std::move(list);
}

// One line behind the other, whatever ends it: LF, CR LF or, for events, CR.
class Lines {
 public:
  Lines(std::string_view text, bool ends_at_cr) : rest_(text), ends_at_cr_(ends_at_cr) {}
  // `is_ended`: the line has its end.
  bool next(std::string_view& line, bool& is_ended) {
    if (rest_.empty()) return false;
    const std::size_t end = rest_.find_first_of(ends_at_cr_ ? "\r\n" : "\n");
    line = rest_.substr(0, end);
    is_ended = end != std::string_view::npos;
    const bool is_pair = is_ended && rest_.substr(end).starts_with("\r\n");
    rest_.remove_prefix(is_ended ? end + (is_pair ? 2 : 1) : rest_.size());
    return true;
  }

 private:
  std::string_view rest_;
  bool ends_at_cr_;
};

Result<Value> read_lines(std::string_view body) {
  Room room;
  Value list = Value::of_type(Type::kArray);
  Lines lines(body, false);
  std::string_view line;
  bool is_ended = false;
  for (std::size_t number = 1; lines.next(line, is_ended); ++number) {
    if (line.starts_with(kRecordSeparator)) line.remove_prefix(1);
    if (trim(line).find_first_not_of('\r') == std::string_view::npos) continue;
    auto value = room.parse(line);
    if (!value.ok()) {
      if (value.error().code == ErrorCode::kExhausted) return value.error();
      return malformed_body("line " + std::to_string(number) + ": " + value.error().message);
    }
    list.items.push_back(*std::move(value));
  }
  BANYAN_RETURN_IF_ERROR(room.take(1));
  return list;
}

// One event in the making (HTML standard, "Interpreting an event stream"). Comments and `retry` are
// left out; so is what the standard carries from one event to the next.
struct Event {
  std::string_view name;
  std::string_view id;
  std::string data;
  bool has_id = false;
  bool has_data = false;

  void take(std::string_view line) {
    const std::size_t colon = line.find(':');
    const std::string_view field = line.substr(0, colon);
    std::string_view value = colon == std::string_view::npos ? "" : line.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (field == "event") {
      name = value;
    } else if (field == "id") {
      id = value;
      has_id = true;
    } else if (field == "data") {
      if (has_data) data += '\n';
      data += value;
      has_data = true;
    }
  }
  Result<Value> value(Room& room) const {
    BANYAN_RETURN_IF_ERROR(room.take(4));
    Value out = Value::of_type(Type::kObject);
    if (!name.empty()) out.members.emplace_back("event", Value::of_text(std::string(name)));
    if (has_id) out.members.emplace_back("id", Value::of_text(std::string(id)));
    const std::size_t first = data.find_first_not_of(" \t\n");
    const bool is_json = first != std::string::npos && (data[first] == '{' || data[first] == '[');
    auto parsed = is_json ? room.parse(data) : Result<Value>(Value::of_text(data));
    if (!parsed.ok() && parsed.error().code == ErrorCode::kExhausted) return parsed.error();
    out.members.emplace_back("data", parsed.ok() ? *std::move(parsed) : Value::of_text(data));
    return out;
  }
};

// An event without the empty line behind it is one as well: whether a stream ended early is told by
// how the answer ended, and what came of it counts.
Result<Value> read_events(std::string_view body) {
  if (!is_utf8(body)) return malformed_body("is no stream of events: it is not UTF-8");
  if (body.starts_with("\xEF\xBB\xBF")) body.remove_prefix(3);
  Room room;
  Value list = Value::of_type(Type::kArray);
  Event event;
  const auto dispatch = [&]() -> Status {
    if (event.has_data) {
      auto value = event.value(room);
      if (!value.ok()) return value.error();
      list.items.push_back(*std::move(value));
    }
    event = Event();
    return {};
  };
  Lines lines(body, true);
  std::string_view line;
  bool is_ended = false;
  while (lines.next(line, is_ended)) {
    if (line.empty()) {
      BANYAN_RETURN_IF_ERROR(dispatch());
    } else {
      event.take(line);
    }
  }
  BANYAN_RETURN_IF_ERROR(dispatch());
  return list;
}

}  // namespace

BodyForm form_of(std::string_view media_type) {
  if (media_type == "application/x-www-form-urlencoded") return BodyForm::kForm;
  if (media_type.starts_with("multipart/")) return BodyForm::kMultipart;
  if (media_type == "text/event-stream") return BodyForm::kEvents;
  for (const std::string_view lines :
       {"application/x-ndjson", "application/ndjson", "application/jsonl",
        "application/x-jsonlines", "application/json-lines", "application/json-seq"}) {
    if (media_type == lines) return BodyForm::kLines;
  }
  return BodyForm::kOther;
}

Result<Value> read_value(BodyForm form, std::string_view body, std::string_view content_type) {
  switch (form) {
    case BodyForm::kForm: return read_form(body);
    case BodyForm::kMultipart: return read_multipart(body, content_type);
    case BodyForm::kLines: return read_lines(body);
    case BodyForm::kEvents: return read_events(body);
    case BodyForm::kOther: break;
  }
  return malformed_body("is of no form that is read");
}

}  // namespace banyan::comparator
