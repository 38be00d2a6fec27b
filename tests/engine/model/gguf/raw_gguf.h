// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_ENGINE_MODEL_GGUF_RAW_GGUF_H_
#define PIVOT_TESTS_ENGINE_MODEL_GGUF_RAW_GGUF_H_

// GGUF files made by hand, right or wrong.

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace pivot {

inline std::string LittleEndian(uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>((value >> (8 * i)) & 0xFF));
  return out;
}
inline std::string U32(uint64_t value) { return LittleEndian(value, 4); }
inline std::string U64(uint64_t value) { return LittleEndian(value, 8); }
inline std::string RawText(absl::string_view text) { return U64(text.size()) + std::string(text); }

/// A key, the number of its value's type, and the value's bytes.
inline std::string RawValue(absl::string_view key, uint32_t type, absl::string_view value) {
  return RawText(key) + U32(type) + std::string(value);
}

/// The head of version 3 with these counts.
inline std::string RawHead(uint64_t tensors, uint64_t values) { return "GGUF" + U32(3) + U64(tensors) + U64(values); }

/// An entry of the list of tensors with two dimensions.
inline std::string RawTensor(absl::string_view name, uint64_t columns, uint64_t rows, uint32_t type, uint64_t offset) {
  return RawText(name) + U32(2) + U64(columns) + U64(rows) + U32(type) + U64(offset);
}

/// The head padded to 32 bytes, and the payload.
inline std::string WithPayload(std::string head, absl::string_view payload) {
  head.resize((head.size() + 31) / 32 * 32, '\0');
  return head + std::string(payload);
}

/// One value of each kind, and a tensor "a" [2, 2] of F32: 1, 2, 3, 4.
inline std::string SmallGguf() {
  const std::string texts = U32(8) + U64(2) + RawText("x") + RawText("yz");
  return WithPayload(RawHead(1, 4) + RawValue("n", 4, U32(7)) + RawValue("t", 8, RawText("hi")) +
                         RawValue("b", 7, LittleEndian(1, 1)) + RawValue("l", 9, texts) + RawTensor("a", 2, 2, 0, 0),
                     U32(0x3F800000) + U32(0x40000000) + U32(0x40400000) + U32(0x40800000));
}

}  // namespace pivot

#endif  // PIVOT_TESTS_ENGINE_MODEL_GGUF_RAW_GGUF_H_
