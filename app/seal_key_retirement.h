// SPDX-License-Identifier: Apache-2.0
//
// Destroys the seal keys of epochs, and the subjects' keys of days, of which retention has left
// nothing in the log, so that what was sealed then is unreadable for good, also in copies of the
// disk. Looks every few seconds, on a thread of its own, so that a slow disk holds up neither log
// nor traffic; the first look makes good what a crash left undone. What fails is tried again at the
// next look.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <string>
#include <thread>

#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/base/mutex.h"
#include "core/crypto/key_ring.h"
#include "core/crypto/subject_keys.h"
#include "recorder/recorder.h"

namespace banyan::app {

class SealKeyRetirement {
 public:
  // Both must outlive this object.
  SealKeyRetirement(const recorder::Recorder& recorder, crypto::KeyRing& keys,
                    crypto::SubjectKeys* subjects = nullptr)
      : recorder_(recorder), keys_(keys), subjects_(subjects) {}
  ~SealKeyRetirement() { stop(); }
  SealKeyRetirement(const SealKeyRetirement&) = delete;
  SealKeyRetirement& operator=(const SealKeyRetirement&) = delete;

  void start();
  void stop();

  // One look; its failure is logged when the look before ended in the same one, once. For the
  // thread, or for who has not called start().
  void look();

  static constexpr std::chrono::seconds kLookEvery{10};

 private:
  void run();
  Status retire();
  Status prune_subjects();  // of days of which no stream of the log has anything left
  Status retire_epochs();
  void tell(const Status& status);

  const recorder::Recorder& recorder_;
  crypto::KeyRing& keys_;
  crypto::SubjectKeys* const subjects_;  // null: there are none
  Epoch kept_from_;                      // keys of epochs before are destroyed
  std::string failure_;                  // of the last look; "" after a good one
  std::uint64_t failed_looks_ = 0;
  Mutex mutex_;
  std::condition_variable stop_signal_;
  bool is_stopping_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace banyan::app
