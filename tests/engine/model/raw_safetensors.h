// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_ENGINE_MODEL_RAW_SAFETENSORS_H_
#define PIVOT_TESTS_ENGINE_MODEL_RAW_SAFETENSORS_H_

// Safetensors files made by hand, right or wrong.

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace pivot {

inline std::string LengthWord(uint64_t length) {
  std::string word;
  for (int i = 0; i < 8; ++i) word.push_back(static_cast<char>((length >> (8 * i)) & 0xFF));
  return word;
}

/// The length word, the header as it is, and the payload.
inline std::string RawSafetensors(absl::string_view header, absl::string_view payload = "") {
  return LengthWord(header.size()) + std::string(header) + std::string(payload);
}

/// One tensor "a" of F32 [1.0, -2.0]: 104 bytes, three of them padding.
inline std::string SmallSafetensors() {
  return RawSafetensors(R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}   )",
                        absl::string_view("\x00\x00\x80\x3F\x00\x00\x00\xC0", 8));
}

}  // namespace pivot

#endif  // PIVOT_TESTS_ENGINE_MODEL_RAW_SAFETENSORS_H_
