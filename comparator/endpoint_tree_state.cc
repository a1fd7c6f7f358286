// SPDX-License-Identifier: Apache-2.0
//
// The tree as bytes: what the findings keep of it, so that it goes on where it was.
#include <utility>

#include "comparator/endpoint_tree.h"
#include "comparator/endpoint_tree_node.h"
#include "core/base/bytes.h"

namespace banyan::comparator {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kWordBytesMax = 1024;

}  // namespace

std::string EndpointTree::to_bytes() {
  settle();
  struct Writer {
    static void node(const Node& from, ByteWriter& out) {
      out.varint(from.visits);
      out.varint(from.ends);
      out.varint(from.word_visits);
      out.varint(from.spilled);
      out.varint(from.born);
      out.u8(static_cast<std::uint8_t>((from.is_collapsed ? 1 : 0) | (from.any ? 2 : 0)));
      out.varint(from.operations.size());
      for (const auto& [name, visits] : from.operations) {
        out.bytes(name);
        out.varint(visits);
      }
      out.varint(from.words.size());
      for (const auto& [word, child] : from.words) {
        out.bytes(word);
        node(*child, out);
      }
      if (from.any) node(*from.any, out);
    }
  };
  std::string out;
  ByteWriter writer(out);
  writer.u8(kVersion);
  writer.varint(visits_);
  writer.varint(next_sweep_);
  Writer::node(*root_, writer);
  return out;
}

bool EndpointTree::read(std::string_view bytes) {
  clear();
  struct Reader {
    ByteReader in;
    std::size_t left;  // nodes that may come

    bool node(Node& out, std::size_t depth) {
      if (depth > kDepthMax + 2) return false;
      out.visits = in.varint();
      out.ends = in.varint();
      out.word_visits = in.varint();
      out.spilled = in.varint();
      out.born = in.varint();
      const std::uint8_t flags = in.u8();
      out.is_collapsed = (flags & 1) != 0;
      const std::uint64_t operations = in.varint();
      if (!in.ok() || flags > 3 || !take(operations)) return false;
      for (std::uint64_t i = 0; i < operations; ++i) {
        const std::string_view name = in.bytes();
        if (name.size() > kWordBytesMax) return false;
        out.operations[std::string(name)] = in.varint();
      }
      const std::uint64_t words = in.varint();
      if (!in.ok() || !take(words)) return false;
      for (std::uint64_t i = 0; i < words; ++i) {
        const std::string_view word = in.bytes();
        if (!in.ok() || word.size() > kWordBytesMax) return false;
        auto& child = out.words[std::string(word)];
        child = std::make_unique<Node>();
        if (!node(*child, depth + 1)) return false;
      }
      if ((flags & 2) == 0) return in.ok();
      out.any = std::make_unique<Node>();
      return take(1) && node(*out.any, depth + 1);
    }
    bool take(std::uint64_t count) {
      if (count > left) return false;
      left -= count;
      return true;
    }
  };
  // A merge may leave a few more than are taken in.
  Reader reader{ByteReader(bytes), 2 * nodes_max_};
  const bool is_version = reader.in.u8() == kVersion;
  visits_ = reader.in.varint();
  next_sweep_ = reader.in.varint();
  if (!is_version || !reader.node(*root_, 0) || !reader.in.ok() || reader.in.remaining() > 0) {
    clear();
    return false;
  }
  recount();
  return true;
}

}  // namespace banyan::comparator
