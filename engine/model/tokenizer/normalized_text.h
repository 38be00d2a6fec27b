// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_NORMALIZED_TEXT_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_NORMALIZED_TEXT_H_

// Text on its way through a normalizer, which still knows where it began.

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"

#include "engine/model/tokenizer/utf8.h"

namespace pivot::tokenizer {

/// `origin_bytes` is how much of its front came from the first character of the whole text; 0 for what stands behind an
/// added token. The pre-tokenizer Metaspace may treat that place differently ("first").
struct TextView {
  absl::string_view text;
  size_t origin_bytes = 0;
};

struct NormalizedText {
  std::string text;
  size_t origin_bytes = 0;

  TextView view() const { return {text, origin_bytes}; }
};

/// Builds the text that comes out of a step from the text that goes in, from left to right.
class TextEdit {
 public:
  explicit TextEdit(TextView input) : input_(input) { result_.text.reserve(input.text.size()); }

  /// The next bytes of the input, as they are.
  void Keep(size_t num_bytes) {
    result_.text.append(input_.text.data() + offset_, num_bytes);
    const size_t end = offset_ + num_bytes;
    if (offset_ < input_.origin_bytes) result_.origin_bytes += std::min(end, input_.origin_bytes) - offset_;
    offset_ = end;
  }

  /// Something else for the next bytes of the input, or nothing: all of it came from where they did if they are one
  /// character, else its first character.
  void Replace(size_t num_bytes, absl::string_view content) {
    result_.text.append(content.data(), content.size());
    const size_t end = offset_ + num_bytes;
    if (end <= input_.origin_bytes) {
      result_.origin_bytes += content.size();
    } else if (offset_ < input_.origin_bytes && !content.empty()) {
      result_.origin_bytes += CharacterAt(content, 0).num_bytes;
    }
    offset_ = end;
  }

  NormalizedText Finish() && { return std::move(result_); }

 private:
  TextView input_;
  NormalizedText result_;
  size_t offset_ = 0;
};

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_NORMALIZED_TEXT_H_
