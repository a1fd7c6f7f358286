// SPDX-License-Identifier: Apache-2.0
#include "comparator/message_types.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "comparator/wire_fields.h"
#include "core/base/hash.h"
#include "core/base/text.h"

namespace banyan::comparator {
namespace {

using Fields = std::vector<WireField>;

constexpr std::size_t kTypeNameBytesMax = 512;
constexpr std::uint64_t kRepeated = 3;  // FieldDescriptorProto.Label
// Where the options of an edition stand, and which they are: FeatureSet.
constexpr std::uint64_t kOptions = 8, kOfFile = 50, kOfField = 21;
constexpr std::uint64_t kFieldPresence = 1, kMessageEncoding = 5;

// One level of a descriptor, asked by the numbers of descriptor.proto.
class Part {
 public:
  static std::optional<Part> read(std::string_view bytes) {
    auto fields = fields_of(bytes);
    if (!fields) return std::nullopt;
    return Part(*std::move(fields));
  }
  std::string_view text(std::uint64_t number) const {
    const WireField* found = last(number, Wire::kBytes);
    return found == nullptr ? std::string_view() : found->bytes;
  }
  std::uint64_t value(std::uint64_t number) const {
    const WireField* found = last(number, Wire::kVarint);
    return found == nullptr ? 0 : found->value;
  }
  bool has(std::uint64_t number) const { return last(number, Wire::kVarint) != nullptr; }
  std::vector<std::string_view> all(std::uint64_t number) const {
    std::vector<std::string_view> out;
    for (const WireField& field : fields_) {
      if (field.number == number && field.wire == Wire::kBytes) out.push_back(field.bytes);
    }
    return out;
  }
  // Down two levels, as options go: the value, 0 where there is none.
  std::uint64_t value(std::uint64_t options, std::uint64_t inner, std::uint64_t number) const {
    const auto part = read(text(options));
    if (!part) return 0;
    const auto below = read(part->text(inner));
    return below ? below->value(number) : 0;
  }

 private:
  explicit Part(Fields fields) : fields_(std::move(fields)) {}
  const WireField* last(std::uint64_t number, Wire wire) const {
    const auto found = std::find_if(fields_.rbegin(), fields_.rend(), [&](const WireField& field) {
      return field.number == number && field.wire == wire;
    });
    return found == fields_.rend() ? nullptr : &*found;
  }

  Fields fields_;
};

// Letters, digits, _ and between them dots.
bool is_name(std::string_view name) {
  if (name.empty() || name.size() > kTypeNameBytesMax || name.front() == '.' ||
      name.back() == '.') {
    return false;
  }
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.';
  });
}

}  // namespace

// Reads all sets into one MessageTypes. Field types are resolved once every name is known.
class DescriptorReader {
 public:
  explicit DescriptorReader(MessageTypes& out) : out_(out) {}

  Status read(std::span<const DescriptorSet> sets) {
    for (const DescriptorSet& set : sets) {
      place_ = set.file;
      out_.signature_ = xxh3_64(set.bytes, out_.signature_);
      set_ = set.bytes;
      const auto files = files_of(set.bytes);
      if (!files.ok()) return files.error();
      for (const std::string_view file : *files) {
        place_ = set.file;
        BANYAN_RETURN_IF_ERROR(read_file(file));
      }
    }
    return resolve();
  }

 private:
  struct Open {
    MessageField* field;
    std::string type;
    std::string place;
  };
  struct OpenMethod {
    std::string path, type, place;
  };
  struct OpenExtension {
    std::string message;
    std::uint64_t number;
    MessageField field;
    std::string type, place;
  };
  enum class Presence : std::uint64_t { kExplicit = 1, kImplicit = 2 };
  enum class Encoding : std::uint64_t { kLengthPrefixed = 1, kDelimited = 2 };

  Error bad(std::string_view what) const {
    return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kConfig,
                      place_ + ": " + std::string(what));
  }

  Status count(std::size_t& counter, std::size_t most, const char* what) const {
    if (++counter <= most) return {};
    return make_error(ErrorCode::kExhausted, ErrorOrigin::kConfig,
                      place_ + ": there are more than " + std::to_string(most) + " " + what +
                          " in all; name sets with fewer files");
  }

  // `inherited` where the part says nothing of it.
  template <typename Feature>
  static Feature feature(const Part& part, std::uint64_t of, std::uint64_t number,
                         Feature inherited) {
    const std::uint64_t own = part.value(kOptions, of, number);
    return own == 0 ? inherited : static_cast<Feature>(own);
  }

  // A part of the set that cannot be read; where it is damaged is told from the set's begin.
  Error damaged(std::string_view what, std::string_view part) const {
    std::size_t at = 0;
    static_cast<void>(fields_of(part, &at));
    const std::size_t byte = static_cast<std::size_t>(part.data() - set_.data()) + at;
    return bad(std::string(what) + " is damaged at byte " + std::to_string(byte) + " of " +
               std::to_string(set_.size()));
  }

  // FileDescriptorSet, as a whole.
  Result<std::vector<std::string_view>> files_of(std::string_view set) const {
    constexpr char kFileTag = 1 << 3 | 2;
    if (set.empty()) return bad("is empty, and no descriptor set");
    std::size_t at = 0;
    auto fields = fields_of(set, &at);
    const std::string where = "byte " + std::to_string(at) + " of " + std::to_string(set.size());
    if (!fields && set[at] == kFileTag) {
      return bad("is cut: the .proto file that begins at " + where +
                 " is longer than what is there");
    }
    if (!fields) return bad("is no descriptor set: nothing that one holds begins at " + where);
    std::vector<std::string_view> out;
    for (const WireField& field : *fields) {
      if (field.number == 1 && field.wire == Wire::kBytes) out.push_back(field.bytes);
    }
    if (out.empty()) return bad("is no descriptor set: it names no .proto file");
    return out;
  }

  // FileDescriptorProto. Files that several sets hold count once.
  Status read_file(std::string_view bytes) {
    const auto file = Part::read(bytes);
    if (!file) return damaged("a .proto file in it", bytes);
    const std::string name = escape_for_terminal(file->text(1), kTypeNameBytesMax);
    place_ += ": " + name;
    const auto [known, is_new] = files_.emplace(name, xxh3_64(bytes));
    if (!is_new) {
      if (known->second == xxh3_64(bytes)) return {};
      return bad("another file of that name was read before; write all sets from the same sources");
    }
    const std::string_view package = file->text(2);
    if (!package.empty() && !is_name(package)) return bad("its package is no name");
    const std::string_view syntax = file->text(12);
    presence_ = syntax == "proto3" ? Presence::kImplicit : Presence::kExplicit;
    encoding_ = Encoding::kLengthPrefixed;
    if (syntax == "editions") {
      presence_ = feature(*file, kOfFile, kFieldPresence, Presence::kExplicit);
      encoding_ = feature(*file, kOfFile, kMessageEncoding, Encoding::kLengthPrefixed);
    }
    const std::string scope(package);
    for (const std::string_view message : file->all(4)) {
      BANYAN_RETURN_IF_ERROR(read_message(message, scope, 0));
    }
    for (const std::string_view of : file->all(5)) BANYAN_RETURN_IF_ERROR(read_enum(of, scope));
    for (const std::string_view of : file->all(7)) {
      BANYAN_RETURN_IF_ERROR(read_extension(of, scope));
    }
    for (const std::string_view of : file->all(6)) BANYAN_RETURN_IF_ERROR(read_service(of, scope));
    return {};
  }

  Result<std::string> full_name(std::string_view scope, const Part& part, const char* what) const {
    const std::string_view name = part.text(1);
    if (!is_name(name) || name.find('.') != std::string_view::npos ||
        scope.size() + name.size() > kTypeNameBytesMax) {
      return bad(std::string("a ") + what + " in " + (scope.empty() ? "it" : std::string(scope)) +
                 " has no name, or an odd one");
    }
    return scope.empty() ? std::string(name) : std::string(scope) + "." + std::string(name);
  }

  // DescriptorProto.
  Status read_message(std::string_view bytes, const std::string& scope, std::size_t depth) {
    BANYAN_RETURN_IF_ERROR(count(types_, kMessageTypesMax, "messages, enums and methods"));
    if (depth >= kMessageNestingMax) {
      return bad("messages in " + scope + " nest deeper than " +
                 std::to_string(kMessageNestingMax));
    }
    const auto part = Part::read(bytes);
    if (!part) return damaged("a message in " + scope, bytes);
    const auto name = full_name(scope, *part, "message");
    if (!name.ok()) return name.error();
    const auto [at, is_new] = out_.messages_.emplace(*name, std::make_unique<MessageType>());
    if (!is_new || out_.enums_.count(*name) > 0) return bad(*name + " is defined twice");
    MessageType& message = *at->second;
    message.name = *name;
    const auto options = Part::read(part->text(7));
    message.is_map_entry = options && options->value(7) != 0;
    // Nor are the values of a map.
    const Encoding encoding = encoding_;
    if (message.is_map_entry) encoding_ = Encoding::kLengthPrefixed;
    for (const std::string_view of : part->all(2)) BANYAN_RETURN_IF_ERROR(read_field(of, message));
    encoding_ = encoding;
    for (const std::string_view of : part->all(3)) {
      BANYAN_RETURN_IF_ERROR(read_message(of, *name, depth + 1));
    }
    for (const std::string_view of : part->all(4)) BANYAN_RETURN_IF_ERROR(read_enum(of, *name));
    for (const std::string_view of : part->all(6)) {
      BANYAN_RETURN_IF_ERROR(read_extension(of, *name));
    }
    const MessageField* key = message.field(1);
    if (message.is_map_entry && (key == nullptr || message.field(2) == nullptr)) {
      return bad(*name + " is the entry of a map without a key or a value");
    }
    return {};
  }

  // FieldDescriptorProto, but for its name.
  Result<MessageField> field_of(const Part& part, const std::string& place) const {
    const std::uint64_t number = part.value(3);
    const std::uint64_t type = part.value(5);
    if (number == 0 || number > kWireNumberMax || type == 0 ||
        type > static_cast<std::uint64_t>(FieldType::kSint64)) {
      return bad("field " + place + " has no number or no type that there is");
    }
    MessageField field;
    field.type = static_cast<FieldType>(type);
    field.is_repeated = part.value(4) == kRepeated;
    const Encoding encoding = feature(part, kOfField, kMessageEncoding, encoding_);
    if (field.type == FieldType::kMessage && encoding == Encoding::kDelimited) {
      field.type = FieldType::kGroup;
    }
    const Presence presence = feature(part, kOfField, kFieldPresence, presence_);
    field.has_presence = presence != Presence::kImplicit || part.has(9) ||
                         field.type == FieldType::kMessage || field.type == FieldType::kGroup;
    return field;
  }

  Status read_field(std::string_view bytes, MessageType& message) {
    BANYAN_RETURN_IF_ERROR(count(fields_, kMessageFieldsMax, "fields and values of enums"));
    const auto part = Part::read(bytes);
    if (!part) return damaged("a field of " + message.name, bytes);
    const auto name = full_name(message.name, *part, "field");
    if (!name.ok()) return name.error();
    auto field = field_of(*part, *name);
    if (!field.ok()) return field.error();
    field->name = part->text(1);
    const auto same_name = [&](const auto& other) { return other.second.name == field->name; };
    if (message.fields.size() < 1000 &&
        std::any_of(message.fields.begin(), message.fields.end(), same_name)) {
      return bad("field " + *name + " comes twice");
    }
    const auto [at, is_new] = message.fields.emplace(part->value(3), *std::move(field));
    if (!is_new) {
      return bad("fields " + at->second.name + " and " + std::string(part->text(1)) + " of " +
                 message.name + " have the same number");
    }
    note_type(at->second, *part, *name);
    return {};
  }

  void note_type(MessageField& field, const Part& part, const std::string& name) {
    if (field.type != FieldType::kMessage && field.type != FieldType::kGroup &&
        field.type != FieldType::kEnum) {
      return;
    }
    open_.push_back({&field, std::string(part.text(6)), place_ + ": field " + name});
  }

  Status read_extension(std::string_view bytes, const std::string& scope) {
    BANYAN_RETURN_IF_ERROR(count(fields_, kMessageFieldsMax, "fields and values of enums"));
    const auto part = Part::read(bytes);
    if (!part) return damaged("an extension in " + scope, bytes);
    const auto name = full_name(scope, *part, "extension");
    if (!name.ok()) return name.error();
    auto field = field_of(*part, *name);
    if (!field.ok()) return field.error();
    field->name = "[" + *name + "]";
    extensions_.push_back({std::string(part->text(2)), part->value(3), *std::move(field),
                           std::string(part->text(6)), place_ + ": extension " + *name});
    return {};
  }

  // EnumDescriptorProto. Of several names of a number the first counts.
  Status read_enum(std::string_view bytes, const std::string& scope) {
    BANYAN_RETURN_IF_ERROR(count(types_, kMessageTypesMax, "messages, enums and methods"));
    const auto part = Part::read(bytes);
    if (!part) return damaged("an enum in " + scope, bytes);
    const auto name = full_name(scope, *part, "enum");
    if (!name.ok()) return name.error();
    const auto [at, is_new] = out_.enums_.emplace(*name, std::make_unique<EnumType>());
    if (!is_new || out_.messages_.count(*name) > 0) return bad(*name + " is defined twice");
    for (const std::string_view of : part->all(2)) {
      BANYAN_RETURN_IF_ERROR(count(fields_, kMessageFieldsMax, "fields and values of enums"));
      const auto value = Part::read(of);
      if (!value || !is_name(value->text(1))) return bad("a value of " + *name + " has no name");
      at->second->emplace(static_cast<std::int32_t>(value->value(2)), value->text(1));
    }
    return {};
  }

  // ServiceDescriptorProto.
  Status read_service(std::string_view bytes, const std::string& scope) {
    const auto part = Part::read(bytes);
    if (!part) return damaged("a service in " + scope, bytes);
    const auto name = full_name(scope, *part, "service");
    if (!name.ok()) return name.error();
    for (const std::string_view of : part->all(2)) {
      BANYAN_RETURN_IF_ERROR(count(types_, kMessageTypesMax, "messages, enums and methods"));
      const auto method = Part::read(of);
      if (!method || !is_name(method->text(1))) return bad("a method of " + *name + " has no name");
      methods_.push_back({*name + "/" + std::string(method->text(1)), std::string(method->text(3)),
                          place_ + ": method " + *name + "." + std::string(method->text(1))});
    }
    return {};
  }

  Error unknown_type(const std::string& place, std::string_view type) const {
    return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kConfig,
                      place + " has the type \"" + escape_for_terminal(type, kTypeNameBytesMax) +
                          "\", which no set defines; write the set with --include_imports");
  }

  template <typename Table>
  static auto find(const Table& table, std::string_view type) {
    const bool is_full = type.starts_with('.');
    const auto found = is_full ? table.find(std::string(type.substr(1))) : table.end();
    return found == table.end() ? nullptr : found->second.get();
  }

  Status resolve() {
    for (OpenExtension& extension : extensions_) {
      MessageType* const message = find(out_.messages_, extension.message);
      if (message == nullptr) return unknown_type(extension.place, extension.message);
      const auto [at, is_new] =
          message->fields.emplace(extension.number, std::move(extension.field));
      if (is_new) open_.push_back({&at->second, extension.type, extension.place});
    }
    for (const Open& open : open_) {
      if (open.field->type == FieldType::kMessage || open.field->type == FieldType::kGroup) {
        open.field->message = find(out_.messages_, open.type);
        if (open.field->message == nullptr) return unknown_type(open.place, open.type);
        // The entries of a map never are, whatever their file says.
        if (open.field->message->is_map_entry) open.field->type = FieldType::kMessage;
      } else if (open.field->type == FieldType::kEnum) {
        open.field->values = find(out_.enums_, open.type);
        if (open.field->values == nullptr) return unknown_type(open.place, open.type);
      }
    }
    for (const OpenMethod& method : methods_) {
      const MessageType* const message = find(out_.messages_, method.type);
      if (message == nullptr) return unknown_type(method.place, method.type);
      out_.answers_.emplace(method.path, message);
    }
    return {};
  }

  MessageTypes& out_;
  std::string place_;  // for errors
  std::map<std::string, std::uint64_t> files_;
  std::string_view set_;  // at hand
  // Of the file at hand.
  Presence presence_ = Presence::kExplicit;
  Encoding encoding_ = Encoding::kLengthPrefixed;
  std::size_t types_ = 0, fields_ = 0;
  std::vector<Open> open_;
  std::vector<OpenMethod> methods_;
  std::vector<OpenExtension> extensions_;
};

Result<std::shared_ptr<const MessageTypes>> MessageTypes::read(
    std::span<const DescriptorSet> sets) {
  std::shared_ptr<MessageTypes> out(new MessageTypes());
  BANYAN_RETURN_IF_ERROR(DescriptorReader(*out).read(sets));
  return std::shared_ptr<const MessageTypes>(std::move(out));
}

const MessageType* MessageTypes::answer_of(std::string_view target) const {
  target = target.substr(0, target.find('?'));
  const std::size_t method = target.rfind('/');
  if (method == std::string_view::npos || method == 0) return nullptr;
  const std::size_t service = target.rfind('/', method - 1);
  if (service == std::string_view::npos) return nullptr;
  const auto found = answers_.find(std::string(target.substr(service + 1)));
  return found == answers_.end() ? nullptr : found->second;
}

const MessageType* MessageTypes::find(std::string_view name) const {
  const auto found = messages_.find(std::string(name));
  return found == messages_.end() ? nullptr : found->second.get();
}

}  // namespace banyan::comparator
