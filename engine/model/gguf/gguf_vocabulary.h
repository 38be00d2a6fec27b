// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_GGUF_GGUF_VOCABULARY_H_
#define PIVOT_ENGINE_MODEL_GGUF_GGUF_VOCABULARY_H_

// A Hugging Face tokenizer as the metadata of a GGUF file.

#include <cstdint>
#include <string>

#include "absl/status/status.h"

#include "engine/model/gguf/gguf_writer.h"

namespace pivot {

/// Texts of a model folder; only the first must be there.
struct TokenizerTexts {
  std::string tokenizer_json;
  std::string tokenizer_config_json;  // special tokens, chat template
  std::string config_json;            // special tokens that the former does not name
  std::string chat_template;          // chat_template.jinja
};

/// Adds tokenizer.ggml.* and the chat template. `vocab_size` is that of the embedding: ids that no token has are filled
/// up with unused ones. Byte-level BPE whose pre-tokenizer has an entry in gguf_pre_tokenizers.h becomes "gpt2"; BPE
/// with byte fallback over words that begin with U+2581 (what SentencePiece's models become) "llama", whose scores are
/// the ranks of merges. kFailedPrecondition with reason FORMAT_CANNOT_EXPRESS, naming what it met, for anything else;
/// kInvalidArgument when a text is not what it should be.
absl::Status AddTokenizer(const TokenizerTexts& texts, int64_t vocab_size, GgufValues& values);

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_GGUF_GGUF_VOCABULARY_H_
