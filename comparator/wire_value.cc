// SPDX-License-Identifier: Apache-2.0
#include "comparator/wire_value.h"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "comparator/body_errors.h"
#include "comparator/wire_reader.h"
#include "core/codec/content_coding.h"

namespace banyan::comparator {
namespace {

using json::Value;
using Type = Value::Type;
using Messages = WireMessages;

// The messages of one body; `storage` holds those that had to be decompressed.
Result<Messages> messages_of(WireForm form, const WireBody& body, std::size_t bytes_max,
                             std::deque<std::string>& storage) {
  constexpr std::size_t kPrefixBytes = 5;
  if (form == WireForm::kMessage) return Messages{body.bytes};
  Messages out;
  std::string_view rest = body.bytes;
  while (!rest.empty()) {
    if (rest.size() < kPrefixBytes)
      return malformed_body("ends inside the prefix of a gRPC message");
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(rest[i]); };
    const std::size_t size = std::size_t{byte(1)} << 24 | std::size_t{byte(2)} << 16 |
                             std::size_t{byte(3)} << 8 | byte(4);
    const std::uint8_t flag = byte(0);
    rest.remove_prefix(kPrefixBytes);
    if (size > rest.size()) return malformed_body("ends inside a gRPC message");
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
      return malformed_body("holds a gRPC message of an unknown flag or coding");
    }
  }
  return out;
}

}  // namespace

WireForm wire_form_of(std::string_view media_type) {
  if (media_type == "application/grpc" || media_type == "application/grpc+proto") {
    return WireForm::kGrpc;
  }
  for (const std::string_view message : {"application/x-protobuf", "application/protobuf",
                                         "application/vnd.google.protobuf", "application/proto"}) {
    if (media_type == message) return WireForm::kMessage;
  }
  return WireForm::kNone;
}

Result<WirePair> read_wire(WireForm form, const WireBody& legacy, const WireBody& candidate,
                           std::size_t bytes_max, const WireTypes& types) {
  std::deque<std::string> storage;
  const auto left = messages_of(form, legacy, bytes_max, storage);
  if (!left.ok()) return left.error();
  const auto right = messages_of(form, candidate, bytes_max, storage);
  if (!right.ok()) return right.error();
  auto values = WireReader(types.all, true).read(*left, *right, 0, types.message);
  const bool is_too_much = !values.ok() && values.error().code == ErrorCode::kExhausted;
  // Defaults that nobody sent may be most of it.
  if (is_too_much && types.message != nullptr) {
    values = WireReader(types.all, false).read(*left, *right, 0, types.message);
  }
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
  return read_wire(form, body, body, bytes_max, {}).status();
}

}  // namespace banyan::comparator
