// SPDX-License-Identifier: Apache-2.0
//
// What operation reads from its surroundings: the environment of a service manager, dates of
// systems, the list of packages.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "app/inherited_sockets.h"
#include "app/libraries.h"
#include "app/service_notifier.h"
#include "app/system_probe.h"
#include "core/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace banyan::app;  // NOLINT(google-build-using-namespace)
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto names = names_of_inherited({"7", text.c_str(), text.c_str()}, 7);
  if (names.ok()) CHECK(names->size() <= kInheritedMax);
  CHECK(names_of_inherited({"7", "3", text.c_str()}, 7)->size() == 3);
  (void)names_of_inherited({text.c_str(), "1", nullptr}, 7);
  const std::int64_t period = watchdog_period_ns(text.c_str(), nullptr, 7);
  CHECK(period >= 0);
  (void)ServiceNotifier::open(text);
  (void)parse_http_date(text);
  for (const KnownBad& known : known_bad_packages()) {
    if (const auto version = version_in_status(text, known.package)) {
      CHECK(!version->empty());
      (void)is_known_bad(known, *version);
    }
  }
  return 0;
}
