// SPDX-License-Identifier: Apache-2.0
//
// Records to bytes and back (docs/formats/log.md, "Record payloads"). decode∘encode is identity,
// but for a record whose personal part is sealed: that encodes as one that is open and has none.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/model/record.h"

namespace banyan::model {

// Append one record (type byte, version byte, payload; the container adds its length) to `out`.
void encode(const RequestRecord& record, std::string& out);
void encode(const ResponseRecord& record, std::string& out);
void encode(const OutcomeRecord& record, std::string& out);
void encode(const ShadowRecord& record, std::string& out);
void encode(const SkipRecord& record, std::string& out);
void encode(const VerdictRecord& record, std::string& out);
void encode(const ChunkRecord& record, std::string& out);
void encode(const RouteRecord& record, std::string& out);
void encode(const GapRecord& record, std::string& out);
void encode(const CheckpointRecord& record, std::string& out);
void encode(const AnyRecord& record, std::string& out);

// A record that was measured and not written yet, so that who has the place for it writes it there,
// once. Views the record, which must not change meanwhile.
class Unwritten {
 public:
  template <typename Record>
  explicit Unwritten(const Record& record);  // any type but AnyRecord

  // What is appended is of kOpenVersion (record_frame.h), and not for the log as it is.
  bool has_subject() const { return has_subject_; }
  // No less than what append_to() appends, and little more.
  std::size_t bytes_max() const;
  // The same as encode().
  void append_to(std::string& out) const { append_(*this, out); }

 private:
  template <typename Record>
  static void append(const Unwritten& self, std::string& out);

  const void* record_;
  bool has_subject_ = false;
  std::size_t gathered_;
  std::size_t appended_;
  void (*append_)(const Unwritten& self, std::string& out);
};

// kDamaged for anything that is not exactly one well-formed record. The record views `bytes`.
Result<AnyRecord> decode(std::string_view bytes);

// The same for who knows the type (REQUEST, RESPONSE, SHADOW or VERDICT) and reads many: into a
// record whose lists keep their room from one to the next. kDamaged also where the type is another
// one; then `record` holds nothing of use.
template <typename Record>
Status decode_as(std::string_view bytes, Record& record);

// Only what stands before the first list: of a REQUEST all before `fields`; of a RESPONSE or SHADOW
// all before the answer's `fields`; of a VERDICT all but `differences`. The rest of `record` is as
// in a new one, and those bytes are not looked at: a record that is damaged there, or goes on
// behind its end, passes. For the types of decode_as().
template <typename Record>
Status decode_head(std::string_view bytes, Record& record);

// Type and exchange without decoding the rest (every record with an exchange has it at a fixed
// place); for readers that skip. Null exchange where the type has none.
struct RecordPeek {
  RecordType type = RecordType::kCheckpoint;
  ExchangeId exchange;
  // What of the exchange this record holds, a bit per Side as in GapRecord (0: none of them).
  std::uint8_t sides = 0;
};
Result<RecordPeek> peek(std::string_view bytes);

// What the footer of a segment notes of a REQUEST or RESPONSE, read as peek() reads.
struct RecordNote {
  std::int64_t started_wall_ns = 0;
  std::int64_t lasted_ns = 0;  // of a RESPONSE
  std::string_view session;    // of a REQUEST; views the record
};
// False where the record has another type or does not have its type's form so far.
bool note_of(RecordType type, std::string_view bytes, RecordNote& note);

// Sorts of records: one per type, but three of REQUEST: a copy of the exchange is due, it is a
// write without one, or neither. For readers that have no use for some of them.
class RecordKinds {
 public:
  constexpr RecordKinds() = default;  // none
  static constexpr RecordKinds all() { return RecordKinds(~std::uint32_t{0}); }
  static constexpr RecordKinds of(std::initializer_list<RecordType> types) {
    RecordKinds kinds;
    for (const RecordType type : types) {
      kinds.bits_ |= bit(type);
      if (type == RecordType::kRequest) kinds.bits_ |= kSelectedBit | kUncopiedWriteBit;
    }
    return kinds;
  }
  static constexpr RecordKinds selected_requests() { return RecordKinds(kSelectedBit); }
  static constexpr RecordKinds uncopied_writes() { return RecordKinds(kUncopiedWriteBit); }

  constexpr RecordKinds operator|(RecordKinds other) const {
    return RecordKinds(bits_ | other.bits_);
  }
  constexpr bool meets(RecordKinds other) const { return (bits_ & other.bits_) != 0; }
  constexpr bool covers(RecordKinds other) const { return (bits_ & other.bits_) == other.bits_; }
  bool operator==(const RecordKinds&) const = default;

 private:
  friend RecordKinds kind_of(RecordType type, std::string_view bytes);
  explicit constexpr RecordKinds(std::uint32_t bits) : bits_(bits) {}
  static constexpr std::uint32_t bit(RecordType type) {
    return std::uint32_t{1} << static_cast<unsigned>(type);
  }
  static constexpr std::uint32_t kSelectedBit = 1;              // No type has the number 0 …
  static constexpr std::uint32_t kUncopiedWriteBit = 1U << 31;  // … or 31.
  std::uint32_t bits_ = 0;
};
// The one kind of a record of this type; all() where it is too damaged to tell.
RecordKinds kind_of(RecordType type, std::string_view bytes);

}  // namespace banyan::model
