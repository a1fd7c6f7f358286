// SPDX-License-Identifier: Apache-2.0
//
// The filter of replays, and the stored state of a run: both are read from outside.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/base/check.h"
#include "replay/run_filter.h"
#include "replay/run_state.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using banyan::replay::FilterFacts;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (auto filter = banyan::replay::RunFilter::parse(text, 1'700'000'000'000'000'000);
      filter.ok()) {
    const FilterFacts facts{banyan::ExchangeId{1, 2}, "orders", "GET", "/a?b", 5, false};
    (void)filter->takes_request(facts);
    (void)filter->takes_status(404);
  }
  if (auto run = banyan::replay::parse_stored_run(text); run.ok()) {
    // What was read is written in one form, and reads the same again.
    const std::string once = banyan::replay::to_text(*run);
    auto again = banyan::replay::parse_stored_run(once);
    CHECK(again.ok());
    CHECK(banyan::replay::to_text(*again) == once);
  }
  return 0;
}
