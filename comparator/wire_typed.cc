// SPDX-License-Identifier: Apache-2.0
//
// WireReader: fields whose type is known.
#include <algorithm>
#include <bit>
#include <cmath>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "comparator/body_errors.h"
#include "comparator/wire_reader.h"
#include "comparator/wire_value.h"
#include "core/base/bytes.h"
#include "core/base/text.h"

namespace banyan::comparator {
namespace {

using json::Value;
using Type = Value::Type;

// How a single value stands on the wire.
Wire wire_of(FieldType type) {
  switch (type) {
    case FieldType::kDouble:
    case FieldType::kFixed64:
    case FieldType::kSfixed64: return Wire::kFixed64;
    case FieldType::kFloat:
    case FieldType::kFixed32:
    case FieldType::kSfixed32: return Wire::kFixed32;
    case FieldType::kString:
    case FieldType::kMessage:
    case FieldType::kBytes: return Wire::kBytes;
    case FieldType::kGroup: return Wire::kGroup;
    default: return Wire::kVarint;
  }
}

bool stands_as(const MessageField& field, const WireField& found) {
  const Wire wire = wire_of(field.type);
  const bool may_be_packed = field.is_repeated && wire != Wire::kGroup;
  return found.wire == wire || (may_be_packed && found.wire == Wire::kBytes);
}

// The values of a packed field; nullopt where its bytes are none.
std::optional<std::vector<WireField>> unpacked(const WireField& packed, Wire wire) {
  std::vector<WireField> out;
  ByteReader reader(packed.bytes);
  while (reader.ok() && reader.remaining() > 0) {
    WireField& field = out.emplace_back(WireField{packed.number, wire, 0, {}});
    field.value = wire == Wire::kVarint    ? reader.varint()
                  : wire == Wire::kFixed64 ? reader.u64()
                                           : reader.u32();
  }
  return reader.ok() ? std::optional(std::move(out)) : std::nullopt;
}

Value number_value(std::string text) {
  Value out = Value::of_type(Type::kNumber);
  out.text = std::move(text);
  return out;
}

Value signed_number(std::int64_t value) { return number_value(std::to_string(value)); }

std::int64_t unzigzag(std::uint64_t value) {
  return static_cast<std::int64_t>(value >> 1 ^ (~(value & 1) + 1));
}

Value float_value(const WireField& field) {
  const double number =
      field.wire == Wire::kFixed64
          ? std::bit_cast<double>(field.value)
          : static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(field.value)));
  if (std::isfinite(number)) return wire_number(field, true);
  return Value::of_text(std::isnan(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity");
}

Value enum_value(const MessageField& field, std::uint64_t value) {
  const auto number = static_cast<std::int32_t>(value);
  const auto found = field.values->find(number);
  return found == field.values->end() ? signed_number(number) : Value::of_text(found->second);
}

// `is_text`: all strings of the place are UTF-8.
Value scalar(const MessageField& field, const WireField& found, bool is_text) {
  switch (field.type) {
    case FieldType::kDouble:
    case FieldType::kFloat: return float_value(found);
    case FieldType::kInt32:
    case FieldType::kSfixed32: return signed_number(static_cast<std::int32_t>(found.value));
    case FieldType::kInt64:
    case FieldType::kSfixed64: return signed_number(static_cast<std::int64_t>(found.value));
    case FieldType::kSint32:
      return signed_number(unzigzag(static_cast<std::uint32_t>(found.value)));
    case FieldType::kSint64: return signed_number(unzigzag(found.value));
    case FieldType::kUint32:
    case FieldType::kFixed32:
      return number_value(std::to_string(static_cast<std::uint32_t>(found.value)));
    case FieldType::kBool: {
      Value out = Value::of_type(Type::kBool);
      out.boolean = found.value != 0;
      return out;
    }
    case FieldType::kEnum: return enum_value(field, found.value);
    case FieldType::kString:
      return Value::of_text(is_text ? std::string(found.bytes) : hex_of_bytes(found.bytes));
    case FieldType::kBytes:
    case FieldType::kGroup:
    case FieldType::kMessage: return Value::of_text(hex_of_bytes(found.bytes));
    default: return number_value(std::to_string(found.value));
  }
}

Value default_of(const MessageField& field) {
  if (field.is_repeated) {
    const bool is_map = field.message != nullptr && field.message->is_map_entry;
    return Value::of_type(is_map ? Type::kObject : Type::kArray);
  }
  if (field.message != nullptr) return Value::of_type(Type::kObject);
  WireField zero;
  zero.wire = wire_of(field.type);
  return scalar(field, zero, true);
}

bool has_default(const MessageType& type, const MessageField& field) {
  return type.is_map_entry || field.is_repeated || !field.has_presence;
}

Value* member_of(Value& object, const std::string& name) {
  auto& members = object.members;
  if (members.empty() || members.back().first != name) return nullptr;
  return &members.back().second;
}

// A key of a map as text, as in JSON.
std::string key_text(const Value& key) {
  if (key.type == Type::kBool) return key.boolean ? "true" : "false";
  return key.text;
}

// Entries to members, the last of a key counts.
void put_entry(Value& map, Value entry) {
  std::string key;
  Value held;
  for (auto& [name, member] : entry.members) {
    if (name == "key") key = key_text(member);
    if (name == "value") held = std::move(member);
  }
  map.members.emplace_back(std::move(key), std::move(held));
}

void keep_last_of_keys(Value& map) {
  std::map<std::string_view, std::size_t> last;
  for (std::size_t i = 0; i < map.members.size(); ++i) last[map.members[i].first] = i;
  if (last.size() == map.members.size()) return;
  std::vector<std::pair<std::string, Value>> members;
  for (std::size_t i = 0; i < map.members.size(); ++i) {
    if (last[map.members[i].first] == i) members.push_back(map.members[i]);
  }
  map.members = std::move(members);
}

}  // namespace

Status WireReader::fill_typed(const MessageField& field, Place& place, std::size_t depth,
                              Values& out) {
  Place fitting;
  const auto part = [&field](Occurrences& all, Occurrences& good) {
    for (const Occurrence& occurrence : all) {
      if (stands_as(field, occurrence.field)) good.push_back(occurrence);
    }
    std::erase_if(all, [&](const Occurrence& of) { return stands_as(field, of.field); });
  };
  part(place.legacy, fitting.legacy);
  part(place.candidate, fitting.candidate);
  const bool is_message = field.message != nullptr && depth < kWireDepthMax;
  return is_message ? fill_messages(field, fitting, depth, out) : fill_scalars(field, fitting, out);
}

// One item of a field that may come again, or all that are packed there.
Status WireReader::add_items(const MessageField& field, const WireField& from, bool is_text,
                             Value& message) {
  Value* held = member_of(message, field.name);
  if (held == nullptr) {
    message.members.emplace_back(field.name, Value::of_type(Type::kArray));
    held = &message.members.back().second;
  }
  const Wire wire = wire_of(field.type);
  if (from.wire == wire) {
    held->items.push_back(scalar(field, from, is_text));
    return {};
  }
  const auto values = unpacked(from, wire);
  if (!values) return malformed_body("holds a field " + field.name + " that is damaged");
  BANYAN_RETURN_IF_ERROR(take(values->size()));
  for (const WireField& one : *values) held->items.push_back(scalar(field, one, is_text));
  return {};
}

Status WireReader::fill_scalars(const MessageField& field, const Place& place, Values& out) {
  const auto is_text = [](const Occurrence& of) {
    return of.field.wire != Wire::kBytes || is_utf8(of.field.bytes);
  };
  const bool are_texts = field.type == FieldType::kString &&
                         std::all_of(place.legacy.begin(), place.legacy.end(), is_text) &&
                         std::all_of(place.candidate.begin(), place.candidate.end(), is_text);
  const auto put = [&](const Occurrences& from, std::vector<Value>& messages) -> Status {
    for (std::size_t i = 0; i < from.size(); ++i) {
      Value& message = messages[from[i].message];
      if (field.is_repeated) {
        BANYAN_RETURN_IF_ERROR(add_items(field, from[i].field, are_texts, message));
        continue;
      }
      // The last one counts.
      if (i + 1 < from.size() && from[i + 1].message == from[i].message) continue;
      const WireField& last = from[i].field;
      const bool is_default = last.value == 0 && last.bytes.empty();
      if (is_default && !field.has_presence && !tells_defaults_) continue;
      message.members.emplace_back(field.name, scalar(field, last, are_texts));
    }
    return {};
  };
  BANYAN_RETURN_IF_ERROR(put(place.legacy, out.legacy));
  return put(place.candidate, out.candidate);
}

// The bytes of each message of the place, and in which message it stands. One that may come once
// is all its pieces, one behind the other: that is how they are merged.
Result<WireMessages> WireReader::merged(const MessageField& field, const Occurrences& from,
                                        std::vector<std::size_t>& owners) {
  WireMessages out;
  for (const Occurrence& of : from) {
    if (field.is_repeated || owners.empty() || owners.back() != of.message) {
      out.push_back(of.field.bytes);
      owners.push_back(of.message);
      continue;
    }
    if (storage_.empty() || storage_.back().data() != out.back().data()) {
      merged_bytes_ += out.back().size();
      storage_.emplace_back(out.back());
    }
    merged_bytes_ += of.field.bytes.size();
    if (merged_bytes_ > kWireMergedBytesMax) {
      return too_large_body("has messages in pieces of more than " +
                            format_size(kWireMergedBytesMax));
    }
    storage_.back().append(of.field.bytes);
    out.back() = storage_.back();
  }
  return out;
}

Status WireReader::fill_messages(const MessageField& field, const Place& place, std::size_t depth,
                                 Values& out) {
  std::vector<std::size_t> legacy_owners;
  std::vector<std::size_t> candidate_owners;
  const auto legacy = merged(field, place.legacy, legacy_owners);
  if (!legacy.ok()) return legacy.error();
  const auto candidate = merged(field, place.candidate, candidate_owners);
  if (!candidate.ok()) return candidate.error();
  auto values = read(*legacy, *candidate, depth + 1, field.message);
  if (!values.ok()) return values.error();
  const bool is_map = field.is_repeated && field.message->is_map_entry;
  const auto put = [&](std::vector<Value>& given, const std::vector<std::size_t>& owners,
                       std::vector<Value>& messages) {
    for (std::size_t i = 0; i < given.size(); ++i) {
      Value& message = messages[owners[i]];
      if (!field.is_repeated) {
        message.members.emplace_back(field.name, std::move(given[i]));
        continue;
      }
      Value* held = member_of(message, field.name);
      if (held == nullptr) {
        message.members.emplace_back(field.name,
                                     Value::of_type(is_map ? Type::kObject : Type::kArray));
        held = &message.members.back().second;
      }
      if (is_map) {
        put_entry(*held, std::move(given[i]));
      } else {
        held->items.push_back(std::move(given[i]));
      }
      const bool is_last = i + 1 == given.size() || owners[i + 1] != owners[i];
      if (is_map && is_last) keep_last_of_keys(*held);
    }
  };
  put(values->legacy, legacy_owners, out.legacy);
  put(values->candidate, candidate_owners, out.candidate);
  return {};
}

std::size_t WireReader::defaults_of(const MessageType& type) {
  return static_cast<std::size_t>(
      std::count_if(type.fields.begin(), type.fields.end(),
                    [&](const auto& field) { return has_default(type, field.second); }));
}

// What cannot be told from none is there on both sides; of the entry of a map all is.
void WireReader::fill_defaults(const MessageType& type, std::vector<Value>& messages) {
  std::set<std::string_view> names;
  for (Value& message : messages) {
    names.clear();
    for (const auto& [name, member] : message.members) names.insert(name);
    std::vector<std::pair<std::string, Value>> defaults;
    for (const auto& [number, field] : type.fields) {
      if (!has_default(type, field) || names.count(field.name) > 0) continue;
      defaults.emplace_back(field.name, default_of(field));
    }
    message.members.insert(message.members.end(), std::make_move_iterator(defaults.begin()),
                           std::make_move_iterator(defaults.end()));
  }
}

// google.protobuf.Any: what it holds is read by the type that it names, as far as a set has it.
Result<WireReader::Values> WireReader::read_any(const WireMessages& legacy,
                                                const WireMessages& candidate, std::size_t depth) {
  struct Group {
    WireMessages legacy, candidate;
    std::vector<std::size_t> legacy_owners, candidate_owners;
  };
  std::map<std::string, Group> groups;  // by URL
  const auto note = [&](const WireMessages& messages, WireMessages Group::*side,
                        std::vector<std::size_t> Group::*owners) -> Status {
    auto parts = split(messages);
    if (!parts.ok()) return parts.error();
    for (std::size_t i = 0; i < messages.size(); ++i) {
      std::string url;
      std::string_view held;
      for (const WireField& field : (*parts)[i]) {
        if (field.wire != Wire::kBytes) continue;
        if (field.number == 1) url = field.bytes;
        if (field.number == 2) held = field.bytes;
      }
      Group& group = groups[is_utf8(url) ? url : hex_of_bytes(url)];
      (group.*side).push_back(held);
      (group.*owners).push_back(i);
    }
    return {};
  };
  BANYAN_RETURN_IF_ERROR(note(legacy, &Group::legacy, &Group::legacy_owners));
  BANYAN_RETURN_IF_ERROR(note(candidate, &Group::candidate, &Group::candidate_owners));
  Values out;
  out.legacy.resize(legacy.size());
  out.candidate.resize(candidate.size());
  for (auto& entry : groups) {
    const std::string& url = entry.first;
    Group& group = entry.second;
    const MessageType* type =
        types_ == nullptr ? nullptr : types_->find(url.substr(url.rfind('/') + 1));
    if (depth >= kWireDepthMax) type = nullptr;
    Values held;
    if (type != nullptr) {
      auto below = read(group.legacy, group.candidate, depth + 1, type);
      if (!below.ok()) return below.error();
      held = *std::move(below);
    }
    const auto put = [&](std::vector<Value>& values, const WireMessages& bytes,
                         const std::vector<std::size_t>& owners, std::vector<Value>& to) {
      for (std::size_t i = 0; i < owners.size(); ++i) {
        Value& message = to[owners[i]];
        message = type != nullptr ? std::move(values[i]) : Value::of_type(Type::kObject);
        if (type == nullptr) {
          message.members.emplace_back("value", Value::of_text(hex_of_bytes(bytes[i])));
        }
        message.members.emplace_back("@type", Value::of_text(url));
      }
    };
    put(held.legacy, group.legacy, group.legacy_owners, out.legacy);
    put(held.candidate, group.candidate, group.candidate_owners, out.candidate);
  }
  return out;
}

}  // namespace banyan::comparator
