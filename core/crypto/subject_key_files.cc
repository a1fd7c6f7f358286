// SPDX-License-Identifier: Apache-2.0
#include "core/crypto/subject_key_files.h"

#include <algorithm>
#include <utility>

#include "core/base/bytes.h"
#include "core/base/hash.h"
#include "core/base/text.h"
#include "core/crypto/aes_gcm.h"
#include "core/crypto/keyed_hash.h"

namespace banyan::crypto {
namespace {

constexpr std::string_view kMagic = "BSK1";
constexpr std::string_view kPrefix = "keys-";
constexpr std::string_view kErasuresName = "erased";
constexpr std::size_t kIdAt = 8;
constexpr std::size_t kCreatedAt = 40;
constexpr std::size_t kBoundBytes = 40;  // id, token, created
constexpr std::size_t kNonceAt = 48;
constexpr std::size_t kWrappedAt = 60;
constexpr std::size_t kWrappedBytes = kKeyBytes + kTagBytes;
constexpr std::size_t kCheckAt = 120;

std::string_view view(const std::array<char, 16>& bytes) { return {bytes.data(), bytes.size()}; }

std::string file_name(std::uint64_t number) {
  const std::string digits = std::to_string(number);
  return std::string(kPrefix) + std::string(10 - std::min<std::size_t>(digits.size(), 10), '0') +
         digits;
}

}  // namespace

SubjectKeyFiles::SubjectKeyFiles(FileSystem& files, std::string directory, std::string_view secret)
    : files_(files),
      directory_(std::move(directory)),
      wrapping_key_(KeyedHash(std::string(secret)).digest({"banyan subject key wrap 1"})) {}

SubjectKeyFiles::~SubjectKeyFiles() { wipe(wrapping_key_); }

Status SubjectKeyFiles::make_directory() { return files_.make_directories(directory_); }

// "BSK1", u32 0, id (16), token (16), created (i64), nonce (12), wrapped key (32) and tag (16),
// zeros, XXH3-64 of all before it.
std::string SubjectKeyFiles::encode(const SubjectKeyEntry& entry) const {
  std::string out;
  out.reserve(kEntryBytes);
  ByteWriter writer(out);
  writer.raw(kMagic);
  writer.u32(0);
  writer.raw(view(entry.id));
  writer.raw(view(entry.token));
  writer.i64(entry.created_wall_ns);
  const std::string nonce = random_bytes(kNonceBytes);
  writer.raw(nonce);
  const std::string bound = out.substr(kIdAt, kBoundBytes);
  aes_gcm_encrypt(wrapping_key_, nonce, bound, {entry.key.data(), entry.key.size()}, out);
  out.resize(kCheckAt, '\0');
  writer.u64(xxh3_64(out));
  return out;
}

bool SubjectKeyFiles::decode(std::string_view bytes, SubjectKeyEntry& entry) const {
  if (bytes.size() != kEntryBytes || !bytes.starts_with(kMagic)) return false;
  if (ByteReader(bytes.substr(kCheckAt)).u64() != xxh3_64(bytes.substr(0, kCheckAt))) return false;
  auto key =
      aes_gcm_decrypt(wrapping_key_, bytes.substr(kNonceAt, kNonceBytes),
                      bytes.substr(kIdAt, kBoundBytes), bytes.substr(kWrappedAt, kWrappedBytes));
  if (!key || key->size() != entry.key.size()) return false;
  std::copy_n(bytes.data() + kIdAt, entry.id.size(), entry.id.begin());
  std::copy_n(bytes.data() + kIdAt + entry.id.size(), entry.token.size(), entry.token.begin());
  entry.created_wall_ns = ByteReader(bytes.substr(kCreatedAt)).i64();
  std::copy(key->begin(), key->end(), entry.key.begin());
  wipe(*key);
  return true;
}

Result<std::vector<std::string>> SubjectKeyFiles::names() {
  auto all = files_.list(directory_);
  if (!all.ok()) {
    if (all.error().code == ErrorCode::kNotFound) return std::vector<std::string>();
    return all.error();
  }
  std::erase_if(*all, [](const std::string& name) { return !name.starts_with(kPrefix); });
  return *std::move(all);
}

Status SubjectKeyFiles::for_each(const std::function<void(const SubjectKeyEntry&)>& take) {
  const auto found = names();
  if (!found.ok()) return found.error();
  for (const std::string& name : *found) {
    const auto bytes = files_.read_file(directory_ + "/" + name, kEntriesMax * kEntryBytes);
    if (!bytes.ok()) {
      // Pruned beside a reader.
      if (bytes.error().code == ErrorCode::kNotFound) continue;
      return bytes.error();
    }
    SubjectKeyEntry entry;
    for (std::size_t at = 0; at + kEntryBytes <= bytes->size(); at += kEntryBytes) {
      if (decode(std::string_view(*bytes).substr(at, kEntryBytes), entry)) take(entry);
    }
  }
  return {};
}

Status SubjectKeyFiles::open_next() {
  const auto found = names();
  if (!found.ok()) return found.error();
  std::uint64_t number = 1;
  if (!found->empty()) {
    number = parse_u64(found->back().substr(kPrefix.size())).value_or(0) + 1;
  }
  const std::string name = file_name(number);
  auto file = files_.open(directory_ + "/" + name, FileSystem::Mode::kCreateNew);
  if (!file.ok()) return file.error();
  BANYAN_RETURN_IF_ERROR(files_.sync_directory(directory_));
  file_ = *std::move(file);
  file_name_ = name;
  entries_ = 0;
  return {};
}

Status SubjectKeyFiles::append(const std::vector<SubjectKeyEntry>& entries) {
  for (std::size_t done = 0; done < entries.size();) {
    if (file_ == nullptr) BANYAN_RETURN_IF_ERROR(open_next());
    const std::size_t count = std::min(entries.size() - done, kEntriesMax - entries_);
    std::string bytes;
    for (std::size_t i = 0; i < count; ++i) bytes += encode(entries[done + i]);
    Status status = file_->write_at(Position{entries_ * kEntryBytes}, bytes);
    if (status.ok()) status = file_->sync();
    entries_ += count;
    // Never synced again after a failure.
    if (!status.ok() || entries_ >= kEntriesMax) file_.reset();
    if (!status.ok()) return status;
    done += count;
  }
  return {};
}

Result<std::size_t> SubjectKeyFiles::overwrite(
    const std::function<bool(std::string_view, std::int64_t)>& is_to_go) {
  const auto found = names();
  if (!found.ok()) return found.error();
  std::size_t gone = 0;
  bool has_removed = false;
  for (const std::string& name : *found) {
    const std::string path = directory_ + "/" + name;
    auto bytes = files_.read_file(path, kEntriesMax * kEntryBytes);
    if (!bytes.ok()) return bytes.error();
    std::vector<std::size_t> places;
    bool is_empty = true;
    for (std::size_t at = 0; at < bytes->size(); at += kEntryBytes) {
      const std::string_view entry = std::string_view(*bytes).substr(at, kEntryBytes);
      const bool is_told = entry.size() >= kNonceAt && entry.starts_with(kMagic);
      const bool goes =
          is_told && is_to_go(entry.substr(kIdAt, 16), ByteReader(entry.substr(kCreatedAt)).i64());
      if (goes) places.push_back(at);
      const bool is_blank = entry.find_first_not_of('\0') == std::string_view::npos;
      if (!goes && !is_blank) is_empty = false;
    }
    if (!places.empty()) {
      auto file = files_.open(path, FileSystem::Mode::kReadWriteExisting);
      if (!file.ok()) return file.error();
      for (const std::size_t at : places) {
        const std::size_t size = std::min(kEntryBytes, bytes->size() - at);
        BANYAN_RETURN_IF_ERROR((*file)->write_at(Position{at}, std::string(size, '\0')));
      }
      BANYAN_RETURN_IF_ERROR((*file)->sync());
      gone += places.size();
    }
    if (!is_empty || (file_ != nullptr && name == file_name_)) continue;
    BANYAN_RETURN_IF_ERROR(files_.remove(path));
    has_removed = true;
  }
  if (has_removed) BANYAN_RETURN_IF_ERROR(files_.sync_directory(directory_));
  return gone;
}

// Lines: "erase TIME IDS BY check HEX" and "ended TIME check HEX"; one that is torn was never
// acted on.
Result<std::vector<SubjectKeyFiles::Erasure>> SubjectKeyFiles::erasures() {
  std::vector<Erasure> found;
  const auto content =
      files_.read_file(directory_ + "/" + std::string(kErasuresName), kErasuresBytesMax);
  if (!content.ok()) {
    if (content.error().code == ErrorCode::kNotFound) return found;
    return content.error();
  }
  for (const std::string_view line : split(*content, '\n')) {
    const std::size_t check = line.rfind(" check ");
    if (check == std::string_view::npos ||
        line.substr(check + 7) != hex_of_u64(xxh3_64(line.substr(0, check)))) {
      continue;
    }
    const auto words = split(line.substr(0, check), ' ');
    if (words.size() == 2 && words[0] == "ended") {
      for (Erasure& erasure : found) erasure.is_ended = true;
    } else if (words.size() == 4 && words[0] == "erase") {
      Erasure erasure;
      erasure.at_wall_ns = static_cast<std::int64_t>(parse_u64(words[1]).value_or(0));
      for (const std::string_view hex : split(words[2], ',')) {
        if (auto id = bytes_of_hex(hex); id && id->size() == 16) erasure.ids.push_back(*id);
      }
      erasure.by = bytes_of_hex(words[3]).value_or("");
      found.push_back(std::move(erasure));
    }
  }
  return found;
}

Status SubjectKeyFiles::append_line(const std::string& line) {
  const std::string path = directory_ + "/" + std::string(kErasuresName);
  const bool is_new = !files_.exists(path);
  auto file = files_.open(path, FileSystem::Mode::kCreateOrOpen);
  if (!file.ok()) return file.error();
  const auto size = (*file)->size();
  if (!size.ok()) return size.error();
  if (*size + line.size() > kErasuresBytesMax) {
    return make_error(ErrorCode::kExhausted, ErrorOrigin::kDisk,
                      path +
                          " holds as many erasures as it may; move it away with the server "
                          "stopped, all that it lists is done");
  }
  // A line that was torn before ends here.
  const std::string text = "\n" + line + " check " + hex_of_u64(xxh3_64(line)) + "\n";
  BANYAN_RETURN_IF_ERROR((*file)->write_at(Position{*size}, text));
  BANYAN_RETURN_IF_ERROR((*file)->sync());
  return is_new ? files_.sync_directory(directory_) : Status();
}

Status SubjectKeyFiles::begin_erasure(const Erasure& erasure) {
  std::string ids;
  for (const std::string& id : erasure.ids) ids += (ids.empty() ? "" : ",") + hex_of_bytes(id);
  const std::string by = erasure.by.empty() ? "-" : hex_of_bytes(erasure.by);
  return append_line("erase " + std::to_string(erasure.at_wall_ns) + " " + ids + " " + by);
}

Status SubjectKeyFiles::end_erasures(std::int64_t at_wall_ns) {
  return append_line("ended " + std::to_string(at_wall_ns));
}

}  // namespace banyan::crypto
