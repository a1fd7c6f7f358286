// SPDX-License-Identifier: Apache-2.0
#include "core/model/subject_seal.h"

#include <type_traits>
#include <variant>

#include "core/base/bytes.h"
#include "core/crypto/aes_gcm.h"
#include "core/model/record_codec.h"
#include "core/model/record_frame.h"

namespace banyan::model {
namespace {

static_assert(kSealNonceBytes == crypto::kNonceBytes);

constexpr std::uint64_t kFieldsMax = 1 << 20;
constexpr std::uint64_t kDifferencesMax = 1 << 20;

Error damaged(const char* what) {
  return make_error(ErrorCode::kDamaged, ErrorOrigin::kDisk,
                    std::string("the personal part of a record ") + what);
}

// One of the two ways: Taker moves the personal members out of the record, Giver puts them back.
// Both are lists of the same calls, so that neither can forget one of the other's.
class Taker {
 public:
  explicit Taker(std::string& out) : writer_(out) {}
  void text(std::string_view& value) {
    writer_.bytes(value);
    value = {};
  }
  void text(std::string& value) {
    writer_.bytes(value);
    value.clear();
  }
  void fields(http::HeaderList& list) {
    writer_.varint(list.size());
    for (http::Header& field : list) {
      writer_.bytes(field.name);
      writer_.bytes(field.value);
    }
    list.clear();
  }
  void body(Body& body) {
    writer_.u8(static_cast<std::uint8_t>(body.kind));
    writer_.bytes(body.bytes);
    body.bytes = {};
    if (body.kind != Body::Kind::kNone) body.kind = Body::Kind::kNotRecorded;
  }
  void differences(std::vector<Difference>& list) {
    writer_.varint(list.size());
    for (Difference& one : list) {
      text(one.at);
      text(one.legacy);
      text(one.candidate);
    }
  }

 private:
  ByteWriter writer_;
};

// Views the bytes it reads.
class Giver {
 public:
  explicit Giver(std::string_view bytes) : reader_(bytes) {}
  void text(std::string_view& value) { value = reader_.bytes(); }
  void text(std::string& value) { value = std::string(reader_.bytes()); }
  void fields(http::HeaderList& list) {
    const std::uint64_t count = reader_.varint();
    if (count > kFieldsMax || count > reader_.remaining() / 2) return (void)reader_.fail();
    for (std::uint64_t i = 0; i < count && reader_.ok(); ++i) {
      const std::string_view name = reader_.bytes();
      list.push_back({name, reader_.bytes()});
    }
  }
  void body(Body& body) {
    const std::uint8_t kind = reader_.u8();
    if (kind > static_cast<std::uint8_t>(Body::Kind::kAsPrimary)) return (void)reader_.fail();
    body.kind = static_cast<Body::Kind>(kind);
    body.bytes = reader_.bytes();
    if (body.kind != Body::Kind::kInline && !body.bytes.empty()) reader_.fail();
  }
  void differences(std::vector<Difference>& list) {
    const std::uint64_t count = reader_.varint();
    if (count > kDifferencesMax || count != list.size()) return (void)reader_.fail();
    for (Difference& one : list) {
      text(one.at);
      text(one.legacy);
      text(one.candidate);
    }
  }
  bool is_done() const { return reader_.ok() && reader_.remaining() == 0; }

 private:
  ByteReader reader_;
};

template <typename Way>
void personal(Way& way, RequestRecord& r) {
  way.text(r.decision);
  way.text(r.session);
  way.text(r.target);
  way.fields(r.fields);
  way.body(r.body);
  way.text(r.sealed);
}

template <typename Way>
void personal(Way& way, Answer& answer) {
  way.fields(answer.fields);
  way.fields(answer.trailers);
  way.body(answer.body);
}

template <typename Way>
void personal(Way& way, ResponseRecord& r) {
  personal(way, r.answer);
}

template <typename Way>
void personal(Way& way, ShadowRecord& r) {
  personal(way, r.answer);
  way.text(r.idempotency_key);
}

template <typename Way>
void personal(Way& way, ChunkRecord& r) {
  way.text(r.bytes);
  way.fields(r.trailers);
}

template <typename Way>
void personal(Way& way, VerdictRecord& r) {
  way.text(r.endpoint);
  way.differences(r.differences);
}

// False for a type that cannot be a subject's.
template <typename Way>
bool visit_personal(Way& way, AnyRecord& record) {
  return std::visit(
      [&way](auto& held) {
        if constexpr (requires { held.of; }) {
          personal(way, held);
          return true;
        } else {
          return false;
        }
      },
      record);
}

void set_subject(AnyRecord& record, OfSubject of) {
  std::visit(
      [of](auto& held) {
        if constexpr (requires { held.of; }) held.of = of;
      },
      record);
}

// What the encrypted part is bound to: all of the record that stays readable.
std::string bound_to(std::string_view type_and_version, const RecordFrame& frame) {
  std::string bound(type_and_version);
  bound += frame.subject;
  bound += frame.payload;
  return bound;
}

}  // namespace

std::string_view subject_of_sealed(std::string_view encoded) {
  RecordFrame frame;
  if (encoded.size() < 2 || static_cast<std::uint8_t>(encoded[1]) != kSealedVersion) return {};
  return unframe(encoded, frame) ? frame.subject : std::string_view();
}

std::string_view subject_of_open(std::string_view encoded) {
  RecordFrame frame;
  if (encoded.size() < 2 || static_cast<std::uint8_t>(encoded[1]) != kOpenVersion) return {};
  return unframe(encoded, frame) ? frame.subject : std::string_view();
}

Status seal_record(std::string_view open, std::string_view key, std::string& out) {
  const std::string_view subject = subject_of_open(open);
  auto record = decode(open);
  if (!record.ok()) return record.error();
  if (subject.empty()) return damaged("cannot be sealed: the record has no subject");
  std::string plain;
  Taker taker(plain);
  if (!visit_personal(taker, *record)) return damaged("cannot be sealed: its type has none");
  set_subject(*record, OfSubject());
  out.clear();
  encode(*record, out);
  out[1] = static_cast<char>(kSealedVersion);
  RecordFrame frame;
  frame.payload = std::string_view(out).substr(2);
  frame.subject = subject;
  const std::string nonce = crypto::random_bytes(kSealNonceBytes);
  std::string encrypted;
  if (!key.empty()) {
    const std::string bound = bound_to(std::string_view(out).substr(0, 2), frame);
    crypto::aes_gcm_encrypt(key, nonce, bound, plain, encrypted);
  }
  crypto::wipe(plain);
  ByteWriter writer(out);
  writer.raw(subject);
  writer.raw(nonce);
  writer.raw(encrypted);
  writer.u32(static_cast<std::uint32_t>(encrypted.size()));
  return {};
}

Status open_record(std::string_view sealed, std::string_view key, std::string& out) {
  RecordFrame frame;
  if (!unframe(sealed, frame) || !frame.is_sealed) return damaged("has no sealed form");
  auto record = decode(sealed);
  if (!record.ok()) return record.error();
  auto plain = crypto::aes_gcm_decrypt(key, frame.nonce, bound_to(sealed.substr(0, 2), frame),
                                       frame.encrypted);
  if (!plain) return damaged("does not open: its bytes or its record were changed");
  Giver giver(*plain);
  if (!visit_personal(giver, *record) || !giver.is_done()) return damaged("is malformed");
  set_subject(*record, OfSubject{frame.subject, false});
  out.clear();
  encode(*record, out);
  crypto::wipe(*plain);
  return {};
}

}  // namespace banyan::model
