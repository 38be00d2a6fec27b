// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_GGUF_GGUF_TOKENIZER_H_
#define PIVOT_ENGINE_MODEL_GGUF_GGUF_TOKENIZER_H_

// The tokenizer of a GGUF file in the form of Hugging Face's files.

#include <string>

#include "absl/status/statusor.h"

#include "engine/model/gguf/gguf_file.h"

namespace pivot {

// Kinds of tokens (tokenizer.ggml.token_type).
inline constexpr int64_t kNormalToken = 1;
inline constexpr int64_t kUnknownToken = 2;
inline constexpr int64_t kControlToken = 3;  // a special token
inline constexpr int64_t kUserToken = 4;     // found in texts as it is, and not special
inline constexpr int64_t kUnusedToken = 5;   // fills the vocabulary up to the embedding
inline constexpr int64_t kByteToken = 6;

/// tokenizer.json of a byte-level BPE ("gpt2") whose pre-tokenizer has an entry in gguf_pre_tokenizers.h, or of
/// SentencePiece's BPE ("llama", gguf_pieces.h); the tokens that no text gives are left out. kFailedPrecondition with
/// reason UNSUPPORTED_TOKENIZER names another kind; kInvalidArgument (MALFORMED_WEIGHTS) when lists are missing or do
/// not fit each other.
absl::StatusOr<std::string> TokenizerJsonOf(const GgufFile& file);

/// tokenizer_config.json: special tokens, the chat template, the context length.
absl::StatusOr<std::string> TokenizerConfigJsonOf(const GgufFile& file);

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_GGUF_GGUF_TOKENIZER_H_
