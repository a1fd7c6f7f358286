// SPDX-License-Identifier: Apache-2.0
#include "comparator/wire_value.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "comparator/body_diff.h"
#include "core/base/bytes.h"
#include "core/base/text.h"
#include "core/codec/content_coding.h"

namespace banyan::comparator {
namespace {

using json::Value;
using Type = Value::Type;
using Messages = std::vector<std::string_view>;

constexpr std::uint64_t kFieldNumberMax = (1U << 29) - 1;

enum class Wire : std::uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

struct Field {
  std::uint64_t number = 0;
  Wire wire = Wire::kVarint;
  std::uint64_t value = 0;
  std::string_view bytes;
};

Error malformed(std::string what) {
  return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kInternal, std::move(what));
}

Error too_much(std::string what) {
  return make_error(ErrorCode::kExhausted, ErrorOrigin::kInternal, std::move(what));
}

// One level; nullopt where it is no message, or has groups, which nobody writes any more.
std::optional<std::vector<Field>> fields_of(std::string_view message) {
  std::vector<Field> fields;
  ByteReader reader(message);
  while (reader.ok() && reader.remaining() > 0) {
    Field field;
    const std::uint64_t tag = reader.varint();
    field.number = tag >> 3;
    field.wire = static_cast<Wire>(tag & 7);
    if (field.number == 0 || field.number > kFieldNumberMax) return std::nullopt;
    switch (field.wire) {
      case Wire::kVarint: field.value = reader.varint(); break;
      case Wire::kFixed64: field.value = reader.u64(); break;
      case Wire::kFixed32: field.value = reader.u32(); break;
      case Wire::kBytes: field.bytes = reader.bytes(); break;
      default: return std::nullopt;
    }
    fields.push_back(field);
  }
  if (!reader.ok()) return std::nullopt;
  return fields;
}

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

Content content_of(const Messages& legacy, const Messages& candidate, std::size_t depth) {
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

template <typename Float>
std::string decimal(Float number) {
  std::array<char, 64> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number).ptr;
  return std::string(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
}

double as_double(const Field& field) {
  return field.wire == Wire::kFixed64
             ? std::bit_cast<double>(field.value)
             : static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(field.value)));
}

Value number_value(const Field& field, bool is_float) {
  Value value = Value::of_type(Type::kNumber);
  if (!is_float || field.wire == Wire::kVarint) {
    value.text = std::to_string(field.value);
  } else if (field.wire == Wire::kFixed64) {
    value.text = decimal(std::bit_cast<double>(field.value));
  } else {
    value.text = decimal(std::bit_cast<float>(static_cast<std::uint32_t>(field.value)));
  }
  return value;
}

// Reads the messages of one place on both sides alike.
class WireReader {
 public:
  struct Values {
    std::vector<Value> legacy;
    std::vector<Value> candidate;
  };

  Result<Values> read(const Messages& legacy, const Messages& candidate, std::size_t depth) {
    auto left = split(legacy);
    if (!left.ok()) return left.error();
    auto right = split(candidate);
    if (!right.ok()) return right.error();
    std::map<std::uint64_t, Place> places;
    note(*left, places, true);
    note(*right, places, false);
    Values out;
    out.legacy.assign(legacy.size(), Value::of_type(Type::kObject));
    out.candidate.assign(candidate.size(), Value::of_type(Type::kObject));
    for (auto& [number, place] : places) {
      BANYAN_RETURN_IF_ERROR(fill(number, place, depth, out));
    }
    return out;
  }

 private:
  struct Occurrence {
    std::size_t message = 0;
    Field field;
  };
  struct Place {
    std::vector<Occurrence> legacy;
    std::vector<Occurrence> candidate;
    bool is_repeated = false;
  };
  using Split = std::vector<std::vector<Field>>;

  Result<Split> split(const Messages& messages) {
    Split out;
    for (const std::string_view message : messages) {
      auto fields = fields_of(message);
      if (!fields) return malformed("holds no Protocol Buffers message");
      if (fields->size() + 1 > left_) {
        return too_much("has more than " + std::to_string(kJsonNodesMax) + " fields");
      }
      left_ -= fields->size() + 1;
      out.push_back(*std::move(fields));
    }
    return out;
  }

  static void note(const Split& messages, std::map<std::uint64_t, Place>& places, bool is_legacy) {
    for (std::size_t i = 0; i < messages.size(); ++i) {
      for (const Field& field : messages[i]) {
        Place& place = places[field.number];
        auto& side = is_legacy ? place.legacy : place.candidate;
        if (!side.empty() && side.back().message == i) place.is_repeated = true;
        side.push_back({i, field});
      }
    }
  }

  // The values of one field, into the messages that have it.
  Status fill(std::uint64_t number, const Place& place, std::size_t depth, Values& out) {
    auto values = values_of(place, depth);
    if (!values.ok()) return values.error();
    const std::string name = "f" + std::to_string(number);
    const auto put = [&](const std::vector<Occurrence>& from, std::vector<Value>& given,
                         std::vector<Value>& messages) {
      for (std::size_t i = 0; i < from.size(); ++i) {
        auto& members = messages[from[i].message].members;
        if (!place.is_repeated) {
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

  Result<Values> values_of(const Place& place, std::size_t depth) {
    Messages legacy = bytes_of(place.legacy);
    Messages candidate = bytes_of(place.candidate);
    const Content content = content_of(legacy, candidate, depth);
    Values messages;
    if (content == Content::kMessage) {
      auto read_below = read(legacy, candidate, depth + 1);
      if (!read_below.ok()) return read_below.error();
      messages = *std::move(read_below);
    }
    const bool is_float = is_sensible_at(place);
    const auto all = [&](const std::vector<Occurrence>& from, std::vector<Value>& below) {
      std::vector<Value> out;
      std::size_t next = 0;
      for (const Occurrence& occurrence : from) {
        const Field& field = occurrence.field;
        if (field.wire != Wire::kBytes) {
          out.push_back(number_value(field, is_float));
        } else if (content == Content::kMessage) {
          out.push_back(std::move(below[next++]));
        } else {
          out.push_back(Value::of_text(content == Content::kText ? std::string(field.bytes)
                                                                 : hex_of_bytes(field.bytes)));
        }
      }
      return out;
    };
    Values out;
    out.legacy = all(place.legacy, messages.legacy);
    out.candidate = all(place.candidate, messages.candidate);
    return out;
  }

  static Messages bytes_of(const std::vector<Occurrence>& occurrences) {
    Messages out;
    for (const Occurrence& occurrence : occurrences) {
      if (occurrence.field.wire == Wire::kBytes) out.push_back(occurrence.field.bytes);
    }
    return out;
  }

  static bool is_sensible_at(const Place& place) {
    const auto is_fine = [](const Occurrence& occurrence) {
      const Wire wire = occurrence.field.wire;
      return (wire != Wire::kFixed64 && wire != Wire::kFixed32) ||
             is_sensible(as_double(occurrence.field));
    };
    return std::all_of(place.legacy.begin(), place.legacy.end(), is_fine) &&
           std::all_of(place.candidate.begin(), place.candidate.end(), is_fine);
  }

  std::size_t left_ = 2 * kJsonNodesMax;  // of both sides
};

// The messages of one body; `storage` holds those that had to be decompressed.
Result<Messages> messages_of(WireForm form, const WireBody& body, std::size_t bytes_max,
                             std::deque<std::string>& storage) {
  constexpr std::size_t kPrefixBytes = 5;
  if (form == WireForm::kMessage) return Messages{body.bytes};
  Messages out;
  std::string_view rest = body.bytes;
  while (!rest.empty()) {
    if (rest.size() < kPrefixBytes) return malformed("ends inside the prefix of a gRPC message");
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(rest[i]); };
    const std::size_t size = std::size_t{byte(1)} << 24 | std::size_t{byte(2)} << 16 |
                             std::size_t{byte(3)} << 8 | byte(4);
    const std::uint8_t flag = byte(0);
    rest.remove_prefix(kPrefixBytes);
    if (size > rest.size()) return malformed("ends inside a gRPC message");
    const std::string_view bytes = rest.substr(0, size);
    rest.remove_prefix(size);
    if (flag == 0) {
      out.push_back(bytes);
    } else if (flag == 1 && !body.coding.empty() && body.coding != "identity") {
      codec::DecodeLimits limits;
      limits.bytes_max = bytes_max;
      auto decoded = codec::decode_content(body.coding, bytes, limits);
      if (!decoded.ok()) return decoded.error();
      bytes_max -= std::min(bytes_max, decoded->size());
      storage.push_back(*std::move(decoded));
      out.push_back(storage.back());
    } else {
      return malformed("holds a gRPC message of an unknown flag or coding");
    }
  }
  return out;
}

}  // namespace

WireForm wire_form_of(std::string_view media_type) {
  if (media_type == "application/grpc" || media_type == "application/grpc+proto") {
    return WireForm::kGrpc;
  }
  for (const std::string_view message :
       {"application/x-protobuf", "application/protobuf", "application/vnd.google.protobuf"}) {
    if (media_type == message) return WireForm::kMessage;
  }
  return WireForm::kNone;
}

Result<WirePair> read_wire(WireForm form, const WireBody& legacy, const WireBody& candidate,
                           std::size_t bytes_max) {
  std::deque<std::string> storage;
  const auto left = messages_of(form, legacy, bytes_max, storage);
  if (!left.ok()) return left.error();
  const auto right = messages_of(form, candidate, bytes_max, storage);
  if (!right.ok()) return right.error();
  auto values = WireReader().read(*left, *right, 0);
  if (!values.ok()) return values.error();
  const auto whole = [form](std::vector<Value>& messages) {
    if (form == WireForm::kMessage) return std::move(messages.front());
    Value list = Value::of_type(Type::kArray);
    list.items = std::move(messages);
    return list;
  };
  WirePair out;
  out.legacy = whole(values->legacy);
  out.candidate = whole(values->candidate);
  return out;
}

Status check_wire(WireForm form, const WireBody& body, std::size_t bytes_max) {
  return read_wire(form, body, body, bytes_max).status();
}

}  // namespace banyan::comparator
