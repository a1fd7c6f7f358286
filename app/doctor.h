// SPDX-License-Identifier: Apache-2.0
//
// `banyan doctor`: would this config serve well on this machine? One line per check, with a hint
// where something is not as it should be. Changes nothing, binds nothing for longer than a look.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "app/globals.h"
#include "config/config.h"

namespace banyan::app {

enum class Health { kOk, kWarn, kFail };
std::string_view to_string(Health health);  // OK WARN FAIL

struct Finding {
  Health health = Health::kOk;
  std::string check;    // "ports", "disk" …
  std::string message;  // what was found
  std::string hint;     // what to do; "" where OK
};

class Findings {
 public:
  void ok(std::string check, std::string message) {
    all_.push_back({Health::kOk, std::move(check), std::move(message), ""});
  }
  void warn(std::string check, std::string message, std::string hint) {
    all_.push_back({Health::kWarn, std::move(check), std::move(message), std::move(hint)});
  }
  void fail(std::string check, std::string message, std::string hint) {
    all_.push_back({Health::kFail, std::move(check), std::move(message), std::move(hint)});
  }
  const std::vector<Finding>& all() const { return all_; }
  std::size_t count(Health health) const;

 private:
  std::vector<Finding> all_;
};

// How long one question to a system may take, and the lookup of one name, whatever [dns] says.
inline constexpr std::int64_t kDoctorPatienceNs = 3'000'000'000;
inline constexpr std::int64_t kLookupPatienceNs = 10'000'000'000;
inline constexpr std::int64_t kCertificateWarnNs = 30LL * 86'400 * 1'000'000'000;

// The parts; each adds at least one finding.
void check_ports(const config::Config& config, bool is_running, Findings& findings);
void check_descriptors(const config::Config& config, std::uint64_t limit, Findings& findings);
void check_clock(Findings& findings);
void check_data_directory(const config::Config& config, Findings& findings);
void check_kernel(const config::Config& config, Findings& findings);
void check_certificates(const config::Config& config, std::int64_t now_wall_ns, Findings& findings);
void check_libraries(Findings& findings);
void check_systems(const config::Config& config, Findings& findings,
                   std::int64_t lookup_patience_ns = kLookupPatienceNs);

// kDone where nothing failed (warnings are no failure), kNegativeResult where something did,
// kConfigInvalid where the config does not even load.
int doctor(const Globals& globals);

}  // namespace banyan::app
