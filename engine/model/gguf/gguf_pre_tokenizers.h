// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_GGUF_GGUF_PRE_TOKENIZERS_H_
#define PIVOT_ENGINE_MODEL_GGUF_GGUF_PRE_TOKENIZERS_H_

// The ways of cutting a text into words that GGUF names (tokenizer.ggml.pre), and what they are in a tokenizer.json.
// A further one is a further entry.

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace pivot {

struct GgufPreTokenizer {
  std::vector<absl::string_view> names;  // the first is written, all are read
  nlohmann::json pre_tokenizer;          // as tokenizer.json has it
  /// "NFC" or empty. llama.cpp normalizes no text: it differs from tokenizer.json on text that is not in that form, as
  /// every GGUF file of such a family does.
  std::string normalizer;
  bool ignores_merges = false;  // whether a word that is a token is that token, whatever its merges give
  bool adds_bos = false;        // when the file does not say
};

/// Null when nobody calls one so.
const GgufPreTokenizer* FindGgufPreTokenizer(absl::string_view name);

/// The one that cuts as this tokenizer.json does, whatever it says of offsets; null when there is none.
const GgufPreTokenizer* MatchGgufPreTokenizer(const nlohmann::json& tokenizer);

/// "gpt-2, llama-bpe, qwen2, smollm".
std::string GgufPreTokenizerNames();

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_GGUF_GGUF_PRE_TOKENIZERS_H_
