// SPDX-License-Identifier: Apache-2.0
#include "app/server.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <utility>

#include "access_log/access_log.h"
#include "admin/admin_server.h"
#include "app/erasure.h"
#include "app/mirror_policy.h"
#include "app/pulses.h"
#include "app/reloader.h"
#include "app/rule_book.h"
#include "app/seal_key_retirement.h"
#include "app/subjects.h"
#include "app/system_tls.h"
#include "app/upstreams.h"
#include "app/watchdog.h"
#include "comparator/comparator.h"
#include "comparator/findings.h"
#include "core/base/mutex.h"
#include "core/base/text.h"
#include "core/crypto/key_ring.h"
#include "core/net/warden.h"
#include "core/obs/log.h"
#include "core/obs/metrics.h"
#include "ledger/ledger.h"
#include "proxy/proxy.h"
#include "recorder/recorder.h"
#include "replay/mirror.h"
#include "replay/runs.h"
#include "routing/routing_control.h"

namespace banyan::app {
namespace {

constexpr std::int64_t kStopFlushNs = 5'000'000'000;
constexpr std::int64_t kMirrorStopPatienceNs = 1'000'000'000;

// How long the start waits for names to resolve; what has not by then does so while serving.
constexpr std::int64_t kNamesPatienceNs = 2'000'000'000;

}  // namespace

Result<Roles> Roles::parse(const std::string& list) {
  Roles roles{false, false, false};
  bool has_proxy = false;
  for (const std::string_view name : split(list, ',')) {
    if (name == "proxy") {
      has_proxy = true;
    } else if (name == "mirror") {
      roles.mirror = true;
    } else if (name == "compare") {
      roles.compare = true;
    } else if (name == "admin") {
      roles.admin = true;
    } else {
      return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kConfig,
                        "--roles: unknown role \"" + escape_for_terminal(name) +
                            "\"; the roles are proxy, mirror, compare, admin");
    }
  }
  if (!has_proxy) {
    return make_error(ErrorCode::kUnsupported, ErrorOrigin::kConfig,
                      "--roles: this version runs mirror, compare and admin only beside the proxy; "
                      "add \"proxy\"");
  }
  return roles;
}

// What of a new config can fail, done.
struct Prepared {
  bool renews_connections = false;
};

// In the order of opening; destroyed in reverse.
struct Server::Impl final : ConfigTarget {
  Impl(ServerSetup given, const ServiceNotifier& the_notifier)
      : source(std::move(given.source)),
        config(std::move(given.config)),
        roles(given.roles),
        inherited(std::move(given.inherited)),
        notifier(the_notifier) {}

  const ConfigSource source;
  config::Config config;  // in force; changed by take_over() alone
  const Roles roles;
  std::vector<net::Listening> inherited;
  const ServiceNotifier& notifier;
  Clock& clock = SystemClock::instance();
  FileSystem& files = FileSystem::posix();
  obs::Metrics metrics;
  std::unique_ptr<net::Warden> warden;
  std::unique_ptr<recorder::Recorder> recorder;
  std::unique_ptr<crypto::KeyRing> keys;
  std::unique_ptr<Subjects> subjects;  // null: nobody is or was one
  std::unique_ptr<SealKeyRetirement> key_retirement;
  std::unique_ptr<model::Redactor> redactor;
  std::unique_ptr<ledger::Ledger> ledger;
  std::unique_ptr<model::RecordSink> routing_sink;
  std::unique_ptr<routing::RoutingControl> routing;
  std::unique_ptr<RuleBook> rules;
  std::unique_ptr<comparator::Comparator> comparator;
  std::unique_ptr<comparator::FindingsStore> findings;
  std::unique_ptr<Erasure> erasure;  // with `subjects`
  std::unique_ptr<RoutingMirrorPolicy> mirror_policy;
  std::unique_ptr<replay::Mirror> mirror;
  std::unique_ptr<replay::Runs> runs;
  std::unique_ptr<access_log::AccessLog> access_log;
  std::unique_ptr<proxy::Proxy> proxy;
  std::unique_ptr<Reloader> reloader;
  std::unique_ptr<admin::AdminServer> admin;
  std::unique_ptr<ProxyPulse> proxy_pulse;
  std::unique_ptr<RecorderPulse> recorder_pulse;
  std::unique_ptr<Watchdog> watchdog;
  std::atomic<bool> is_hurried{false};
  Mutex drain_mutex;
  bool is_drained GUARDED_BY(drain_mutex) = false;  // the proxy may be gone from here on

  admin::AdminFacts facts() const;
  Status open();
  Status open_upstreams();
  Status open_log();
  Status open_subjects();
  Status finish_erasures();
  bool records_subjects() const {
    return config.proxy.subject.kind != proxy::SubjectOptions::Kind::kNone;
  }
  // The log as consumers read and write it: subjects' records open, and sealed.
  model::LogAccess& log() { return subjects != nullptr ? subjects->log() : recorder->access(); }
  std::unique_ptr<model::RecordSink> open_lane() {
    auto lane = recorder->open_lane();
    return subjects != nullptr ? subjects->guard(std::move(lane)) : std::move(lane);
  }
  Status open_routing();
  Status open_consumers();
  Status open_edges();
  void open_watchdog();
  replay::SystemsOptions systems_to_ask(const config::Config& of) const;
  Status take_over(const config::Config& given, std::vector<std::string>& warnings) override;
  Status prepare_systems(config::Config& next, Prepared& prepared) const;
  void commit(const config::Config& next, const Prepared& prepared);
  void warn(const std::vector<std::string>& warnings) {
    for (const std::string& warning : warnings) obs::log_warning("app", warning);
  }
};

// One set of endpoints per system, shared by workers, mirror and runs.
Status Server::Impl::open_upstreams() {
  auto opened = net::Warden::open(config.dns, systems_of(config), metrics);
  if (!opened.ok()) return opened.error();
  warden = *std::move(opened);
  use_endpoints(*warden, config);
  return {};
}

Status Server::Impl::open_log() {
  BANYAN_RETURN_IF_ERROR(files.make_directories(config.data_dir));
  BANYAN_RETURN_IF_ERROR(files.make_directories(config.data_dir + "/state"));
  config.recorder.directory = config.data_dir + "/log";
  auto opened = recorder::Recorder::open(files, clock, config.recorder);
  if (!opened.ok()) return opened.error();
  recorder = *std::move(opened);
  const recorder::RecoveryReport& found = recorder->recovery();
  if (found.was_unclean) {
    obs::log_warning("recorder",
                     "the last stop was unclean; recovered in " + std::to_string(found.seconds_ms) +
                         " ms: " + std::to_string(found.records_kept) + " records kept, " +
                         std::to_string(found.torn_tail_bytes) + " bytes of torn tail cut, " +
                         std::to_string(found.damaged_ranges) + " damaged ranges");
  }

  auto ring =
      crypto::KeyRing::open(files, config.data_dir + "/keys", recorder->epoch(), config.record_key);
  if (!ring.ok()) return ring.error();
  keys = *std::move(ring);
  BANYAN_RETURN_IF_ERROR(open_subjects());
  key_retirement = std::make_unique<SealKeyRetirement>(
      *recorder, *keys, subjects != nullptr ? &subjects->keys() : nullptr);
  auto made = model::Redactor::create(config.redaction, *keys);
  if (!made.ok()) return made.error();
  redactor = *std::move(made);
  const auto count = [this](std::string_view name, std::string_view help, auto read) {
    metrics.collected(name, help, "counter", [this, read](const obs::Metrics::Emit& emit) {
      emit({}, static_cast<double>(read(redactor->counts())));
    });
  };
  count("banyan_redaction_messages_total", "Messages in which something was redacted.",
        [](const model::Redactor::Counts& counts) { return counts.redacted; });
  count("banyan_redaction_bodies_left_out_total",
        "Bodies that were not recorded, since a rule may apply and they could not be read.",
        [](const model::Redactor::Counts& counts) { return counts.left_out; });

  std::vector<std::string> warnings;
  auto book =
      ledger::Ledger::open(files, clock, recorder->access(), config.data_dir + "/state", warnings);
  warn(warnings);
  if (!book.ok()) return book.error();
  ledger = *std::move(book);
  return {};
}

Status Server::Impl::open_subjects() {
  auto opened =
      Subjects::open(files, clock, config.data_dir, *keys, recorder->access(), records_subjects());
  if (!opened.ok()) return opened.error();
  subjects = *std::move(opened);
  if (subjects != nullptr) subjects->add_metrics(metrics);
  return {};
}

Status Server::Impl::finish_erasures() {
  if (subjects == nullptr) return {};
  erasure =
      std::make_unique<Erasure>(recorder->access(), subjects->keys(), findings.get(),
                                config.proxy.subject.kind == proxy::SubjectOptions::Kind::kSession);
  return erasure->finish().status();
}

Status Server::Impl::open_routing() {
  routing_sink = recorder->open_lane();
  // Exchanges that were open when the last process died end here, exactly once: the ledger knows
  // them, and none of this epoch exists yet.
  const auto open_exchanges = ledger->open_exchanges();
  for (const ledger::LedgerFold::Open& open : open_exchanges) {
    model::OutcomeRecord outcome;
    outcome.exchange = open.exchange;
    outcome.route = open.route;
    outcome.ended = clock.now();
    outcome.kind = OutcomeKind::kUnknown;
    outcome.cause = "unclean_stop";
    model::append_record(*routing_sink, outcome);
  }
  if (!open_exchanges.empty()) {
    obs::log_warning("app", std::to_string(open_exchanges.size()) +
                                " exchanges were open when Banyan died; recorded as unknown");
  }
  config.routing.state_directory = config.data_dir + "/state";
  std::vector<std::string> warnings;
  auto control = routing::RoutingControl::open(files, clock, config.routing, *keys,
                                               routing_sink.get(), warnings);
  warn(warnings);
  if (!control.ok()) return control.error();
  routing = *std::move(control);
  return {};
}

Status Server::Impl::open_consumers() {
  auto book = RuleBook::open(files, config.data_dir, config.comparator);
  if (!book.ok()) return book.error();
  rules = *std::move(book);
  recorder->set_checkpoint_state(routing->epoch(), rules->rules()->version());

  if (roles.compare) {
    comparator::ComparatorLimits limits;
    limits.body_bytes_max = config.comparator.body_bytes_max;
    const replay::NoiseOptions& noise = config.mirror.noise;
    limits.control_share = config.twin_urls.empty() ? noise.control : noise.twin;
    auto opened = comparator::Comparator::open(clock, log(), open_lane(), rules->rules(), limits);
    if (!opened.ok()) return opened.error();
    comparator = *std::move(opened);
  }
  rules->set_publish([this](const RuleBook::Rules& next) {
    if (comparator) comparator->set_rules(next);
    recorder->set_checkpoint_state(routing->epoch(), next->version());
  });
  auto store = comparator::FindingsStore::open(config.data_dir + "/findings.sqlite", clock,
                                               config.endpoint_paths);
  if (!store.ok()) return store.error();
  findings = *std::move(store);
  BANYAN_RETURN_IF_ERROR(finish_erasures());

  const replay::SystemsOptions systems = systems_to_ask(config);
  if (roles.mirror) {
    mirror_policy = std::make_unique<RoutingMirrorPolicy>(routing->cell());
    auto opened = replay::Mirror::open(clock, log(), open_lane(), *redactor, *mirror_policy,
                                       systems, config.mirror);
    if (!opened.ok()) return opened.error();
    mirror = *std::move(opened);
    recorder->set_retention_listener([this](std::string_view stream, Offset first, Offset end) {
      mirror->on_retention(stream, first, end);
    });
  }
  auto opened = replay::Runs::open(files, clock, log(), open_lane(), *redactor, systems,
                                   config.data_dir + "/state/runs");
  if (!opened.ok()) return opened.error();
  runs = *std::move(opened);
  runs->set_policy(mirror_policy.get());
  return {};
}

admin::AdminFacts Server::Impl::facts() const {
  admin::AdminFacts facts;
  facts.version = BANYAN_VERSION;
  facts.data_dir = config.data_dir;
  facts.roles = {"proxy", "admin"};
  if (roles.mirror) facts.roles.push_back("mirror");
  if (roles.compare) facts.roles.push_back("compare");
  facts.started_wall_ns = clock.wall_ns();
  return facts;
}

Status Server::Impl::open_edges() {
  auto lines = access_log::AccessLog::open(config.access_log, metrics);
  if (!lines.ok()) {
    Error error = lines.error();
    error.origin = ErrorOrigin::kConfig;
    return error;
  }
  access_log = *std::move(lines);
  proxy::LogDoor door = proxy::log_door(*recorder);
  proxy::ProxyExtras extras{access_log.get(), std::move(inherited)};
  if (records_subjects()) {
    extras.subjects = &subjects->keys();
    door.open_lane = [this](const std::function<void()>& wake) {
      return subjects->guard(recorder->open_lane(wake), wake);
    };
  }
  auto front = proxy::Proxy::open(
      config.proxy, clock, routing->cell(), std::move(door), *redactor, *keys, metrics,
      [this](int status) { ledger->count_refused(status); }, std::move(extras));
  if (!front.ok()) return front.error();
  proxy = *std::move(front);
  reloader = std::make_unique<Reloader>(source, config, *this, clock, metrics, notifier);
  open_watchdog();
  if (!roles.admin) return {};
  admin::AdminServices services{.clock = clock,
                                .files = files,
                                .metrics = metrics,
                                .recorder = *recorder,
                                .routing = *routing,
                                .ledger = *ledger,
                                .findings = *findings,
                                .comparator = comparator.get(),
                                .mirror = mirror.get(),
                                .runs = runs.get(),
                                .proxy = proxy.get(),
                                .config = reloader.get(),
                                .opened_log = &log(),
                                .erasure = erasure.get(),
                                .rules = rules.get(),
                                .add_alarms =
                                    [this](std::vector<std::string>& alarms) {
                                      const std::string failure = access_log->failure();
                                      if (!failure.empty())
                                        alarms.push_back("access log: " + failure);
                                      if (subjects != nullptr) subjects->add_alarms(alarms);
                                      const std::string problem = rules->problem();
                                      if (!problem.empty()) alarms.push_back(problem);
                                    },
                                .legacy = warden->endpoints(0),
                                .candidate = warden->endpoints(1)};
  config.admin.data_dir = config.data_dir;
  auto port = admin::AdminServer::open(config.admin, facts(), services);
  if (!port.ok()) return port.error();
  admin = *std::move(port);
  return {};
}

Status Server::Impl::open() {
  BANYAN_RETURN_IF_ERROR(open_system_tls(config));
  BANYAN_RETURN_IF_ERROR(open_upstreams());
  BANYAN_RETURN_IF_ERROR(open_log());
  BANYAN_RETURN_IF_ERROR(open_routing());
  BANYAN_RETURN_IF_ERROR(open_consumers());
  return open_edges();
}

void Server::Impl::open_watchdog() {
  const std::int64_t period_ns =
      watchdog_period_ns(std::getenv("WATCHDOG_USEC"), std::getenv("WATCHDOG_PID"), getpid());
  if (period_ns == 0 || !notifier.is_on()) return;
  proxy_pulse = std::make_unique<ProxyPulse>(*proxy);
  recorder_pulse = std::make_unique<RecorderPulse>(*recorder);
  // Twice in its time, so that one late look is no death.
  watchdog = std::make_unique<Watchdog>(
      period_ns / 2, std::vector<Pulse*>{proxy_pulse.get(), recorder_pulse.get()},
      [this] { notifier.alive(); });
}

// ---- reload

// First everything that can fail, with nothing in force yet; then one step. Of a failure nothing
// remains.
Status Server::Impl::take_over(const config::Config& given, std::vector<std::string>& warnings) {
  config::Config next = given;
  Prepared prepared;
  BANYAN_RETURN_IF_ERROR(rules->check(next.comparator));
  const auto changed = config::changed_sections(config, next);
  prepared.renews_connections = std::any_of(changed.begin(), changed.end(), [](const auto& name) {
    return name == "systems" || name == "limits";
  });
  BANYAN_RETURN_IF_ERROR(prepare_systems(next, prepared));
  // Opened again also where its path is the same: a reload is as good as SIGUSR1.
  auto lines = access_log::AccessLog::prepare(next.access_log);
  if (!lines.ok()) {
    Error error = lines.error();
    error.origin = ErrorOrigin::kConfig;
    return error;
  }
  auto front = proxy->prepare(next.proxy, prepared.renews_connections);
  if (!front.ok()) return front.error();
  BANYAN_RETURN_IF_ERROR(redactor->replace_rules(next.redaction));
  const Status routed = routing->reload(
      next.routing,
      [&](const routing::RoutingControl::Publish& publish) {
        return proxy->apply(*std::move(front), publish);
      },
      warnings);
  if (!routed.ok()) {
    (void)redactor->replace_rules(config.redaction);  // Known, so it cannot fail.
    return routed;
  }
  commit(next, prepared);
  access_log->apply(*std::move(lines));
  config = std::move(next);
  return {};
}

Status Server::Impl::prepare_systems(config::Config& next, Prepared& prepared) const {
  // Read again even where no key changed: the files may have.
  BANYAN_RETURN_IF_ERROR(open_system_tls(next));
  for (const proxy::SystemOptions* system :
       {&next.proxy.legacy, &next.proxy.candidate, &next.twin}) {
    if (system->upstream.tls != nullptr) prepared.renews_connections = true;
  }
  use_endpoints(*warden, next);
  return {};
}

// What follows the proxy: consumers of the log.
void Server::Impl::commit(const config::Config& next, const Prepared& prepared) {
  update_warden(*warden, next);
  rules->replace_config(next.comparator);
  if (const Status status = recorder->reconfigure(next.recorder); !status.ok()) {
    obs::log_error("app", "[log] stays as it was: " + status.error().message);
  }
  if (mirror) mirror->reconfigure(systems_to_ask(next), next.mirror, prepared.renews_connections);
  runs->set_systems(systems_to_ask(next));
}

replay::SystemsOptions Server::Impl::systems_to_ask(const config::Config& of) const {
  replay::SystemsOptions systems{of.proxy.legacy.upstream, of.proxy.candidate.upstream,
                                 of.proxy.legacy.host, of.proxy.candidate.host,
                                 keys->digest_seed()};
  if (!of.twin_urls.empty()) {
    systems.twin = of.twin.upstream;
    systems.twin_host = of.twin.host;
  }
  return systems;
}

Server::Server() = default;
Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::open(ServerSetup setup, const ServiceNotifier& notifier) {
  std::unique_ptr<Server> server(new Server());
  server->impl_ = std::make_unique<Impl>(std::move(setup), notifier);
  BANYAN_RETURN_IF_ERROR(server->impl_->open());
  return server;
}

void Server::start() {
  impl_->warden->start();
  (void)impl_->warden->wait_until_settled(kNamesPatienceNs);
  impl_->ledger->start();
  impl_->key_retirement->start();
  if (impl_->comparator) impl_->comparator->start();
  if (impl_->mirror) impl_->mirror->start();
  impl_->proxy->start();
  if (impl_->admin) impl_->admin->start();
  impl_->reloader->set_ready_status(ready_line());
  if (impl_->watchdog) impl_->watchdog->start();
}

std::string Server::ready_line() const {
  std::string line = "banyan: ready: listening on ";
  bool is_first = true;
  for (const std::string& address : impl_->proxy->addresses()) {
    line += (is_first ? "" : ", ") + address;
    is_first = false;
  }
  if (impl_->admin) line += "; admin http://" + impl_->admin->address();
  line += "; data " + impl_->config.data_dir + " (epoch " +
          std::to_string(impl_->recorder->epoch().value) + ")";
  return line;
}

void Server::request_reload(const std::string& by) { impl_->reloader->request(by); }

void Server::reopen_access_log() { impl_->access_log->reopen(); }

void Server::roll_back_all(const std::string& by, const std::string& reason) {
  (void)impl_->routing->rollback("", by, reason);  // "" is known: it cannot fail
  obs::log_warning("routing", "rolled back every route to legacy (" + by + ")");
}

void Server::stop() {
  // Nothing changes any more; then from the client inwards: each room still finds the ones it
  // writes to.
  impl_->reloader->stop();
  impl_->proxy->stop(impl_->config.proxy.timeouts.drain_ns);
  {
    MutexLock lock(impl_->drain_mutex);
    impl_->is_drained = true;
  }
  if (impl_->mirror) impl_->mirror->stop(impl_->is_hurried ? 0 : kMirrorStopPatienceNs);
  impl_->runs.reset();
  impl_->warden->stop();
  if (impl_->comparator) impl_->comparator->stop();
  if (const Status flushed = impl_->recorder->flush(kStopFlushNs); !flushed.ok()) {
    obs::log_error("recorder", "the log could not be flushed: " + flushed.error().message);
  }
  impl_->ledger->stop();
  impl_->key_retirement->stop();
  if (impl_->admin) impl_->admin->stop();
  impl_->admin.reset();
  impl_->watchdog.reset();
  impl_->proxy.reset();
  impl_->access_log->stop();
  impl_->mirror.reset();
  impl_->findings.reset();
  impl_->comparator.reset();
  impl_->routing.reset();
  impl_->routing_sink.reset();
  impl_->recorder->stop();
}

void Server::hurry() {
  impl_->is_hurried = true;
  MutexLock lock(impl_->drain_mutex);
  if (!impl_->is_drained) impl_->proxy->abort_drain();
}

}  // namespace banyan::app
