// SPDX-License-Identifier: Apache-2.0
//
// A file that is read once from start to end: the next piece is fetched while the present one is
// looked at. Only read_at() and size() do something; one thread, and one of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/file_system.h"
#include "recorder/side_thread.h"

namespace banyan::recorder {

inline constexpr std::size_t kReadAheadBytes = 4U << 20;

class ReadAhead final : public File {
 public:
  explicit ReadAhead(std::shared_ptr<const File> file) : file_(std::move(file)) {}
  ~ReadAhead() override { side_thread_.wait(); }

  Status read_at(Position position, std::size_t size, std::string& out) const override;
  Result<std::uint64_t> size() const override { return file_->size(); }
  Status write_at(Position, std::string_view) override { return refuse(); }
  Status truncate(std::uint64_t) override { return refuse(); }
  Status reserve(std::uint64_t) override { return refuse(); }
  Status sync() override { return refuse(); }

 private:
  struct Piece {
    Position at;
    std::string bytes;
    Status status;
    bool is_there = false;
    // The whole of what lies there was read, unless the file ends before.
    Position end() const { return Position{at.value + kReadAheadBytes}; }
  };
  static Status refuse();
  void fetch(Position at) const;
  // The piece that begins at `at`; until the next call.
  Result<const Piece*> piece_at(Position at) const;

  const std::shared_ptr<const File> file_;
  // A batch that reaches over the end of a piece is asked for from its beginning once more.
  mutable Piece previous_;
  mutable Piece present_;
  mutable Piece next_;  // the side thread's until wait()
  mutable SideThread side_thread_{"read_ahead"};
};

}  // namespace banyan::recorder
