// SPDX-License-Identifier: Apache-2.0
#include "routing/state_file.h"

#include <algorithm>
#include <optional>
#include <unordered_set>

#include "core/base/sealed_text.h"
#include "core/base/text.h"
#include "routing/session.h"

namespace banyan::routing {
namespace {

constexpr TextFormat kFormat{"the routing state file", "banyan-routing ", "1", kStateBytesMax};

void append_quoted(std::string_view text, std::string& out) {
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f || c == '"' || c == '\\') {
      out += "\\x";
      out += hex_of_bytes(std::string_view(&c, 1));
    } else {
      out += c;
    }
  }
  out += '"';
}

std::string dials_text(const model::Dials& dials) {
  return std::to_string(dials.candidate_share) + "," + std::to_string(dials.mirror_share) + "," +
         (dials.mirror_writes ? "1" : "0");
}

// Reads one line from its front; the first failure sticks.
class LineReader {
 public:
  explicit LineReader(std::string_view line) : rest_(line) {}

  void literal(std::string_view text) {
    if (rest_.substr(0, text.size()) != text) {
      is_ok_ = false;
    } else {
      rest_.remove_prefix(text.size());
    }
  }
  std::uint64_t number(std::uint64_t max) {
    std::size_t size = 0;
    while (size < rest_.size() && rest_[size] >= '0' && rest_[size] <= '9') ++size;
    const auto digits = rest_.substr(0, size);
    const auto value = parse_u64(digits);
    // One spelling per number, so that what was read is what would be written.
    if (!value || *value > max || (digits.size() > 1 && digits[0] == '0')) {
      is_ok_ = false;
      return 0;
    }
    rest_.remove_prefix(size);
    return *value;
  }
  bool flag() { return number(1) == 1; }
  std::string quoted() {
    std::string out;
    literal("\"");
    while (is_ok_ && !rest_.empty() && rest_[0] != '"') {
      if (rest_[0] != '\\') {
        out += rest_[0];
        rest_.remove_prefix(1);
        continue;
      }
      literal("\\x");
      const auto byte = is_ok_ && rest_.size() >= 2 ? bytes_of_hex(rest_.substr(0, 2))
                                                    : std::optional<std::string>();
      if (!byte) {
        is_ok_ = false;
        break;
      }
      out += *byte;
      rest_.remove_prefix(2);
    }
    literal("\"");
    return out;
  }
  model::Dials dials() {
    model::Dials out;
    out.candidate_share = static_cast<std::uint32_t>(number(kShareWhole));
    literal(",");
    out.mirror_share = static_cast<std::uint32_t>(number(kShareWhole));
    literal(",");
    out.mirror_writes = flag();
    return out;
  }
  bool is_whole() const { return is_ok_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool is_ok_ = true;
};

std::string route_line(const SavedRoute& route) {
  std::string out = "route name=";
  append_quoted(route.name, out);
  out += " dials=" + dials_text(route.dials) + " configured=" + dials_text(route.configured);
  out += route.is_overridden ? " overridden=1" : " overridden=0";
  out += route.is_rolled_back ? " rolled_back=1" : " rolled_back=0";
  out += " changed=" + std::to_string(std::max<std::int64_t>(0, route.changed_wall_ns)) + " by=";
  append_quoted(route.changed_by, out);
  out += " reason=";
  append_quoted(route.changed_reason, out);
  out += '\n';
  return out;
}

std::optional<SavedRoute> parse_route(std::string_view line) {
  LineReader reader(line);
  SavedRoute route;
  reader.literal("route name=");
  route.name = reader.quoted();
  reader.literal(" dials=");
  route.dials = reader.dials();
  reader.literal(" configured=");
  route.configured = reader.dials();
  reader.literal(" overridden=");
  route.is_overridden = reader.flag();
  reader.literal(" rolled_back=");
  route.is_rolled_back = reader.flag();
  reader.literal(" changed=");
  route.changed_wall_ns = static_cast<std::int64_t>(reader.number(INT64_MAX));
  reader.literal(" by=");
  route.changed_by = reader.quoted();
  reader.literal(" reason=");
  route.changed_reason = reader.quoted();
  if (!reader.is_whole()) return std::nullopt;
  return route;
}

Error damaged(std::string_view what) { return damaged_text(kFormat, what); }

}  // namespace

std::string encode_state(const SavedState& state) {
  std::string lines = "epoch " + std::to_string(state.epoch) + "\n";
  lines += "salt " + hex_of_bytes(state.salt) + "\n";
  for (const SavedRoute& route : state.routes) lines += route_line(route);
  return seal_text(kFormat, lines);
}

Result<SavedState> decode_state(std::string_view text) {
  const auto opened = open_text(kFormat, text);
  if (!opened.ok()) return opened.error();
  const std::vector<std::string_view>& lines = *opened;
  if (lines.size() < 3) return damaged("lines are missing");
  if (lines.size() > kStateRoutesMax + 3) return damaged("it names too many routes");
  SavedState state;
  LineReader epoch(lines[1]);
  epoch.literal("epoch ");
  state.epoch = epoch.number(UINT64_MAX / 2);
  if (!epoch.is_whole()) return damaged("line 2 is no epoch");
  const auto salt = lines[2].substr(0, 5) == "salt " ? bytes_of_hex(lines[2].substr(5))
                                                     : std::optional<std::string>();
  if (!salt || hex_of_bytes(*salt) != lines[2].substr(5)) return damaged("line 3 is no salt");
  state.salt = *salt;
  std::unordered_set<std::string> names;
  for (std::size_t i = 3; i < lines.size(); ++i) {
    auto route = parse_route(lines[i]);
    if (!route) return damaged("line " + std::to_string(i + 1) + " is no route");
    if (!names.insert(route->name).second) {
      return damaged("line " + std::to_string(i + 1) + " names a route twice");
    }
    state.routes.push_back(*std::move(route));
  }
  return state;
}

}  // namespace banyan::routing
