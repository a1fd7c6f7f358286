// SPDX-License-Identifier: Apache-2.0
//
// Whose data an import holds, by [record] subject: its records lie in the log under the subjects'
// keys, as live ones do, so that erasing reaches them (docs/privacy.md). One thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/base/clock.h"
#include "core/base/file_system.h"
#include "core/crypto/key_ring.h"
#include "core/crypto/subject_keys.h"
#include "core/model/record_io.h"
#include "interchange/exchange.h"
#include "proxy/options.h"

namespace banyan::app {

class ImportSubjects {
 public:
  // One process makes keys: refuses where a server does, which holds the lock of its stream.
  static Result<std::unique_ptr<ImportSubjects>> open(FileSystem& files, Clock& clock,
                                                      const std::string& data_dir,
                                                      const crypto::KeyRing& ring,
                                                      const proxy::SubjectOptions& options);

  // Seals what is appended to `sink`.
  std::unique_ptr<model::RecordSink> guard(std::unique_ptr<model::RecordSink> sink);
  // "" for nobody. Waits for the disk where it takes keys more slowly than they are needed.
  std::string key_of(const interchange::Exchange& exchange, std::string_view session);
  // Until every key is durable: what was appended under others cannot be read again.
  Status flush() { return keys_->flush(); }
  // Exchanges for whose subject no key could be had: their personal part is left out.
  std::uint64_t left_out() const { return left_out_; }

 private:
  ImportSubjects(std::unique_ptr<FileLock> lock, std::unique_ptr<crypto::SubjectKeys> keys,
                 proxy::SubjectOptions options)
      : lock_(std::move(lock)), keys_(std::move(keys)), options_(std::move(options)) {}

  const std::unique_ptr<FileLock> lock_;
  const std::unique_ptr<crypto::SubjectKeys> keys_;
  const proxy::SubjectOptions options_;
  std::uint64_t left_out_ = 0;
};

}  // namespace banyan::app
