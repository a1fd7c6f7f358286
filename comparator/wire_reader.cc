// SPDX-License-Identifier: Apache-2.0
#include "comparator/wire_reader.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <utility>

#include "comparator/body_errors.h"
#include "comparator/decimal.h"
#include "comparator/wire_value.h"
#include "core/base/text.h"

namespace banyan::comparator {
namespace {

using json::Value;
using Type = Value::Type;
using Messages = WireMessages;

bool is_printable(std::string_view bytes) {
  return is_utf8(bytes) && std::none_of(bytes.begin(), bytes.end(), [](char c) {
           const auto byte = static_cast<unsigned char>(c);
           return (byte < 0x20 && c != '\t' && c != '\n' && c != '\r') || byte == 0x7f;
         });
}

// The white space that opens it is also the tag of a first field.
bool may_open_a_message(std::string_view bytes) {
  return bytes.starts_with('\t') || bytes.starts_with('\n') || bytes.starts_with('\r');
}

enum class Content { kText, kMessage, kHex };

Content guess_content(const Messages& legacy, const Messages& candidate, std::size_t depth) {
  const auto all = [&](auto test) {
    return std::all_of(legacy.begin(), legacy.end(), test) &&
           std::all_of(candidate.begin(), candidate.end(), test);
  };
  const bool is_text = all(is_printable);
  if (is_text && all([](std::string_view bytes) { return !may_open_a_message(bytes); })) {
    return Content::kText;
  }
  const auto is_message = [](std::string_view bytes) { return fields_of(bytes).has_value(); };
  if (depth < kWireDepthMax && all(is_message)) return Content::kMessage;
  return is_text ? Content::kText : Content::kHex;
}

// Zero, or neither huge nor tiny, as measured values are; integers taken for one are tiny.
bool is_sensible(double number) {
  if (number == 0) return !std::signbit(number);
  return std::isfinite(number) && std::fabs(number) > 1e-9 && std::fabs(number) < 1e15;
}

double as_double(const WireField& field) {
  return field.wire == Wire::kFixed64
             ? std::bit_cast<double>(field.value)
             : static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(field.value)));
}

template <typename Occurrences>
Messages bytes_at(const Occurrences& occurrences, Wire wire) {
  Messages out;
  for (const auto& occurrence : occurrences) {
    if (occurrence.field.wire == wire) out.push_back(occurrence.field.bytes);
  }
  return out;
}

template <typename Place>
bool is_sensible_at(const Place& place) {
  const auto is_fine = [](const auto& occurrence) {
    const Wire wire = occurrence.field.wire;
    return (wire != Wire::kFixed64 && wire != Wire::kFixed32) ||
           is_sensible(as_double(occurrence.field));
  };
  return std::all_of(place.legacy.begin(), place.legacy.end(), is_fine) &&
         std::all_of(place.candidate.begin(), place.candidate.end(), is_fine);
}

}  // namespace

Value wire_number(const WireField& field, bool is_float) {
  Value value = Value::of_type(Type::kNumber);
  if (!is_float || field.wire == Wire::kVarint) {
    value.text = std::to_string(field.value);
  } else if (field.wire == Wire::kFixed64) {
    value.text = shortest_text(std::bit_cast<double>(field.value));
  } else {
    value.text = shortest_text(std::bit_cast<float>(static_cast<std::uint32_t>(field.value)));
  }
  return value;
}

Status WireReader::take(std::size_t count) {
  if (count > left_) {
    return too_large_body("has more than " + std::to_string(kJsonNodesMax) + " fields");
  }
  left_ -= count;
  return {};
}

Result<WireReader::Values> WireReader::read(const Messages& legacy, const Messages& candidate,
                                            std::size_t depth, const MessageType* type) {
  if (type != nullptr && type->name == "google.protobuf.Any") {
    return read_any(legacy, candidate, depth);
  }
  const bool tells_defaults = type != nullptr && (tells_defaults_ || type->is_map_entry);
  if (tells_defaults) {
    // Before anything is read: they may be far more than what was sent.
    const std::size_t messages = legacy.size() + candidate.size();
    BANYAN_RETURN_IF_ERROR(take(messages * defaults_of(*type)));
  }
  auto left = split(legacy);
  if (!left.ok()) return left.error();
  auto right = split(candidate);
  if (!right.ok()) return right.error();
  std::map<std::uint64_t, Place> places;
  const auto note = [&places](const Split& messages, Occurrences Place::*side) {
    for (std::size_t i = 0; i < messages.size(); ++i) {
      for (const WireField& field : messages[i]) (places[field.number].*side).push_back({i, field});
    }
  };
  note(*left, &Place::legacy);
  note(*right, &Place::candidate);
  Values out;
  out.legacy.assign(legacy.size(), Value::of_type(Type::kObject));
  out.candidate.assign(candidate.size(), Value::of_type(Type::kObject));
  for (auto& [number, place] : places) {
    if (const MessageField* field = type == nullptr ? nullptr : type->field(number)) {
      BANYAN_RETURN_IF_ERROR(fill_typed(*field, place, depth, out));
    }
    if (place.legacy.empty() && place.candidate.empty()) continue;
    BANYAN_RETURN_IF_ERROR(fill(number, place, depth, out));
  }
  if (tells_defaults) {
    fill_defaults(*type, out.legacy);
    fill_defaults(*type, out.candidate);
  }
  return out;
}

Result<WireReader::Split> WireReader::split(const Messages& messages) {
  Split out;
  for (const std::string_view message : messages) {
    auto fields = fields_of(message);
    if (!fields) return malformed_body("holds no Protocol Buffers message");
    BANYAN_RETURN_IF_ERROR(take(fields->size() + 1));
    out.push_back(*std::move(fields));
  }
  return out;
}

// The values of one field, into the messages that have it.
Status WireReader::fill(std::uint64_t number, const Place& place, std::size_t depth, Values& out) {
  auto values = values_of(place, depth);
  if (!values.ok()) return values.error();
  const std::string name = "f" + std::to_string(number);
  const auto comes_again = [](const Occurrence& a, const Occurrence& b) {
    return a.message == b.message;
  };
  const auto has_several = [&](const Occurrences& side) {
    return std::adjacent_find(side.begin(), side.end(), comes_again) != side.end();
  };
  const bool is_repeated = has_several(place.legacy) || has_several(place.candidate);
  const auto put = [&](const Occurrences& from, std::vector<Value>& given,
                       std::vector<Value>& messages) {
    for (std::size_t i = 0; i < from.size(); ++i) {
      auto& members = messages[from[i].message].members;
      if (!is_repeated) {
        members.emplace_back(name, std::move(given[i]));
        continue;
      }
      if (members.empty() || members.back().first != name) {
        members.emplace_back(name, Value::of_type(Type::kArray));
      }
      members.back().second.items.push_back(std::move(given[i]));
    }
  };
  put(place.legacy, values->legacy, out.legacy);
  put(place.candidate, values->candidate, out.candidate);
  return {};
}

Result<WireReader::Values> WireReader::values_of(const Place& place, std::size_t depth) {
  const auto held = [&place](Wire wire) {
    return std::pair(bytes_at(place.legacy, wire), bytes_at(place.candidate, wire));
  };
  const auto groups = held(Wire::kGroup);
  const auto bytes = held(Wire::kBytes);
  const bool has_groups = !groups.first.empty() || !groups.second.empty();
  // A group and a message of the same fields are not the same to those who read them.
  const Content content =
      guess_content(bytes.first, bytes.second, has_groups ? kWireDepthMax : depth);
  const bool reads_groups = has_groups && depth < kWireDepthMax;
  Values messages;
  if (content == Content::kMessage || reads_groups) {
    const auto& [legacy, candidate] = reads_groups ? groups : bytes;
    auto read_below = read(legacy, candidate, depth + 1, nullptr);
    if (!read_below.ok()) return read_below.error();
    messages = *std::move(read_below);
  }
  const bool is_float = is_sensible_at(place);
  const auto all = [&](const Occurrences& from, std::vector<Value>& below) {
    std::vector<Value> out;
    std::size_t next = 0;
    for (const Occurrence& occurrence : from) {
      const WireField& field = occurrence.field;
      const bool is_group = field.wire == Wire::kGroup;
      if (!is_group && field.wire != Wire::kBytes) {
        out.push_back(wire_number(field, is_float));
      } else if (is_group ? reads_groups : content == Content::kMessage) {
        out.push_back(std::move(below[next++]));
      } else {
        const bool is_text = content == Content::kText && !is_group;
        out.push_back(
            Value::of_text(is_text ? std::string(field.bytes) : hex_of_bytes(field.bytes)));
      }
    }
    return out;
  };
  Values out;
  out.legacy = all(place.legacy, messages.legacy);
  out.candidate = all(place.candidate, messages.candidate);
  return out;
}

}  // namespace banyan::comparator
