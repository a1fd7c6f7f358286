// SPDX-License-Identifier: Apache-2.0
#include "app/export_file.h"

#include <cerrno>
#include <cstdio>
#include <utility>

namespace banyan::app {

Result<std::unique_ptr<ExportFile>> ExportFile::open(FileSystem& files, const std::string& path) {
  const bool is_stdout = path.empty() || path == "-";
  std::unique_ptr<ExportFile> out(new ExportFile(files, is_stdout ? "" : path));
  if (is_stdout) return out;
  auto file = files.open(out->temporary(), FileSystem::Mode::kCreateOrOpen);
  if (!file.ok()) return file.error();
  BANYAN_RETURN_IF_ERROR((*file)->truncate(0));
  out->file_ = *std::move(file);
  return out;
}

ExportFile::~ExportFile() {
  if (path_.empty() || is_finished_ || file_ == nullptr) return;
  file_.reset();
  (void)files_.remove(temporary());
}

Status ExportFile::write(std::string_view bytes) {
  if (bytes.empty() || is_reader_gone_) return {};
  const Position at{position_};
  position_ += bytes.size();
  if (file_ != nullptr) return file_->write_at(at, bytes);
  if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) == bytes.size()) return {};
  const int saved_errno = errno;
  if (saved_errno == EPIPE) {
    is_reader_gone_ = true;
    return {};
  }
  return error_from_errno(saved_errno, ErrorOrigin::kDisk, "cannot write to standard output");
}

Status ExportFile::finish() {
  if (path_.empty()) {
    if (!is_reader_gone_ && std::fflush(stdout) != 0 && errno != EPIPE) {
      return error_from_errno(errno, ErrorOrigin::kDisk, "cannot write to standard output");
    }
    return {};
  }
  BANYAN_RETURN_IF_ERROR(file_->sync());
  file_.reset();
  BANYAN_RETURN_IF_ERROR(files_.rename(temporary(), path_));
  is_finished_ = true;
  const auto slash = path_.rfind('/');
  return files_.sync_directory(slash == std::string::npos ? "." : path_.substr(0, slash + 1));
}

}  // namespace banyan::app
