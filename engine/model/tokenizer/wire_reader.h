// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_WIRE_READER_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_WIRE_READER_H_

// The wire format of protocol buffers, as far as SentencePiece's models use it.
//
// The protobuf library has no place here: what runs beside libtorch would find the other copy of it that libtorch
// brings along, and two copies in one process end it at the first message type that both have.

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"

namespace pivot::tokenizer {

/// A member of a message.
struct WireField {
  enum class Type { kVarint, kFixed64, kBytes, kFixed32 };

  uint32_t number;
  Type type;
  uint64_t value;           // of kVarint, kFixed64 and kFixed32
  absl::string_view bytes;  // of kBytes

  /// What the number means as an int32, a bool, a float, if it has that type.
  std::optional<int32_t> AsInteger() const;
  std::optional<bool> AsBoolean() const;
  std::optional<float> AsFloat() const;
};

/// Reads a message from front to back. The bytes must outlive it and what it gives.
class WireReader {
 public:
  explicit WireReader(absl::string_view message) : rest_(message) {}

  /// nullopt at the end, or where the bytes are no message, which failed() tells apart.
  std::optional<WireField> Next();
  bool failed() const { return failed_; }

 private:
  std::optional<uint64_t> TakeVarint();
  std::optional<uint64_t> TakeFixed(size_t num_bytes);
  std::optional<WireField> TakeField();

  absl::string_view rest_;
  bool failed_ = false;
};

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_WIRE_READER_H_
