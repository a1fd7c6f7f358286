// SPDX-License-Identifier: Apache-2.0
#include "recorder/read_ahead.h"

#include <algorithm>
#include <utility>

namespace banyan::recorder {

Status ReadAhead::refuse() {
  return make_error(ErrorCode::kUnsupported, ErrorOrigin::kInternal,
                    "a file that is read ahead is not written");
}

void ReadAhead::fetch(Position at) const {
  next_.at = at;
  next_.is_there = true;
  side_thread_.start(
      [this] { next_.status = file_->read_at(next_.at, kReadAheadBytes, next_.bytes); });
}

Result<const ReadAhead::Piece*> ReadAhead::piece_at(Position at) const {
  for (const Piece* held : {&present_, &previous_}) {
    if (held->is_there && held->at == at) return held;
  }
  side_thread_.wait();
  if (!next_.is_there || next_.at != at) {
    fetch(at);
    side_thread_.wait();
  }
  // An error is told once; who asks again has it read again.
  next_.is_there = next_.status.ok();
  if (!next_.status.ok()) return next_.status.error();
  std::swap(previous_, present_);
  std::swap(present_, next_);
  next_.is_there = false;
  if (present_.bytes.size() == kReadAheadBytes) fetch(present_.end());
  return &present_;
}

Status ReadAhead::read_at(Position position, std::size_t size, std::string& out) const {
  out.clear();
  while (out.size() < size) {
    const Position at{position.value + out.size()};
    const auto piece = piece_at(Position{at.value / kReadAheadBytes * kReadAheadBytes});
    if (!piece.ok()) return piece.error();
    const std::string_view bytes = (*piece)->bytes;
    const std::size_t skipped = at.value - (*piece)->at.value;
    if (skipped >= bytes.size()) return {};
    out.append(bytes.substr(skipped, size - out.size()));
    if (bytes.size() < kReadAheadBytes) return {};
  }
  return {};
}

}  // namespace banyan::recorder
