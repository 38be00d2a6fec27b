// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_TOKENIZER_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_TOKENIZER_H_

// Text to token ids and back, as a Hugging Face tokenizer.json says.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace pivot {

namespace tokenizer {
struct TokenizerParts;
}  // namespace tokenizer

/// Whether Encode adds what the tokenizer's post-processor puts around a text ("<|begin_of_text|>"). Added tokens that
/// the text itself spells out are always found.
enum class SpecialTokens { kAdd, kOmit };

/// Whether Decode leaves special tokens out.
enum class SpecialText { kSkip, kKeep };

/// What goes around a text besides what a tokenizer.model says, which says nothing of that. An empty name is the piece
/// that the model itself calls its first or last one, if it has one.
struct SentencePieceAround {
  bool adds_first = true;
  bool adds_last = false;
  std::string first;
  std::string last;
};

/// Immutable; concurrent calls are allowed. A moved-from object may only be assigned to or destroyed.
class Tokenizer {
 public:
  /// Reads a tokenizer.json of at most 256 MiB.
  ///
  /// Supported: the models BPE, Unigram and WordPiece, added tokens, and of normalizers, pre-tokenizers,
  /// post-processors and decoders those that normalizer.h, pre_tokenizer.h, post_processor.h and decoder.h list.
  /// Anything else gives kFailedPrecondition with reason UNSUPPORTED_TOKENIZER and names it; a file that breaks the
  /// format gives kInvalidArgument.
  static absl::StatusOr<Tokenizer> FromFile(const std::string& path);
  static absl::StatusOr<Tokenizer> FromJson(absl::string_view tokenizer_json);

  /// Of the bytes of a tokenizer.model: ids are those of the SentencePiece library, but that control pieces are found
  /// in texts that spell them out. Errors: those of sentence_piece_model.h and sentence_piece_parts.h; kInvalidArgument
  /// when what goes around is no piece.
  static absl::StatusOr<Tokenizer> FromSentencePiece(absl::string_view model, const SentencePieceAround& around);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  /// The ids that `encode(text, add_special_tokens=...)` of PyPI's `tokenizers` gives.
  ///
  /// Errors: kInvalidArgument if the text is not valid UTF-8, with the offset of the first wrong byte, has 1 GiB or
  ///         more, or has a character that the tokenizer knows no token for, nor one for what is unknown;
  ///         kResourceExhausted if a pattern of the tokenizer takes too long on this text.
  /// Cost:   linear in the text's length but for a logarithm of the longest word's.
  absl::StatusOr<std::vector<int32_t>> Encode(absl::string_view utf8_text, SpecialTokens special) const;

  /// The text of the ids: of a text encoded without special tokens the text itself, up to normalization. Ids that no
  /// token has are left out; bytes that are not UTF-8, as when a character's tokens are cut apart, become U+FFFD.
  std::string Decode(absl::Span<const int32_t> ids, SpecialText special) const;

  /// How many tokens there are, with the added ones.
  int32_t vocab_size() const;

  /// Every id that Encode gives is below this. More than vocab_size() if ids have gaps.
  int32_t id_limit() const;

  std::optional<int32_t> TokenToId(absl::string_view token) const;

 private:
  explicit Tokenizer(std::unique_ptr<const tokenizer::TokenizerParts> parts);

  std::unique_ptr<const tokenizer::TokenizerParts> parts_;
};

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_TOKENIZER_H_
