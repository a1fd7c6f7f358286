// SPDX-License-Identifier: Apache-2.0
#include "app/import_subjects.h"

#include <utility>

#include "app/offline_log.h"
#include "core/model/subject_log.h"
#include "proxy/subject.h"

namespace banyan::app {

Result<std::unique_ptr<ImportSubjects>> ImportSubjects::open(FileSystem& files, Clock& clock,
                                                             const std::string& data_dir,
                                                             const crypto::KeyRing& ring,
                                                             const proxy::SubjectOptions& options) {
  BANYAN_RETURN_IF_ERROR(files.make_directories(main_stream_directory(data_dir)));
  auto lock = lock_main_stream(files, data_dir);
  if (!lock.ok()) {
    Error error = lock.error();
    error.message =
        "[record] subject says whose data an exchange holds, and the server makes the keys "
        "of subjects: stop it, import, and start it again (" +
        error.message + ")";
    return error;
  }
  const auto secret = ring.subject_secret(true);
  if (!secret.ok()) return secret.error();
  auto keys = crypto::SubjectKeys::open(files, clock, subjects_directory(data_dir), *secret);
  if (!keys.ok()) return keys.error();
  return std::unique_ptr<ImportSubjects>(
      new ImportSubjects(*std::move(lock), *std::move(keys), options));
}

std::unique_ptr<model::RecordSink> ImportSubjects::guard(std::unique_ptr<model::RecordSink> sink) {
  return std::make_unique<model::SubjectSink>(std::move(sink), *keys_, nullptr);
}

std::string ImportSubjects::key_of(const interchange::Exchange& exchange,
                                   std::string_view session) {
  http::RequestHead head;
  head.target = exchange.target;
  head.fields = interchange::views_of(exchange.fields);
  const std::string subject = proxy::subject_of(options_, head, session);
  if (subject.empty()) return {};
  std::string key = keys_->id_for(subject);
  if (key == crypto::SubjectKeys::no_key() && keys_->flush().ok()) key = keys_->id_for(subject);
  if (key == crypto::SubjectKeys::no_key()) ++left_out_;
  return key;
}

}  // namespace banyan::app
