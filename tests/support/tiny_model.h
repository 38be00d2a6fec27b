// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_SUPPORT_TINY_MODEL_H_
#define PIVOT_TESTS_SUPPORT_TINY_MODEL_H_

// Model folders small enough for a unit test: real configuration, tokenizer and weights of random numbers.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"

#include "engine/model/safetensors.h"

namespace pivot {

struct TinyModelOptions {
  std::string model_type = "llama";  // or "qwen2", whose query, key and value always have a bias; "mixtral"
  int64_t hidden_size = 64;
  int64_t intermediate_size = 128;
  int64_t num_blocks = 2;
  int64_t num_heads = 4;
  int64_t num_kv_heads = 2;
  int64_t head_dim = 16;
  int64_t num_experts = 4;   // mixtral only; a token is sent to two
  int64_t vocab_size = 320;  // at least kTinyVocabulary
  int64_t max_positions = 512;
  bool tied_embeddings = true;
  bool attention_bias = false;     // llama only
  int num_shards = 1;              // above 1: with an index
  Dtype dtype = Dtype::kBfloat16;  // or kFloat16, kFloat32
  uint64_t seed = 0;
};

/// Tokens of TinyTokenizerJson(), <|end|> included.
inline constexpr int64_t kTinyVocabulary = 260;
inline constexpr int64_t kTinyEndToken = kTinyVocabulary - 1;

/// Every tensor of such a model with its shape, in the order of the forward pass.
std::vector<TensorSpec> TinyModelTensors(const TinyModelOptions& options);

/// config.json in the form of transformers 4.
std::string TinyConfigJson(const TinyModelOptions& options);

/// A byte-level BPE tokenizer.json: the 256 bytes, the merges " t", "he" and " the", and the special token <|end|>,
/// which no text gets by itself.
std::string TinyTokenizerJson();

/// Writes config.json, generation_config.json, tokenizer.json and the weights into `folder`, which is made if it is not
/// there. Linears and embeddings are normal with a standard deviation of 0.05, norms about 1. Equal options give equal
/// bytes.
absl::Status WriteTinyModel(const std::string& folder, const TinyModelOptions& options = {});

/// `num_words` words in sentences and paragraphs; what English looks like to a byte-level tokenizer.
std::string PseudoEnglish(int num_words, uint64_t seed = 0);

}  // namespace pivot

#endif  // PIVOT_TESTS_SUPPORT_TINY_MODEL_H_
