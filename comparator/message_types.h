// SPDX-License-Identifier: Apache-2.0
//
// What the fields of Protocol Buffers messages are called and hold, read from descriptor sets
// (google.protobuf.FileDescriptorSet, as `protoc --include_imports --descriptor_set_out=x.pb` and
// `buf build -o x.pb` write them), and which message each method of a service answers with.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/base/error.h"

namespace banyan::comparator {

inline constexpr std::size_t kDescriptorSetBytesMax = 16 << 20;
// Messages, enums and methods of all sets, and fields and enum values of them.
inline constexpr std::size_t kMessageTypesMax = 50'000;
inline constexpr std::size_t kMessageFieldsMax = 1'000'000;
inline constexpr std::size_t kMessageNestingMax = 32;

struct MessageType;

// The names of its numbers.
using EnumType = std::map<std::int32_t, std::string>;

struct MessageField {
  // As FieldDescriptorProto.Type numbers them.
  enum class Type : std::uint8_t {
    kDouble = 1,
    kFloat,
    kInt64,
    kUint64,
    kInt32,
    kFixed64,
    kFixed32,
    kBool,
    kString,
    kGroup,
    kMessage,
    kBytes,
    kUint32,
    kEnum,
    kSfixed32,
    kSfixed64,
    kSint32,
    kSint64
  };
  std::string name;  // of an extension [its.full.name]
  Type type = Type::kInt32;
  bool is_repeated = false;
  // Whether a value that is its default is told from none.
  bool has_presence = true;
  const MessageType* message = nullptr;  // of kMessage and kGroup
  const EnumType* values = nullptr;      // of kEnum
};

using FieldType = MessageField::Type;

struct MessageType {
  std::string name;                              // in full: shop.v1.Order
  std::map<std::uint64_t, MessageField> fields;  // by number
  bool is_map_entry = false;

  const MessageField* field(std::uint64_t number) const {
    const auto found = fields.find(number);
    return found == fields.end() ? nullptr : &found->second;
  }
};

struct DescriptorSet {
  std::string file;  // as errors name it
  std::string bytes;
};

// Immutable once it was read; any thread.
class MessageTypes {
 public:
  // An error names the set, the .proto file in it and the place, and says what to do.
  static Result<std::shared_ptr<const MessageTypes>> read(std::span<const DescriptorSet> sets);

  // Of a request's path, "/shop.v1.Orders/Get" (Twirp has something in front of it): the message
  // that it is answered with; null where no set names the method.
  const MessageType* answer_of(std::string_view target) const;
  // By its full name.
  const MessageType* find(std::string_view name) const;
  // A hash of the sets.
  std::uint64_t signature() const { return signature_; }

 private:
  friend class DescriptorReader;
  MessageTypes() = default;

  std::unordered_map<std::string, std::unique_ptr<MessageType>> messages_;
  std::unordered_map<std::string, std::unique_ptr<EnumType>> enums_;
  std::unordered_map<std::string, const MessageType*> answers_;  // by "shop.v1.Orders/Get"
  std::uint64_t signature_ = 0;
};

}  // namespace banyan::comparator
