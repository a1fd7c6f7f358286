// SPDX-License-Identifier: Apache-2.0
//
// What a server has of subjects: their keys, the log as it opens with them, and the metrics.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/clock.h"
#include "core/base/file_system.h"
#include "core/crypto/key_ring.h"
#include "core/crypto/subject_keys.h"
#include "core/model/subject_log.h"
#include "core/obs/metrics.h"

namespace banyan::app {

class Subjects {
 public:
  // Null where none are recorded (`records` false) and none ever were. `log` outlives it.
  static Result<std::unique_ptr<Subjects>> open(FileSystem& files, Clock& clock,
                                                const std::string& data_dir,
                                                const crypto::KeyRing& ring, model::LogAccess& log,
                                                bool records);

  crypto::SubjectKeys& keys() { return *keys_; }
  model::LogAccess& log() { return log_; }
  std::unique_ptr<model::RecordSink> guard(std::unique_ptr<model::RecordSink> sink,
                                           std::function<void()> wake = {});
  void add_metrics(obs::Metrics& metrics);
  void add_alarms(std::vector<std::string>& alarms) const;

 private:
  Subjects(std::unique_ptr<crypto::SubjectKeys> keys, model::LogAccess& log)
      : keys_(std::move(keys)), log_(log, *keys_) {}
  const std::unique_ptr<crypto::SubjectKeys> keys_;
  model::SubjectLog log_;
};

}  // namespace banyan::app
