// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_CHARSMAP_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_CHARSMAP_H_

// SentencePiece's normalization rules in their compiled form: texts, and what they become.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pivot::tokenizer {

/// Immutable.
class Charsmap {
 public:
  struct Rule {
    size_t num_bytes;           // of the text that it is for
    absl::string_view content;  // valid UTF-8; lives as long as the map
  };

  /// Source: "precompiled_charsmap" of google/sentencepiece (normalizer.cc): the size in bytes of a double array of
  /// Darts-clone, that array, and the contents with a zero after each. kInvalidArgument for anything else.
  static absl::StatusOr<Charsmap> Parse(absl::string_view bytes);

  /// The rule for the shortest, or the longest, text that `text` begins with.
  std::optional<Rule> FindShortest(absl::string_view text) const { return Find(text, Length::kShortest); }
  std::optional<Rule> FindLongest(absl::string_view text) const { return Find(text, Length::kLongest); }

 private:
  enum class Length { kShortest, kLongest };

  Charsmap() = default;
  std::optional<Rule> Find(absl::string_view text, Length length) const;
  /// The content at an offset; nullopt if there cannot be any.
  std::optional<absl::string_view> ContentAt(size_t offset) const;

  std::vector<uint32_t> units_;
  std::string contents_;
};

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_CHARSMAP_H_
