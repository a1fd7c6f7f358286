// SPDX-License-Identifier: Apache-2.0
#include "app/offline_log.h"

#include "app/globals.h"
#include "core/crypto/key_ring.h"
#include "recorder/recorder.h"

namespace banyan::app {
namespace {

Result<std::unique_ptr<crypto::SubjectKeys>> open_keys(FileSystem& files,
                                                       const std::string& data_dir,
                                                       const std::string& record_key) {
  const auto ring = crypto::KeyRing::open_read_only(files, data_dir + "/keys", record_key);
  if (!ring.ok()) return ring.error();
  const auto secret = (*ring)->subject_secret(false);
  if (!secret.ok()) return secret.error();
  return crypto::SubjectKeys::open_read_only(files, SystemClock::instance(),
                                             subjects_directory(data_dir), *secret);
}

}  // namespace

Result<std::unique_ptr<OfflineLog>> open_log_in(FileSystem& files, const std::string& data_dir,
                                                std::shared_ptr<const recorder::LogKeys> log_keys,
                                                const std::string& record_key) {
  auto log = recorder::open_log(files, data_dir + "/log", std::move(log_keys));
  if (!log.ok()) return log.error();
  std::unique_ptr<crypto::SubjectKeys> keys;
  if (files.exists(subjects_directory(data_dir))) {
    auto opened = open_keys(files, data_dir, record_key);
    if (opened.ok()) {
      keys = *std::move(opened);
    } else {
      complain("data of subjects stays closed and shows as erased: " + opened.error().message);
    }
  }
  std::unique_ptr<model::SubjectLog> opening;
  if (keys != nullptr) opening = std::make_unique<model::SubjectLog>(**log, *keys);
  return std::make_unique<OfflineLog>(*std::move(log), std::move(keys), std::move(opening));
}

}  // namespace banyan::app
