// SPDX-License-Identifier: Apache-2.0
#include "tests/support/tiny_model.h"

#include <array>
#include <bit>
#include <cstddef>
#include <cstring>
#include <random>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

#include "proto/files/durable_file.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using nlohmann::ordered_json;

void AppendLittleEndian(uint32_t bits, size_t num_bytes, std::string& out) {
  for (size_t i = 0; i < num_bytes; ++i) out.push_back(static_cast<char>((bits >> (8 * i)) & 0xFF));
}

/// To nearest, ties to even.
uint32_t Bfloat16Bits(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
}

/// To nearest, ties away from zero; what is below the normal numbers becomes zero.
uint32_t Float16Bits(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (bits >> 16) & 0x8000;
  const uint32_t exponent = (bits >> 23) & 0xFF;
  if (exponent <= 112) return sign;
  return sign | ((((exponent - 112) << 10) | ((bits >> 13) & 0x3FF)) + ((bits >> 12) & 1));
}

std::string RandomTensor(const TensorSpec& spec, std::mt19937_64& random) {
  const bool is_norm = absl::StrContains(spec.name, "norm");
  std::normal_distribution<float> distribution(is_norm ? 1.0F : 0.0F, 0.05F);
  int64_t num_elements = 1;
  for (const int64_t size : spec.shape) num_elements *= size;
  std::string bytes;
  for (int64_t i = 0; i < num_elements; ++i) {
    const float value = distribution(random);
    if (spec.dtype == Dtype::kFloat32) {
      AppendLittleEndian(std::bit_cast<uint32_t>(value), 4, bytes);
    } else {
      AppendLittleEndian(spec.dtype == Dtype::kFloat16 ? Float16Bits(value) : Bfloat16Bits(value), 2, bytes);
    }
  }
  return bytes;
}

void AddBlock(const TinyModelOptions& options, int64_t block, std::vector<TensorSpec>& tensors) {
  const int64_t heads = options.num_heads * options.head_dim;
  const int64_t kv_heads = options.num_kv_heads * options.head_dim;
  const bool is_qwen2 = options.model_type == "qwen2";
  const bool input_bias = is_qwen2 || options.attention_bias;
  const bool output_bias = !is_qwen2 && options.attention_bias;
  const std::string prefix = absl::StrCat("model.layers.", block, ".");
  auto add = [&](absl::string_view name, std::vector<int64_t> shape) {
    tensors.push_back({absl::StrCat(prefix, name), options.dtype, std::move(shape)});
  };
  auto add_linear = [&](absl::string_view name, int64_t out_features, int64_t in_features, bool bias) {
    add(absl::StrCat(name, ".weight"), {out_features, in_features});
    if (bias) add(absl::StrCat(name, ".bias"), {out_features});
  };
  add("input_layernorm.weight", {options.hidden_size});
  add_linear("self_attn.q_proj", heads, options.hidden_size, input_bias);
  add_linear("self_attn.k_proj", kv_heads, options.hidden_size, input_bias);
  add_linear("self_attn.v_proj", kv_heads, options.hidden_size, input_bias);
  add_linear("self_attn.o_proj", options.hidden_size, heads, output_bias);
  add("post_attention_layernorm.weight", {options.hidden_size});
  if (options.model_type == "mixtral") {
    add("block_sparse_moe.gate.weight", {options.num_experts, options.hidden_size});
    for (int64_t expert = 0; expert < options.num_experts; ++expert) {
      const std::string module = absl::StrCat("block_sparse_moe.experts.", expert, ".w");
      add_linear(module + "1", options.intermediate_size, options.hidden_size, false);
      add_linear(module + "3", options.intermediate_size, options.hidden_size, false);
      add_linear(module + "2", options.hidden_size, options.intermediate_size, false);
    }
    return;
  }
  add_linear("mlp.gate_proj", options.intermediate_size, options.hidden_size, false);
  add_linear("mlp.up_proj", options.intermediate_size, options.hidden_size, false);
  add_linear("mlp.down_proj", options.hidden_size, options.intermediate_size, false);
}

absl::Status WriteShard(const std::string& path, absl::Span<const TensorSpec> specs, std::mt19937_64& random) {
  std::vector<std::string> values;
  for (const TensorSpec& spec : specs) values.push_back(RandomTensor(spec, random));
  std::vector<TensorBytes> tensors;
  for (size_t i = 0; i < specs.size(); ++i) tensors.push_back({specs[i], values[i]});
  return WriteSafetensors(path, tensors).status();
}

absl::Status WriteWeights(const std::string& folder, const TinyModelOptions& options) {
  std::mt19937_64 random(options.seed);
  const std::vector<TensorSpec> specs = TinyModelTensors(options);
  if (options.num_shards <= 1) return WriteShard(folder + "/model.safetensors", specs, random);
  const auto num_shards = static_cast<size_t>(options.num_shards);
  int64_t total_size = 0;
  ordered_json weight_map = ordered_json::object();
  for (size_t shard = 0; shard < num_shards; ++shard) {
    const size_t begin = specs.size() * shard / num_shards;
    const size_t end = specs.size() * (shard + 1) / num_shards;
    const std::string name = absl::StrFormat("model-%05d-of-%05d.safetensors", shard + 1, num_shards);
    const auto part = absl::MakeConstSpan(specs).subspan(begin, end - begin);
    PIVOT_RETURN_IF_ERROR(WriteShard(folder + "/" + name, part, random));
    for (const TensorInfo& tensor : LayOutSafetensors(part).tensors) {
      weight_map[tensor.name] = name;
      total_size += tensor.bytes();
    }
  }
  const ordered_json index{{"metadata", {{"total_size", total_size}}}, {"weight_map", weight_map}};
  return WriteFileDurably(folder + "/model.safetensors.index.json", index.dump(2));
}

}  // namespace

std::vector<TensorSpec> TinyModelTensors(const TinyModelOptions& options) {
  std::vector<TensorSpec> tensors;
  const std::vector<int64_t> table = {options.vocab_size, options.hidden_size};
  tensors.push_back({"model.embed_tokens.weight", options.dtype, table});
  for (int64_t block = 0; block < options.num_blocks; ++block) AddBlock(options, block, tensors);
  tensors.push_back({"model.norm.weight", options.dtype, {options.hidden_size}});
  if (!options.tied_embeddings) tensors.push_back({"lm_head.weight", options.dtype, table});
  return tensors;
}

std::string TinyConfigJson(const TinyModelOptions& options) {
  const bool is_qwen2 = options.model_type == "qwen2";
  const char* dtype = options.dtype == Dtype::kFloat32   ? "float32"
                      : options.dtype == Dtype::kFloat16 ? "float16"
                                                         : "bfloat16";
  const bool is_mixtral = options.model_type == "mixtral";
  const char* name = is_qwen2 ? "Qwen2ForCausalLM" : is_mixtral ? "MixtralForCausalLM" : "LlamaForCausalLM";
  ordered_json config{{"architectures", {name}},
                      {"model_type", options.model_type},
                      {"hidden_act", "silu"},
                      {"hidden_size", options.hidden_size},
                      {"intermediate_size", options.intermediate_size},
                      {"num_hidden_layers", options.num_blocks},
                      {"num_attention_heads", options.num_heads},
                      {"num_key_value_heads", options.num_kv_heads},
                      {"head_dim", options.head_dim},
                      {"vocab_size", options.vocab_size},
                      {"max_position_embeddings", options.max_positions},
                      {"rms_norm_eps", 1e-5},
                      {"rope_theta", 10000.0},
                      {"tie_word_embeddings", options.tied_embeddings},
                      {"eos_token_id", kTinyEndToken},
                      {"torch_dtype", dtype}};
  if (is_mixtral) {
    config["num_local_experts"] = options.num_experts;
    config["num_experts_per_tok"] = 2;
  }
  if (!is_qwen2) config["attention_bias"] = options.attention_bias;
  return config.dump(2) + "\n";
}

absl::Status WriteTinyModel(const std::string& folder, const TinyModelOptions& options) {
  PIVOT_RETURN_IF_ERROR(MakeFolders(folder));
  PIVOT_RETURN_IF_ERROR(WriteFileDurably(folder + "/config.json", TinyConfigJson(options)));
  const ordered_json generation{{"eos_token_id", kTinyEndToken}, {"do_sample", false}};
  PIVOT_RETURN_IF_ERROR(WriteFileDurably(folder + "/generation_config.json", generation.dump(2) + "\n"));
  PIVOT_RETURN_IF_ERROR(WriteFileDurably(folder + "/tokenizer.json", TinyTokenizerJson()));
  return WriteWeights(folder, options);
}

}  // namespace pivot
