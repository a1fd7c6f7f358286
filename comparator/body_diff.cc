// SPDX-License-Identifier: Apache-2.0
#include "comparator/body_diff.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "comparator/body_value.h"
#include "comparator/field_coverage.h"
#include "comparator/header_diff.h"
#include "comparator/html_tree.h"
#include "comparator/json_diff.h"
#include "comparator/lifted_json.h"
#include "comparator/markup_diff.h"
#include "comparator/message_types.h"
#include "comparator/parsed_strings.h"
#include "comparator/renamed_members.h"
#include "comparator/transition.h"
#include "comparator/wire_value.h"
#include "comparator/xml_tree.h"
#include "core/base/text.h"
#include "core/base/unicode.h"
#include "core/codec/content_coding.h"
#include "core/json/tape.h"

namespace banyan::comparator {
namespace {

// Bytes shown of a body that is not text.
constexpr std::size_t kShownHexBytes = 16;

struct Decoded {
  std::string_view bytes;
  std::string storage;  // of `bytes`, where they had to be decoded
  std::string coding;
  std::optional<Error> error;
};

bool has_no_body(const LiftedAnswer& answer) {
  return answer.has_body ? answer.body.empty() : answer.body_length == 0;
}

bool is_json_type(std::string_view media_type) {
  return media_type == "application/json" || media_type == "text/json" ||
         media_type.ends_with("+json");
}

bool looks_like_json(std::string_view bytes) {
  const std::size_t at = bytes.find_first_not_of(" \t\r\n");
  return at != std::string_view::npos && (bytes[at] == '{' || bytes[at] == '[');
}

constexpr std::string_view kHtml = "text/html";

bool is_xml_type(std::string_view media_type) {
  return media_type == "application/xml" || media_type == "text/xml" ||
         media_type.ends_with("+xml");
}

bool looks_like_xml(std::string_view bytes) { return bytes.starts_with("<?xml"); }

bool looks_like_html(std::string_view bytes) {
  bytes.remove_prefix(std::min(bytes.find_first_not_of(" \t\r\n"), bytes.size()));
  return starts_with_ignoring_case(bytes, "<!doctype html") ||
         starts_with_ignoring_case(bytes, "<html");
}

bool is_text(std::string_view bytes) {
  return bytes.find('\0') == std::string_view::npos && is_utf8(bytes);
}

bool is_latin1(std::string_view charset) {
  return charset == "iso-8859-1" || charset == "latin1" || charset == "us-ascii";
}

std::string utf8_of_latin1(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      out.push_back(c);
    } else {
      out.push_back(static_cast<char>(0xC0 | byte >> 6));
      out.push_back(static_cast<char>(0x80 | (byte & 0x3F)));
    }
  }
  return out;
}

std::string size_text(std::uint64_t bytes) { return std::to_string(bytes) + " bytes"; }

// What one comparison after the other may use of a thread; asking the heap for it anew each time
// would cost more than small bodies do.
struct JsonRoom {
  json::Tape legacy, candidate;
  LiftedJson::Room of_legacy, of_candidate;

  void shrink() {
    legacy.shrink();
    candidate.shrink();
    of_legacy.shrink();
    of_candidate.shrink();
  }
};

JsonRoom& json_room() {
  thread_local JsonRoom room;
  return room;
}

class BodyDiff {
 public:
  BodyDiff(const LiftedAnswer& legacy, const LiftedAnswer& candidate, std::string_view target,
           const RuleSet& rules, DifferenceSink& sink, FieldCoverage* coverage = nullptr)
      : legacy_(legacy),
        candidate_(candidate),
        target_(target),
        rules_(rules),
        sink_(sink),
        coverage_(coverage) {}

  std::string run() {
    if (has_no_body(legacy_) && has_no_body(candidate_)) return {};
    const std::string left_coding = content_coding(legacy_.fields);
    const std::string right_coding = content_coding(candidate_.fields);
    const bool is_covering = coverage_ != nullptr;
    if (!is_covering && left_coding == right_coding && have_same_bytes(legacy_, candidate_)) {
      return {};
    }
    if (!is_at_hand(legacy_) || !is_at_hand(candidate_)) {
      if (is_covering) coverage_->note_unread_body();
      return by_digest();
    }
    Decoded a = decoded(legacy_, left_coding);
    Decoded b = decoded(candidate_, right_coding);
    if (a.error || b.error) {
      undecodable(a, b);
      return {};
    }
    if (is_covering || a.bytes != b.bytes) decoded_bodies(a, b);
    return {};
  }

 private:
  bool is_at_hand(const LiftedAnswer& answer) const {
    return (answer.has_body && answer.body.size() <= rules_.options().body_bytes_max) ||
           has_no_body(answer);
  }

  std::string by_digest() {
    const auto is_known = [](const LiftedAnswer& answer) {
      return answer.has_body || has_no_body(answer) || answer.body_digest != Digest128{};
    };
    if (!is_known(legacy_) || !is_known(candidate_)) return "body_not_recorded";
    if (has_no_body(legacy_) || has_no_body(candidate_)) {
      one_sided(size_text(length(legacy_)), size_text(length(candidate_)), has_no_body(candidate_));
      return {};
    }
    emit(DifferenceKind::kValue, size_text(length(legacy_)), size_text(length(candidate_)),
         "not localised");
    return {};
  }

  static std::uint64_t length(const LiftedAnswer& answer) {
    return answer.has_body ? answer.body.size() : answer.body_length;
  }

  Decoded decoded(const LiftedAnswer& answer, const std::string& coding) const {
    Decoded out;
    out.coding = coding;
    out.bytes = answer.body;
    if (coding.empty() || answer.body.empty()) return out;
    codec::DecodeLimits limits;
    limits.bytes_max = rules_.options().body_bytes_max;
    auto result = codec::decode_content(coding, answer.body, limits);
    if (result) {
      out.storage = std::move(*result);
      out.bytes = out.storage;
    } else if (result.error().code != ErrorCode::kUnsupported) {
      out.error = result.error();
    }
    return out;
  }

  void undecodable(const Decoded& a, const Decoded& b) {
    const auto told = [](const Decoded& side) {
      if (side.error) return side.error->message;
      return (side.coding.empty() ? std::string() : side.coding + ", ") +
             size_text(side.bytes.size());
    };
    const auto is_too_large = [](const Decoded& side) {
      return side.error && side.error->code == ErrorCode::kExhausted;
    };
    if (is_too_large(a) || is_too_large(b)) {
      emit(DifferenceKind::kValue, told(a), told(b), "not localised");
    } else if (a.error && b.error) {
      emit(DifferenceKind::kValue, told(a), told(b));
    } else {
      emit(DifferenceKind::kEncoding, told(a), told(b));
    }
  }

  void decoded_bodies(Decoded& a, Decoded& b) {
    if (a.bytes.empty() || b.bytes.empty()) {
      return one_sided(shown(a.bytes), shown(b.bytes), b.bytes.empty());
    }
    bring_to_utf8(a, b);
    legacy_type_ = media_type(legacy_.fields);
    candidate_type_ = media_type(candidate_.fields);
    const bool is_same = coverage_ == nullptr && a.bytes == b.bytes;
    if (is_same || json(a.bytes, b.bytes) || html(a.bytes, b.bytes) || xml(a.bytes, b.bytes) ||
        structured(a.bytes, b.bytes) || wire(a.bytes, b.bytes)) {
      return;
    }
    if (is_text(a.bytes) && is_text(b.bytes))
      text(a.bytes, b.bytes);
    else
      bytes(a.bytes, b.bytes);
  }

  // A declared change of charset is told at the header; here only what the text says counts.
  void bring_to_utf8(Decoded& a, Decoded& b) const {
    const std::string left = charset(legacy_.fields);
    const std::string right = charset(candidate_.fields);
    if (left == right) return;
    const auto convert = [](Decoded& side, const std::string& name) {
      if (!is_latin1(name)) return;
      side.storage = utf8_of_latin1(side.bytes);
      side.bytes = side.storage;
    };
    convert(a, left);
    convert(b, right);
  }

  // True where the bodies are compared as JSON, with or without a difference.
  bool json(std::string_view a, std::string_view b) {
    const bool is_declared = is_json_type(legacy_type_) || is_json_type(candidate_type_);
    if (!is_declared && (!looks_like_json(a) || !looks_like_json(b))) return false;
    json::ParseLimits limits;
    limits.nodes_max = kJsonNodesMax;
    JsonRoom& room = json_room();
    const Result<bool> left = is_read(room.legacy.parse(a, limits));
    const Result<bool> right = is_read(room.candidate.parse(b, limits));
    const bool is_compared =
        left.ok() && right.ok() ? tapes(room) : unread(left, a, right, b, is_declared);
    room.shrink();
    return is_compared;
  }

  static Result<bool> is_read(const Status& status) {
    return status.ok() ? Result<bool>(true) : Result<bool>(status.error());
  }

  bool values(const json::Value& left, const json::Value& right) {
    JsonRoom& room = json_room();
    room.legacy.assign(left);
    room.candidate.assign(right);
    tapes(room);
    room.shrink();
    return true;
  }

  bool tapes(JsonRoom& room) {
    json::Value legacy_tree;
    json::Value candidate_tree;
    parse_strings(room.legacy, rules_, legacy_tree);
    parse_strings(room.candidate, rules_, candidate_tree);
    note_renamed(rename_members(room.legacy, room.candidate, rules_, candidate_tree));
    room.legacy.normalize_names();
    room.candidate.normalize_names();
    LiftedJson x(room.legacy, rules_, room.of_legacy);
    const LiftedJson y(room.candidate, rules_, room.of_candidate);
    if (coverage_ == nullptr) {
      JsonDiff(x, y, rules_, sink_).run();
    } else {
      coverage_->note(x, rules_);
      coverage_->note(y, rules_);
    }
    return true;
  }

  // Told once each, so that a rule hides nothing without a trace.
  void note_renamed(const std::vector<RenamedMember>& renamed) {
    for (const RenamedMember& one : renamed) {
      if (coverage_ != nullptr) {
        coverage_->add("body:" + one.path);
        continue;
      }
      sink_.add({"body:" + one.path,
                 "body:" + one.at,
                 DifferenceKind::kMissing,
                 one.from,
                 one.to,
                 std::string(one.rule),
                 {}});
    }
  }

  // Likewise as what both are declared to be: a form, multipart, JSON lines or events.
  bool structured(std::string_view a, std::string_view b) {
    const auto content_type = [](const LiftedAnswer& answer) {
      return http::find_header(answer.fields, "content-type").value_or("");
    };
    const BodyForm form = form_of(legacy_type_);
    if (form == BodyForm::kOther || form != form_of(candidate_type_)) return false;
    const auto left = read_value(form, a, content_type(legacy_));
    const auto right = read_value(form, b, content_type(candidate_));
    if (left.ok() && right.ok()) return values(*left, *right);
    return unread(left, a, right, b, true);
  }

  // Likewise as Protocol Buffers.
  bool wire(std::string_view a, std::string_view b) {
    const WireForm form = wire_form_of(legacy_type_);
    if (form == WireForm::kNone || form != wire_form_of(candidate_type_)) {
      return false;
    }
    const auto body = [](const LiftedAnswer& answer, std::string_view bytes) {
      return WireBody{bytes, http::find_header(answer.fields, "grpc-encoding").value_or("")};
    };
    const WireBody left = body(legacy_, a);
    const WireBody right = body(candidate_, b);
    const std::size_t bytes_max = rules_.options().body_bytes_max;
    const WireTypes types = types_of(form);
    auto both = read_wire(form, left, right, bytes_max, types);
    if (!both.ok() && both.error().code != ErrorCode::kExhausted && types.message != nullptr) {
      both = read_wire(form, left, right, bytes_max, {});
    }
    if (both.ok()) return values(both->legacy, both->candidate);
    if (both.error().code == ErrorCode::kExhausted) {
      emit(DifferenceKind::kValue, size_text(a.size()),
           size_text(b.size()) + ": " + both.error().message, "not localised");
      return true;
    }
    const auto alone = [&](const WireBody& side) {
      return is_read(check_wire(form, side, bytes_max));
    };
    return unread(alone(left), a, alone(right), b, true);
  }

  // What a descriptor set says of the bodies: by the method, else by the name that the content type
  // gives, as some servers do.
  WireTypes types_of(WireForm form) const {
    WireTypes out;
    out.all = rules_.options().messages.get();
    if (out.all == nullptr || legacy_.status / 100 != 2) return out;
    out.message = out.all->answer_of(target_);
    if (out.message != nullptr || form == WireForm::kGrpc) return out;
    const auto type = http::find_header(legacy_.fields, "content-type").value_or("");
    for (const std::string_view part : split(type, ';')) {
      const std::string_view named = trim(part);
      const std::size_t equals = named.find('=');
      const std::string_view name = named.substr(0, equals);
      if (equals == std::string_view::npos ||
          !(equal_ignoring_case(name, "proto") || equal_ignoring_case(name, "messagetype"))) {
        continue;
      }
      std::string_view value = named.substr(equals + 1);
      if (value.size() > 1 && value.front() == '"') value = value.substr(1, value.size() - 2);
      out.message = out.all->find(value);
    }
    return out;
  }

  // Likewise as HTML. Every text is some HTML, so that one side says so is not enough.
  bool html(std::string_view a, std::string_view b) {
    const bool is_declared = legacy_type_ == kHtml && candidate_type_ == kHtml;
    const auto is_said = [](const std::string& type) { return type.empty() || type == kHtml; };
    const bool may_be = is_said(legacy_type_) && is_said(candidate_type_);
    if (!is_declared && !(may_be && looks_like_html(a) && looks_like_html(b))) return false;
    return markup<HtmlTree>(a, b, is_declared);
  }

  // Likewise as XML.
  bool xml(std::string_view a, std::string_view b) {
    const bool is_declared = is_xml_type(legacy_type_) || is_xml_type(candidate_type_);
    if (!is_declared && (!looks_like_xml(a) || !looks_like_xml(b))) return false;
    return markup<XmlTree>(a, b, is_declared);
  }

  template <typename Tree>
  bool markup(std::string_view a, std::string_view b, bool is_declared) {
    const auto left = Tree::parse(a, rules_);
    const auto right = Tree::parse(b, rules_);
    if (!left.ok() || !right.ok()) return unread(left, a, right, b, is_declared);
    if (coverage_ == nullptr) {
      MarkupDiff(**left, **right, rules_, sink_).run();
    } else {
      coverage_->note(**left, rules_);
      coverage_->note(**right, rules_);
    }
    return true;
  }

  // One side at least could not be read as what it is. False: compare them as bytes.
  template <typename Document>
  bool unread(const Result<Document>& left, std::string_view a, const Result<Document>& right,
              std::string_view b, bool is_declared) {
    const auto is_too_large = [](const Result<Document>& side) {
      return !side.ok() && side.error().code == ErrorCode::kExhausted;
    };
    const auto told = [&](const Result<Document>& side, std::string_view bytes) {
      return side.ok() ? shown(bytes) : side.error().message;
    };
    if (is_too_large(left) || is_too_large(right)) {
      emit(DifferenceKind::kValue, told(left, a), told(right, b), "not localised");
      return true;
    }
    if (!is_declared || (!left.ok() && !right.ok())) return false;
    emit(DifferenceKind::kUnparseable, told(left, a), told(right, b));
    return true;
  }

  void text(std::string_view a, std::string_view b) {
    if (is_same_text(a, b)) return;
    const auto mismatch = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
    const auto at = static_cast<std::size_t>(mismatch.first - a.begin());
    const std::size_t line_break = at == 0 ? std::string_view::npos : a.rfind('\n', at - 1);
    const std::size_t start = line_break == std::string_view::npos ? 0 : line_break + 1;
    const auto line = std::count(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(start), '\n');
    const auto told = [&](std::string_view side) {
      const std::string_view rest = side.substr(start);
      return "line " + std::to_string(line + 1) + ": " + shown(rest.substr(0, rest.find('\n')));
    };
    const bool is_told = rules_.whole_body().empty();
    emit(DifferenceKind::kValue, told(a), told(b),
         is_told ? transition_of_text(a, b) : std::string());
  }

  void bytes(std::string_view a, std::string_view b) {
    const auto mismatch = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
    const auto at = static_cast<std::size_t>(mismatch.first - a.begin());
    const auto told = [&](std::string_view side) {
      return size_text(side.size()) + ", at " + std::to_string(at) + ": " +
             hex_of_bytes(side.substr(at, kShownHexBytes));
    };
    emit(DifferenceKind::kValue, told(a), told(b));
  }

  void one_sided(std::string legacy, std::string candidate, bool is_missing) {
    (is_missing ? candidate : legacy).clear();
    emit(is_missing ? DifferenceKind::kMissing : DifferenceKind::kExtra, std::move(legacy),
         std::move(candidate));
  }

  std::string shown(std::string_view bytes) const {
    const std::string cut = cut_shown(bytes, sink_.shown_bytes_max());
    return is_text(cut)
               ? cut
               : size_text(bytes.size()) + ": " + hex_of_bytes(bytes.substr(0, kShownHexBytes));
  }

  void emit(DifferenceKind kind, std::string legacy, std::string candidate,
            std::string transition = {}) {
    sink_.add({"body", "body", kind, std::move(legacy), std::move(candidate),
               std::string(rules_.whole_body()), std::move(transition)});
  }

  const LiftedAnswer& legacy_;
  const LiftedAnswer& candidate_;
  const std::string_view target_;
  const RuleSet& rules_;
  DifferenceSink& sink_;
  FieldCoverage* const coverage_;  // null where differences are asked for
  std::string legacy_type_;        // media types, once bodies are looked into
  std::string candidate_type_;
};

}  // namespace

bool have_same_bytes(const LiftedAnswer& legacy, const LiftedAnswer& candidate) {
  // First, as it does not touch the bodies: nearly always this is the answer.
  if (legacy.body_length == candidate.body_length && legacy.body_digest == candidate.body_digest &&
      legacy.body_digest != Digest128{}) {
    return true;
  }
  if (legacy.has_body && candidate.has_body) return legacy.body == candidate.body;
  return has_no_body(legacy) && has_no_body(candidate);
}

std::string compare_bodies(const LiftedAnswer& legacy, const LiftedAnswer& candidate,
                           std::string_view target, const RuleSet& rules, DifferenceSink& sink) {
  return BodyDiff(legacy, candidate, target, rules, sink).run();
}

void cover_bodies(const LiftedAnswer& legacy, const LiftedAnswer& candidate,
                  std::string_view target, const RuleSet& rules, FieldCoverage& coverage) {
  if (!rules.whole_body().empty()) coverage.add("body");
  DifferenceSink unused(rules.options());
  (void)BodyDiff(legacy, candidate, target, rules, unused, &coverage).run();
}

}  // namespace banyan::comparator
