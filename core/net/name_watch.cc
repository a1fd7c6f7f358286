// SPDX-License-Identifier: Apache-2.0
#include "core/net/name_watch.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "core/base/text.h"
#include "core/obs/log.h"

namespace banyan::net {
namespace {

// One family has answered: the other may take this long before the first is used without it.
constexpr std::int64_t kOtherFamilyNs = 500'000'000;

}  // namespace

NameWatch::NameWatch(EventLoop& loop, Resolver& resolver, std::string where, std::string name,
                     std::function<void()> on_news)
    : loop_(loop),
      resolver_(resolver),
      where_(std::move(where)),
      on_news_(std::move(on_news)),
      dice_(static_cast<std::uint64_t>(loop.now().mono_ns) ^ std::hash<std::string>()(name)),
      next_(loop, [this] { look_up(); }),
      patience_(loop, [this] { take_what_there_is(); }),
      alive_(std::make_shared<int>(0)) {
  status_.name = std::move(name);
}

NameWatch::~NameWatch() = default;

void NameWatch::start() { next_.start(0); }

std::vector<std::string> NameWatch::addresses() const {
  std::vector<std::string> all = addresses_[0];
  all.insert(all.end(), addresses_[1].begin(), addresses_[1].end());
  return all;
}

void NameWatch::look_up() {
  waits_for_ = 2;
  for (NameAnswer& answer : answers_) answer = NameAnswer();
  for (const AddressFamily family : {AddressFamily::kIpv4, AddressFamily::kIpv6}) {
    resolver_.resolve(status_.name, family,
                      [this, family, alive = std::weak_ptr<int>(alive_)](NameAnswer answer) {
                        if (!alive.expired()) answered(family, std::move(answer));
                      });
  }
}

void NameWatch::answered(AddressFamily family, NameAnswer answer) {
  answer_of(family) = std::move(answer);
  --waits_for_;
  if (waits_for_ == 0) {
    patience_.stop();
    conclude();
  } else if (answer_of(family).outcome == NameAnswer::Outcome::kAddresses) {
    patience_.start(kOtherFamilyNs);
  }
}

// One family keeps us waiting, and the other is good enough meanwhile.
void NameWatch::take_what_there_is() {
  bool is_new = false;
  for (int family = 0; family < 2; ++family) {
    if (answers_[family].outcome != NameAnswer::Outcome::kAddresses) continue;
    is_new = is_new || addresses_[family] != answers_[family].addresses;
    addresses_[family] = answers_[family].addresses;
  }
  status_.addresses = addresses_[0].size() + addresses_[1].size();
  is_settled_ = true;
  if (is_new) on_news_();
}

void NameWatch::conclude() {
  ++status_.lookups;
  is_settled_ = true;
  const auto is = [this](int family, NameAnswer::Outcome outcome) {
    return answers_[family].outcome == outcome;
  };
  const bool has_any =
      is(0, NameAnswer::Outcome::kAddresses) || is(1, NameAnswer::Outcome::kAddresses);
  for (int family = 0; family < 2; ++family) {
    if (is(family, NameAnswer::Outcome::kAddresses)) {
      addresses_[family] = answers_[family].addresses;
    } else if (has_any && is(family, NameAnswer::Outcome::kNone)) {
      addresses_[family].clear();
    }
  }
  status_.addresses = addresses_[0].size() + addresses_[1].size();
  if (has_any) {
    went_well();
  } else {
    // Of the two, what failed says more than what is merely not there.
    const int telling = is(0, NameAnswer::Outcome::kNone) && !is(1, NameAnswer::Outcome::kNone);
    went_wrong(answers_[telling].message);
  }
  on_news_();
}

void NameWatch::went_well() {
  if (status_.failures_in_a_row > 0) {
    obs::log_info("net", where_ + ": " + escape_for_terminal(status_.name) + " resolves again");
  }
  status_.failures_in_a_row = 0;
  status_.error.clear();
  std::int64_t ttl = INT64_MAX;
  for (const NameAnswer& answer : answers_) {
    if (answer.outcome != NameAnswer::Outcome::kAddresses) continue;
    ttl = std::min(ttl, answer.ttl_ns);
    if (answer.left_out > 0) {
      status_.error = std::to_string(answer.left_out) + " addresses past the limit are not used";
    }
  }
  const DnsOptions& options = resolver_.options();
  next_.start(spread(std::clamp(ttl, options.ttl_min_ns, options.ttl_max_ns), 100, 110));
}

// Said once, not at every try.
void NameWatch::went_wrong(std::string why) {
  ++status_.failures;
  status_.error = std::move(why);
  if (++status_.failures_in_a_row == 1) {
    obs::log_warning(
        "net", where_ + ": cannot resolve " + escape_for_terminal(status_.name) + ": " +
                   status_.error +
                   (status_.addresses > 0
                        ? "; its old addresses stay in use, and it is asked for again"
                        : "; it has no address (502 for who needs it) until it resolves; it is "
                          "asked for again from time to time"));
  }
  const DnsOptions& options = resolver_.options();
  const auto doublings = std::min<std::uint64_t>(status_.failures_in_a_row - 1, 16);
  next_.start(spread(std::min(options.retry_ns << doublings, options.retry_max_ns), 80, 120));
}

// So that many names, and many Banyans, do not ask in step.
std::int64_t NameWatch::spread(std::int64_t delay_ns, int from_percent, int to_percent) {
  const auto width = static_cast<std::uint32_t>(to_percent - from_percent) * 100;
  return delay_ns / 10'000 * (from_percent * 100 + dice_.below(width));
}

}  // namespace banyan::net
