// SPDX-License-Identifier: Apache-2.0
#include "config/openapi.h"

#include <yaml.h>

#include <algorithm>
#include <set>

#include "comparator/path_templates.h"
#include "core/base/text.h"

namespace banyan::config {
namespace {

// One event at a time; the last one is held until the next.
class Events {
 public:
  explicit Events(std::string_view text) {
    is_made_ = yaml_parser_initialize(&parser_) == 1;
    if (!is_made_) return;
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
    // It takes no null, which an empty view may be.
    const char* const start = text.empty() ? "" : text.data();
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(start),
                                 text.size());
  }
  ~Events() {
    yaml_event_delete(&event_);
    if (is_made_) yaml_parser_delete(&parser_);
  }
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;

  bool next() {
    yaml_event_delete(&event_);
    event_ = {};
    return is_made_ && yaml_parser_parse(&parser_, &event_) == 1;
  }
  yaml_event_type_t type() const { return event_.type; }
  std::string_view scalar() const {
    if (event_.type != YAML_SCALAR_EVENT) return {};
    return {reinterpret_cast<const char*>(event_.data.scalar.value), event_.data.scalar.length};
  }
  const yaml_mark_t& mark() const { return event_.start_mark; }
  std::string problem() const {
    return parser_.problem != nullptr ? parser_.problem : "no memory is left for it";
  }
  const yaml_mark_t& problem_mark() const { return parser_.problem_mark; }

 private:
  yaml_parser_t parser_{};
  yaml_event_t event_{};
  bool is_made_ = false;
};

class Reader {
 public:
  Reader(std::string_view text, const std::string& file) : events_(text), file_(file) {}

  Result<std::vector<std::string>> run() {
    BANYAN_RETURN_IF_ERROR(read());
    if (!is_openapi_)
      return error(yaml_mark_t{}, "is no OpenAPI document: no key openapi or swagger");
    if (!has_paths_) return error(yaml_mark_t{}, "has no paths");
    if (bases_.empty()) bases_.insert("");
    std::vector<std::string> out;
    for (const std::string& base : bases_) {
      for (const std::string& path : paths_) out.push_back(base + path);
    }
    return out;
  }

 private:
  Error error(const yaml_mark_t& at, std::string_view what) const {
    return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kConfig,
                      escape_for_terminal(file_, 256) + ":" + std::to_string(at.line + 1) + ":" +
                          std::to_string(at.column + 1) + ": " + std::string(what));
  }

  Status next() {
    if (events_.next()) return {};
    return error(events_.problem_mark(), "is not YAML or JSON: " + events_.problem());
  }

  Status read() {
    do {
      BANYAN_RETURN_IF_ERROR(next());
    } while (events_.type() == YAML_STREAM_START_EVENT ||
             events_.type() == YAML_DOCUMENT_START_EVENT);
    if (events_.type() != YAML_MAPPING_START_EVENT) {
      return error(events_.mark(), "is no OpenAPI document: it should be a mapping");
    }
    return mapping([this](std::string_view key) -> Status {
      is_openapi_ |= key == "openapi" || key == "swagger";
      if (key == "paths") return read_paths();
      if (key == "servers") return read_servers();
      return key == "basePath" ? read_base() : skip();
    });
  }

  // Behind the start of a mapping: hands each key on, whose value `member` reads.
  template <typename Member>
  Status mapping(Member member) {
    for (;;) {
      BANYAN_RETURN_IF_ERROR(next());
      if (events_.type() == YAML_MAPPING_END_EVENT) return {};
      if (events_.type() != YAML_SCALAR_EVENT) {
        // A key that is no word names nothing of ours.
        BANYAN_RETURN_IF_ERROR(skip_rest());
        BANYAN_RETURN_IF_ERROR(skip());
        continue;
      }
      const std::string key(events_.scalar());
      BANYAN_RETURN_IF_ERROR(member(key));
    }
  }

  Status skip() {
    BANYAN_RETURN_IF_ERROR(next());
    return skip_rest();
  }
  // Of the node whose first event was read.
  Status skip_rest() {
    std::size_t depth = 0;
    for (;;) {
      switch (events_.type()) {
        case YAML_MAPPING_START_EVENT:
        case YAML_SEQUENCE_START_EVENT:
          if (++depth > kOpenApiDepthMax) return error(events_.mark(), "is nested too deeply");
          break;
        case YAML_MAPPING_END_EVENT:
        case YAML_SEQUENCE_END_EVENT: --depth; break;
        default: break;
      }
      if (depth == 0) return {};
      BANYAN_RETURN_IF_ERROR(next());
    }
  }

  Status read_paths() {
    BANYAN_RETURN_IF_ERROR(next());
    has_paths_ = true;
    if (events_.type() != YAML_MAPPING_START_EVENT) {
      return error(events_.mark(), "paths should be a mapping from paths");
    }
    return mapping([this](std::string_view key) -> Status {
      if (!key.starts_with("x-")) BANYAN_RETURN_IF_ERROR(add_path(key));
      return skip();
    });
  }

  Status add_path(std::string_view path) {
    const yaml_mark_t at = events_.mark();
    const bool is_plain = std::all_of(path.begin(), path.end(), [](char c) {
      return static_cast<unsigned char>(c) > 0x20 && c != '?' && c != '#' && c != 0x7F;
    });
    if (!path.starts_with('/') || !is_plain) {
      return error(at, "a path begins with / and has neither spaces nor a query: \"" +
                           escape_for_terminal(path, 100) + "\"");
    }
    if (path.size() > kOpenApiPathBytesMax ||
        split(path, '/').size() > comparator::PathTemplates::kSegmentsMax) {
      return error(at, "a path has at most 512 bytes and 31 segments");
    }
    if (paths_.size() == comparator::PathTemplates::kTemplatesMax) {
      return error(at, "there are more than 5000 paths");
    }
    paths_.emplace(path);
    return {};
  }

  Status read_servers() {
    BANYAN_RETURN_IF_ERROR(next());
    if (events_.type() != YAML_SEQUENCE_START_EVENT) return skip_rest();
    for (;;) {
      BANYAN_RETURN_IF_ERROR(next());
      if (events_.type() == YAML_SEQUENCE_END_EVENT) return {};
      if (events_.type() != YAML_MAPPING_START_EVENT) {
        BANYAN_RETURN_IF_ERROR(skip_rest());
        continue;
      }
      const Status server = mapping(
          [this](std::string_view key) -> Status { return key == "url" ? read_base() : skip(); });
      BANYAN_RETURN_IF_ERROR(server);
    }
  }

  Status read_base() {
    BANYAN_RETURN_IF_ERROR(next());
    const Status added = add_base(events_.scalar());
    return added.ok() ? skip_rest() : added;
  }
  // The path of a server's URL; what stands before it is the system's, and not of interest.
  Status add_base(std::string_view url) {
    const yaml_mark_t at = events_.mark();
    if (const std::size_t scheme = url.find("://"); scheme != std::string_view::npos) {
      url.remove_prefix(scheme + 3);
      const std::size_t slash = url.find('/');
      url = slash == std::string_view::npos ? std::string_view() : url.substr(slash);
    }
    while (url.ends_with('/')) url.remove_suffix(1);
    const bool is_path = url.empty() || (url.front() == '/' && url.size() <= kOpenApiPathBytesMax &&
                                         url.find_first_of("?# \t\r\n") == std::string_view::npos);
    if (!is_path) return error(at, "a server's url should be a URL or a path");
    bases_.emplace(url);
    if (bases_.size() > kOpenApiServersMax) return error(at, "there are more than 16 servers");
    return {};
  }

  Events events_;
  const std::string& file_;
  std::set<std::string> paths_, bases_;
  bool is_openapi_ = false, has_paths_ = false;
};

}  // namespace

Result<std::vector<std::string>> read_openapi(std::string_view text, const std::string& file) {
  return Reader(text, file).run();
}

}  // namespace banyan::config
