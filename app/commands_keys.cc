// SPDX-License-Identifier: Apache-2.0
//
// `banyan keys`: what lies in data_dir/keys, and a new token key. Works on files alone, with and
// without a running server.
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "app/commands.h"
#include "app/exit_codes.h"
#include "app/offline_log.h"
#include "config/config.h"
#include "core/base/text.h"
#include "core/crypto/key_ring.h"
#include "core/json/json_writer.h"

namespace banyan::app {
namespace {

using KeyFile = crypto::KeyRing::KeyFile;

std::string keys_directory(const Globals& globals) { return target_of(globals).data_dir + "/keys"; }

std::string_view kind_name(KeyFile::Kind kind) {
  switch (kind) {
    case KeyFile::Kind::kToken: return "token";
    case KeyFile::Kind::kDigest: return "digest";
    case KeyFile::Kind::kSubject: return "subject";
    case KeyFile::Kind::kSeal: return "seal";
  }
  return "unknown";
}

std::string_view state_name(const KeyFile& file) {
  if (file.is_damaged) return "damaged";
  return file.is_wrapped ? "wrapped" : "plain";
}

std::string number_of(const KeyFile& file) {
  const bool has_one = file.kind == KeyFile::Kind::kToken || file.kind == KeyFile::Kind::kSeal;
  return has_one ? std::to_string(file.number) : std::string();
}

// [record] key of the config, as the server reads it. A config that does not load says nothing.
std::string master_key(const Globals& globals) {
  const std::string path = config_path_of(globals);
  return path.empty() ? std::string()
                      : config::load_file(path, globals.overrides).config.record_key;
}

// As ${file:…} reads it: without the line end at its end.
Result<std::string> read_key_file(const std::string& path) {
  constexpr std::uint64_t kKeyFileBytesMax = 64 * 1024;
  auto key = FileSystem::posix().read_file(path, kKeyFileBytesMax);
  if (key.ok() && key->ends_with('\n')) key->pop_back();
  if (key.ok() && key->ends_with('\r')) key->pop_back();
  return key;
}

}  // namespace

int keys_list(const Globals& globals) {
  const auto files = crypto::KeyRing::list(FileSystem::posix(), keys_directory(globals));
  if (!files.ok()) return fail_with(files.error());
  if (globals.is_json) {
    std::string out;
    json::JsonWriter json(out);
    json.begin_object().member("schema", "banyan/keys/1").key("keys").begin_array();
    for (const KeyFile& file : *files) {
      json.begin_object().member("file", file.name).member("kind", kind_name(file.kind));
      if (file.kind == KeyFile::Kind::kToken) json.member("number", file.number);
      if (file.kind == KeyFile::Kind::kSeal) json.member("epoch", file.number);
      json.member("state", state_name(file)).end_object();
    }
    json.end_array().end_object();
    print_json_line(out);
    return kDone;
  }
  std::vector<std::vector<std::string>> rows{{"KIND", "NUMBER", "STATE", "FILE"}};
  for (const KeyFile& file : *files) {
    rows.push_back({std::string(kind_name(file.kind)), number_of(file),
                    std::string(state_name(file)), file.name});
  }
  print_table(rows);
  return kDone;
}

int keys_rotate(const Globals& globals) {
  const auto number = crypto::KeyRing::rotate_token_key(
      FileSystem::posix(), keys_directory(globals), master_key(globals));
  if (!number.ok()) return fail_with(number.error());
  if (globals.is_json) {
    std::string out;
    json::JsonWriter json(out);
    json.begin_object().member("schema", "banyan/keys_rotate/1").member("number", *number);
    json.end_object();
    print_json_line(out);
    return kDone;
  }
  std::printf(
      "token key %u is written; the next start of `banyan serve` uses it and destroys the "
      "one before\n",
      *number);
  return kDone;
}

int keys_rewrap(const Globals& globals, const std::string& old_key_file, bool is_plain_wanted) {
  const std::string wanted = master_key(globals);
  if (wanted.empty() != is_plain_wanted) {
    complain(is_plain_wanted ? "the config has a [record] key; take it out to store keys plainly"
                             : "the config has no [record] key; set it, or say --plain");
    return kUsage;
  }
  std::string old_key;
  if (!old_key_file.empty()) {
    auto read = read_key_file(old_key_file);
    if (!read.ok()) return fail_with(read.error());
    old_key = *std::move(read);
  }
  FileSystem& files = FileSystem::posix();
  // A running server still has the old key, and reads seal keys of earlier epochs when it needs
  // them.
  const std::string data_dir = target_of(globals).data_dir;
  std::unique_ptr<FileLock> lock;
  if (files.exists(main_stream_directory(data_dir))) {
    auto held = lock_main_stream(files, data_dir);
    if (!held.ok()) return fail_with(held.error());
    lock = *std::move(held);
  }
  const auto count = crypto::KeyRing::rewrap(files, keys_directory(globals), old_key, wanted);
  if (!count.ok()) return fail_with(count.error());
  std::printf("%zu keys %s\n", *count, wanted.empty() ? "unwrapped" : "wrapped");
  return kDone;
}

}  // namespace banyan::app
