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

class OfflineLog final : public model::LogAccess {
 public:
  // `keys` null: nobody is a subject.
  OfflineLog(std::unique_ptr<model::LogAccess> log, std::unique_ptr<crypto::SubjectKeys> keys);
  // Null where there are none.
  crypto::SubjectKeys* subjects() const { return keys_.get(); }

  Result<std::unique_ptr<model::RecordSource>> open_source(const model::Cursor& from,
                                                           model::Fence fence) override {
    return front_->open_source(from, fence);
  }
  model::Cursor begin() const override { return front_->begin(); }
  model::Cursor end() const override { return front_->end(); }
  Result<model::Cursor> find_time(std::int64_t wall_ns) const override {
    return front_->find_time(wall_ns);
  }
  Result<std::vector<model::LogSpan>> find_key(const model::LogKey& key) const override {
    return front_->find_key(key);
  }
  std::int64_t longest_exchange_ns(std::int64_t wall_ns) const override {
    return front_->longest_exchange_ns(wall_ns);
  }
  std::shared_ptr<void> add_publish_listener(std::function<void()> listener) override {
    return front_->add_publish_listener(std::move(listener));
  }
  Status commit_cursor(std::string_view consumer, const model::Cursor& cursor, bool pins) override {
    return front_->commit_cursor(consumer, cursor, pins);
  }
  Result<model::Cursor> load_cursor(std::string_view consumer) const override {
    return front_->load_cursor(consumer);
  }

 private:
  const std::unique_ptr<model::LogAccess> log_;
  const std::unique_ptr<crypto::SubjectKeys> keys_;
  std::unique_ptr<model::SubjectLog> opening_;  // where there are keys
  model::LogAccess* front_;
};

// Where subjects' keys are there but cannot be had, that is said on stderr, and their data reads as
// erased.
Result<std::unique_ptr<OfflineLog>> open_log_in(FileSystem& files, const std::string& data_dir,
                                                std::shared_ptr<const recorder::LogKeys> log_keys,
                                                const std::string& record_key);

}  // namespace banyan::app
