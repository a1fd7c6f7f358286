// SPDX-License-Identifier: Apache-2.0
#include "replay/run_state.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "core/base/text.h"

namespace banyan::replay {
namespace {

constexpr std::string_view kFirstLine = "banyan-run 1";
constexpr std::array<std::string_view, 2> kKinds = {"replay", "reconcile"};
constexpr std::array<std::string_view, 4> kOnly = {"all", "missed", "failed", "different"};
constexpr std::array<std::string_view, 5> kStates = {"running", "done", "cancelled", "failed",
                                                     "interrupted"};

// Values are one line: what could end it is percent-encoded.
std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f && c != '%') {
      out += c;
    } else {
      out += '%' + hex_of_bytes(std::string_view(&c, 1));
    }
  }
  return out;
}

template <std::size_t N, typename E>
bool read_word(const std::array<std::string_view, N>& words, std::string_view text, E& out) {
  const auto found = std::find(words.begin(), words.end(), text);
  if (found == words.end()) return false;
  out = static_cast<E>(found - words.begin());
  return true;
}

bool read_i64(std::string_view text, std::int64_t& out) {
  const bool is_negative = !text.empty() && text.front() == '-';
  const auto value = parse_u64(is_negative ? text.substr(1) : text);
  if (!value || *value > static_cast<std::uint64_t>(INT64_MAX)) return false;
  out = is_negative ? -static_cast<std::int64_t>(*value) : static_cast<std::int64_t>(*value);
  return true;
}

bool read_u64(std::string_view text, std::uint64_t& out) {
  const auto value = parse_u64(text);
  if (value) out = *value;
  return value.has_value();
}

struct CounterName {
  std::string_view name;
  std::uint64_t RunStatus::*member;
};
constexpr std::array<CounterName, 12> kCounters = {
    {{"id", &RunStatus::id},
     {"considered", &RunStatus::considered},
     {"selected", &RunStatus::selected},
     {"sent", &RunStatus::sent},
     {"answered", &RunStatus::answered},
     {"no_answer", &RunStatus::no_answer},
     {"skipped", &RunStatus::skipped},
     {"equal", &RunStatus::equal},
     {"tolerated", &RunStatus::tolerated},
     {"different", &RunStatus::different},
     {"incomparable", &RunStatus::incomparable},
     {"total_estimate", &RunStatus::total_estimate}}};

bool read_remaining(std::string_view text, RunStatus& status) {
  const auto parts = split(text, '\t');
  if (parts.size() != 5 || status.remaining_list.size() >= 1000) return false;
  RunStatus::Remaining one;
  std::array<std::string*, 5> fields = {&one.exchange, &one.route, &one.method, &one.target,
                                        &one.why};
  for (std::size_t i = 0; i < fields.size(); ++i) {
    auto value = percent_decode(parts[i]);
    if (!value) return false;
    *fields[i] = std::move(*value);
  }
  status.remaining_list.push_back(std::move(one));
  return true;
}

bool read_cursor(std::string_view text, model::Cursor& out) {
  auto cursor = model::Cursor::parse(text);
  if (cursor.ok()) out = std::move(*cursor);
  return cursor.ok();
}

bool read_text(std::string_view text, std::string& out) {
  auto value = percent_decode(text);
  if (value) out = std::move(*value);
  return value.has_value();
}

bool read_spec(std::string_view key, std::string_view value, RunSpec& spec) {
  std::uint64_t number = 0;
  if (key == "kind") return read_word(kKinds, value, spec.kind);
  if (key == "only") return read_word(kOnly, value, spec.only);
  if (key == "to") {
    const auto to = parse_system(value);
    if (to) spec.to = *to;
    return to.has_value();
  }
  if (key == "from") return read_cursor(value, spec.from);
  if (key == "from_wall") return read_i64(value, spec.from_wall_ns);
  if (key == "to_wall") return read_i64(value, spec.to_wall_ns);
  if (key == "filter") return read_text(value, spec.filter);
  if (key == "route") return read_text(value, spec.route);
  if (key == "speed_ppm") {
    if (!read_u64(value, number)) return false;
    spec.speed = static_cast<double>(number) / 1e6;
    return true;
  }
  if (key == "concurrency") {
    if (!read_u64(value, number) || number == 0 || number > 4096) return false;
    spec.concurrency = number;
    return true;
  }
  return false;
}

bool read_line(std::string_view key, std::string_view value, StoredRun& run) {
  RunStatus& status = run.status;
  for (const CounterName& counter : kCounters) {
    if (key == counter.name) return read_u64(value, status.*counter.member);
  }
  if (key == "remaining") return read_u64(value, status.remaining);
  if (key == "state") return read_word(kStates, value, status.state);
  if (key == "until") return read_cursor(value, run.until);
  if (key == "started") return read_i64(value, status.started_wall_ns);
  if (key == "ended") return read_i64(value, status.ended_wall_ns);
  if (key == "message") return read_text(value, status.message);
  if (key == "item") return read_remaining(value, status);
  return read_spec(key, value, status.spec);
}

}  // namespace

std::string_view to_string(RunKind kind) { return kKinds[static_cast<std::size_t>(kind)]; }
std::string_view to_string(RunOnly only) { return kOnly[static_cast<std::size_t>(only)]; }
std::string_view to_string(RunState state) { return kStates[static_cast<std::size_t>(state)]; }

std::string to_text(const StoredRun& run) {
  const RunStatus& status = run.status;
  const RunSpec& spec = status.spec;
  std::string out(kFirstLine);
  out += '\n';
  const auto line = [&out](std::string_view key, std::string_view value) {
    out.append(key).append(" ").append(value).append("\n");
  };
  for (const CounterName& counter : kCounters) {
    line(counter.name, std::to_string(status.*counter.member));
  }
  line("state", to_string(status.state));
  line("kind", to_string(spec.kind));
  line("only", to_string(spec.only));
  line("to", banyan::to_string(spec.to));
  line("from", spec.from.to_string());
  line("until", run.until.to_string());
  line("from_wall", std::to_string(spec.from_wall_ns));
  line("to_wall", std::to_string(spec.to_wall_ns));
  line("filter", escape(spec.filter));
  line("route", escape(spec.route));
  line("speed_ppm", std::to_string(static_cast<std::uint64_t>(std::llround(spec.speed * 1e6))));
  line("concurrency", std::to_string(spec.concurrency));
  line("started", std::to_string(status.started_wall_ns));
  line("ended", std::to_string(status.ended_wall_ns));
  line("message", escape(status.message));
  line("remaining", std::to_string(status.remaining));
  for (const auto& one : status.remaining_list) {
    line("item", escape(one.exchange) + '\t' + escape(one.route) + '\t' + escape(one.method) +
                     '\t' + escape(one.target) + '\t' + escape(one.why));
  }
  return out;
}

Result<StoredRun> parse_stored_run(std::string_view text) {
  StoredRun run;
  bool is_first = true;
  for (const std::string_view line : split(text, '\n')) {
    const auto damaged = [&] {
      return make_error(
          ErrorCode::kDamaged, ErrorOrigin::kDisk,
          "the state of a run holds a line that cannot be read: " + escape_for_terminal(line, 100));
    };
    if (is_first) {
      if (line != kFirstLine) return damaged();
      is_first = false;
      continue;
    }
    if (line.empty()) continue;
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos) return damaged();
    if (!read_line(line.substr(0, space), line.substr(space + 1), run)) return damaged();
  }
  if (run.status.id == 0) {
    return make_error(ErrorCode::kDamaged, ErrorOrigin::kDisk, "the state of a run has no id");
  }
  return run;
}

Status RunStore::save(const StoredRun& run) {
  BANYAN_RETURN_IF_ERROR(files_.make_directories(directory_));
  return files_.write_file_atomically(directory_ + "/" + std::to_string(run.status.id),
                                      to_text(run));
}

Result<std::vector<StoredRun>> RunStore::load_all(std::vector<std::string>& warnings) {
  BANYAN_RETURN_IF_ERROR(files_.make_directories(directory_));
  auto names = files_.list(directory_);
  if (!names.ok()) return names.error();
  std::vector<StoredRun> runs;
  for (const std::string& name : *names) {
    const auto id = parse_u64(name);
    if (!id) continue;  // a temporary file left by a crash
    auto content = files_.read_file(directory_ + "/" + name, kFileBytesMax);
    auto run = content.ok() ? parse_stored_run(*content) : Result<StoredRun>(content.error());
    if (*id >= RunId::kWitnesses) {  // Runs count up from what is there
      warnings.push_back("run " + name + " is left out: no run has such a number");
    } else if (run.ok() && run->status.id == *id) {
      runs.push_back(std::move(*run));
    } else {
      warnings.push_back("run " + name + " is left out: " +
                         (run.ok() ? "its file names another id" : run.error().message));
    }
  }
  std::sort(runs.begin(), runs.end(),
            [](const auto& a, const auto& b) { return a.status.id < b.status.id; });
  return runs;
}

}  // namespace banyan::replay
