// SPDX-License-Identifier: Apache-2.0
//
// The log of a data directory for commands, offline or beside a server: what subjects' keys open is
// open, the rest reads as erased.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "core/base/clock.h"
#include "core/base/file_system.h"
#include "core/crypto/subject_keys.h"
#include "core/model/subject_log.h"
#include "recorder/log_keys.h"

namespace banyan::app {

inline std::string subjects_directory(const std::string& data_dir) {
  return data_dir + "/keys/subjects";
}

// Of the stream that a server writes.
inline std::string main_stream_directory(const std::string& data_dir) {
  return data_dir + "/log/main";
}

// A server holds this lock as long as it runs: who has it changes what a server keeps in memory.
// The stream's directory must be there.
inline Result<std::unique_ptr<FileLock>> lock_main_stream(FileSystem& files,
                                                          const std::string& data_dir) {
  return files.lock(main_stream_directory(data_dir) + "/lock");
}

class OfflineLog final : public model::ForwardingLog {
 public:
  // `keys` null: nobody is a subject; else `opening` opens `log` by them.
  OfflineLog(std::unique_ptr<model::LogAccess> log, std::unique_ptr<crypto::SubjectKeys> keys,
             std::unique_ptr<model::SubjectLog> opening)
      : ForwardingLog(opening != nullptr ? *opening : *log),
        owned_(std::move(log)),
        keys_(std::move(keys)),
        opening_(std::move(opening)) {}
  // Null where there are none.
  crypto::SubjectKeys* subjects() const { return keys_.get(); }

 private:
  const std::unique_ptr<model::LogAccess> owned_;
  const std::unique_ptr<crypto::SubjectKeys> keys_;
  const std::unique_ptr<model::SubjectLog> opening_;
};

// Where subjects' keys are there but cannot be had, that is said on stderr, and their data reads as
// erased.
Result<std::unique_ptr<OfflineLog>> open_log_in(FileSystem& files, const std::string& data_dir,
                                                std::shared_ptr<const recorder::LogKeys> log_keys,
                                                const std::string& record_key);

}  // namespace banyan::app
