// SPDX-License-Identifier: Apache-2.0
#include "app/subjects.h"

#include <string_view>
#include <utility>

#include "app/offline_log.h"

namespace banyan::app {

Result<std::unique_ptr<Subjects>> Subjects::open(FileSystem& files, Clock& clock,
                                                 const std::string& data_dir,
                                                 const crypto::KeyRing& ring, model::LogAccess& log,
                                                 bool records) {
  const std::string directory = subjects_directory(data_dir);
  if (!records && !files.exists(directory)) return std::unique_ptr<Subjects>();
  const auto secret = ring.subject_secret(records);
  if (!secret.ok()) return secret.error();
  auto keys = crypto::SubjectKeys::open(files, clock, directory, *secret);
  if (!keys.ok()) return keys.error();
  return std::unique_ptr<Subjects>(new Subjects(*std::move(keys), log));
}

std::unique_ptr<model::RecordSink> Subjects::guard(std::unique_ptr<model::RecordSink> sink,
                                                   std::function<void()> wake) {
  return std::make_unique<model::SubjectSink>(std::move(sink), *keys_, std::move(wake));
}

void Subjects::add_metrics(obs::Metrics& metrics) {
  using Stats = crypto::SubjectKeys::Stats;
  const auto add = [&](std::string_view name, std::string_view help, std::string_view type,
                       std::uint64_t Stats::*member) {
    metrics.collected(name, help, type, [this, member](const obs::Metrics::Emit& emit) {
      emit({}, static_cast<double>(keys_->stats().*member));
    });
  };
  add("banyan_subject_keys", "Keys of subjects that are there.", "gauge", &Stats::keys);
  add("banyan_subject_keys_unwritten", "Keys of subjects that wait for the disk.", "gauge",
      &Stats::unwritten);
  add("banyan_subject_keys_made_total", "Keys of subjects made.", "counter", &Stats::made);
  add("banyan_subject_keys_destroyed_total", "Keys of subjects destroyed by erasures.", "counter",
      &Stats::destroyed);
  add("banyan_subject_keys_pruned_total",
      "Keys of subjects that went with the last records under them.", "counter", &Stats::pruned);
  add("banyan_subject_left_out_total",
      "Exchanges recorded without their subject's data, since no key could be had for it.",
      "counter", &Stats::left_out);
  add("banyan_subject_key_write_failures_total", "Failed writes of subjects' keys.", "counter",
      &Stats::write_failures);
}

void Subjects::add_alarms(std::vector<std::string>& alarms) const {
  const auto stats = keys_->stats();
  if (!stats.failure.empty()) {
    alarms.push_back(
        "keys of subjects cannot be written, so that new subjects are recorded "
        "without their data: " +
        stats.failure);
  } else if (stats.keys >= crypto::SubjectKeyOptions().keys_max) {
    alarms.push_back(
        "there are as many keys of subjects as there may be; new subjects are "
        "recorded without their data");
  }
}

}  // namespace banyan::app
