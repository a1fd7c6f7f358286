// SPDX-License-Identifier: Apache-2.0
#include "recorder/meta.h"

#include <algorithm>
#include <optional>
#include <random>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/hash.h"
#include "core/base/text.h"

namespace banyan::recorder {
namespace {

constexpr std::uint64_t kTextFileBytesMax = 64U << 10;

Error damaged(const std::string& path) {
  return make_error(ErrorCode::kDamaged, ErrorOrigin::kDisk,
                    path + " is damaged: its content does not match its checksum");
}

std::string with_check(std::string text) {
  const std::string check = hex_of_u64(xxh3_64(text));
  return text + "check " + check + "\n";
}

// The "key value" lines of a checked text file.
class CheckedText {
 public:
  static Result<CheckedText> load(FileSystem& files, const std::string& path,
                                  std::string_view kind) {
    auto content = files.read_file(path, kTextFileBytesMax);
    if (!content.ok()) return content.error();
    const auto first_end = content->find('\n');
    const std::string first = content->substr(0, first_end);
    if (!first.starts_with(std::string(kind) + " ")) return damaged(path);
    if (first != std::string(kind) + " 1") {
      return make_error(ErrorCode::kUnsupported, ErrorOrigin::kDisk,
                        path + " was written by another version of Banyan ('" +
                            escape_for_terminal(first, 60) +
                            "'); use that version, or another data directory");
    }
    const auto check_at = content->rfind("check ");
    if (check_at == std::string::npos || check_at == 0 ||
        with_check(content->substr(0, check_at)) != *content) {
      return damaged(path);
    }
    CheckedText text;
    text.content_ = content->substr(0, check_at);
    return text;
  }

  std::string_view value(std::string_view key) const {
    for (const std::string_view line : split(content_, '\n')) {
      if (line.size() > key.size() && line.starts_with(key) && line[key.size()] == ' ') {
        return line.substr(key.size() + 1);
      }
    }
    return {};
  }
  std::optional<std::uint64_t> number(std::string_view key) const { return parse_u64(value(key)); }

 private:
  std::string content_;
};

std::string meta_path(const std::string& stream_directory) { return stream_directory + "/meta"; }

std::string cursor_path(const std::string& log_directory, std::string_view consumer) {
  return log_directory + "/cursors/" + std::string(consumer);
}

}  // namespace

std::uint64_t random_u64() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

StreamMeta make_stream_meta() {
  StreamMeta meta;
  ByteWriter writer(meta.uuid);
  writer.u64(random_u64());
  writer.u64(random_u64());
  meta.node = static_cast<std::uint16_t>(random_u64() % 0xffff + 1);
  return meta;
}

Result<StreamMeta> load_stream_meta(FileSystem& files, const std::string& stream_directory) {
  const std::string path = meta_path(stream_directory);
  const auto text = CheckedText::load(files, path, "banyan-stream");
  if (!text.ok()) return text.error();
  const auto uuid = bytes_of_hex(text->value("uuid"));
  const auto node = text->number("node");
  const auto epoch = text->number("epoch");
  const auto reserved = text->number("reserved");
  const auto clean = text->number("clean");
  const auto end = text->number("end");
  if (!uuid || uuid->size() != 16 || !node || *node > 0xffff || !epoch || !reserved || !clean ||
      !end) {
    return damaged(path);
  }
  StreamMeta meta;
  meta.uuid = *uuid;
  meta.node = static_cast<std::uint16_t>(*node);
  meta.epoch = Epoch{*epoch};
  meta.reserved = Offset{*reserved};
  meta.is_clean = *clean == 1;
  meta.end = Offset{*end};
  // Not there in a meta of format version 1.
  if (const auto chain = bytes_of_hex(text->value("chain"));
      chain && chain->size() == kChainBytes) {
    std::copy(chain->begin(), chain->end(), meta.chain.begin());
  }
  return meta;
}

Status store_stream_meta(FileSystem& files, const std::string& stream_directory,
                         const StreamMeta& meta) {
  const std::string text =
      "banyan-stream 1\nuuid " + hex_of_bytes(meta.uuid) + "\nnode " + std::to_string(meta.node) +
      "\nepoch " + std::to_string(meta.epoch.value) + "\nreserved " +
      std::to_string(meta.reserved.value) + "\nclean " + (meta.is_clean ? "1" : "0") + "\nend " +
      std::to_string(meta.end.value) + "\nchain " +
      hex_of_bytes(std::string_view(meta.chain.data(), meta.chain.size())) + "\n";
  return files.write_file_atomically(meta_path(stream_directory), with_check(text));
}

bool is_consumer_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && name.front() != '.' && !name.ends_with(".tmp") &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-' || c == '.';
         });
}

Result<StoredCursor> load_cursor_file(FileSystem& files, const std::string& log_directory,
                                      std::string_view consumer) {
  const std::string path = cursor_path(log_directory, consumer);
  const auto text = CheckedText::load(files, path, "banyan-cursor");
  if (!text.ok()) return text.error();
  auto cursor = model::Cursor::parse(text->value("places"));
  if (!cursor.ok()) return damaged(path);
  return StoredCursor{*std::move(cursor), text->value("pins") == "1"};
}

Status store_cursor_file(FileSystem& files, const std::string& log_directory,
                         std::string_view consumer, const StoredCursor& stored) {
  BANYAN_RETURN_IF_ERROR(files.make_directories(log_directory + "/cursors"));
  return files.write_file_atomically(
      cursor_path(log_directory, consumer),
      with_check(std::string("banyan-cursor 1\npins ") + (stored.pins ? "1" : "0") + "\nplaces " +
                 stored.cursor.to_string() + "\n"));
}

}  // namespace banyan::recorder
