// SPDX-License-Identifier: Apache-2.0
#include "engine/model/gguf/gguf_config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "nlohmann/json.hpp"

#include "engine/model/gguf/gguf_names.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using nlohmann::ordered_json;

absl::Status Refuse(const GgufFile& file, absl::string_view reason, absl::string_view problem) {
  return WithReason(absl::InvalidArgumentError(absl::StrCat(file.path(), ": ", problem)), reason);
}

const GgufTensor* FindTensor(const GgufFile& file, absl::string_view name) {
  const auto found = std::find_if(file.tensors().begin(), file.tensors().end(),
                                  [name](const GgufTensor& tensor) { return tensor.name == name; });
  return found == file.tensors().end() ? nullptr : &*found;
}

/// Values under ARCHITECTURE.KEY. The first that must be there and is not, or is of another type, is remembered.
class FamilyValues {
 public:
  FamilyValues(const GgufFile& file, absl::string_view architecture) : file_(file), prefix_(architecture) {}

  int64_t Integer(absl::string_view key) {
    return Checked(key, file_.Integer(KeyOf(key)), /*must_be_there=*/true, int64_t{0});
  }
  int64_t IntegerOr(absl::string_view key, int64_t fallback) {
    return Checked(key, file_.Integer(KeyOf(key)), /*must_be_there=*/false, fallback);
  }
  double NumberOr(absl::string_view key, double fallback) {
    const double number = Checked(key, file_.Number(KeyOf(key)), /*must_be_there=*/false, fallback);
    if (!std::isfinite(number)) Fault(key);
    return std::isfinite(number) ? number : fallback;
  }
  absl::string_view TextOr(absl::string_view key, absl::string_view fallback) {
    return Checked(key, file_.Text(KeyOf(key)), /*must_be_there=*/false, fallback);
  }

  /// Empty when there was none.
  const std::string& fault() const { return fault_; }

 private:
  std::string KeyOf(absl::string_view key) const { return absl::StrCat(prefix_, ".", key); }
  void Fault(absl::string_view key) {
    if (fault_.empty()) fault_ = KeyOf(key);
  }

  template <typename T>
  T Checked(absl::string_view key, const std::optional<T>& value, bool must_be_there, T fallback) {
    if (!value.has_value() && (must_be_there || file_.values().contains(KeyOf(key)))) Fault(key);
    return value.value_or(fallback);
  }

  const GgufFile& file_;
  std::string prefix_;
  std::string fault_;
};

/// Types of the linears of decoder blocks that are quantized; null when there are none.
ordered_json QuantizedModules(const GgufFile& file, const Architecture& architecture) {
  ordered_json modules = ordered_json::object();
  for (const GgufTensor& tensor : file.tensors()) {
    if (!IsBlockType(tensor.type)) continue;
    auto name = NameOfGgufTensor(architecture, tensor.name).value_or("");
    if (!absl::StartsWith(name, architecture.block_prefix) || !absl::EndsWith(name, ".weight")) continue;
    modules[std::string(absl::StripSuffix(name, ".weight"))] = std::string(GgmlTypeName(tensor.type));
  }
  return modules.empty() ? ordered_json() : modules;
}

/// Parts of a family that other programs know and the architecture table does not.
absl::Status CheckParts(const GgufFile& file, FamilyValues& values, const Architecture& architecture) {
  if (const auto count = file.Integer("split.count"); count.value_or(1) > 1) {
    return Refuse(file, "UNSUPPORTED_CHECKPOINT",
                  absl::StrCat("it is one of ", *count,
                               " files of a model; join them with llama-gguf-split --merge, and give that file"));
  }
  if (values.IntegerOr("expert_count", 0) > 0)
    return Refuse(file, "UNSUPPORTED_ARCHITECTURE", "mixtures of experts are not supported");
  for (const GgufTensor& tensor : file.tensors()) {
    if (tensor.name == "rope_freqs.weight") {
      return Refuse(file, "UNSUPPORTED_ARCHITECTURE",
                    "rotary embeddings with frequencies of their own (rope_freqs.weight) are not supported");
    }
    if (!NameOfGgufTensor(architecture, tensor.name).has_value()) {
      return Refuse(file, "UNSUPPORTED_ARCHITECTURE",
                    absl::StrCat("tensor ", tensor.name, " is no part of ", architecture.model_type, " here"));
    }
  }
  return absl::OkStatus();
}

/// Sizes of the attention and its rotary embedding.
absl::Status FillAttention(const GgufFile& file, FamilyValues& values, ordered_json& config) {
  const int64_t heads = values.Integer("attention.head_count");
  const int64_t even_share = heads > 0 ? config["hidden_size"].get<int64_t>() / heads : 0;
  const int64_t head_dim = values.IntegerOr("attention.key_length", even_share);
  if (values.IntegerOr("attention.value_length", head_dim) != head_dim)
    return Refuse(file, "UNSUPPORTED_ARCHITECTURE", "heads whose keys and values differ in length are not supported");
  if (values.IntegerOr("rope.dimension_count", head_dim) != head_dim)
    return Refuse(file, "UNSUPPORTED_ARCHITECTURE", "partial rotary embeddings are not supported");
  config["num_attention_heads"] = heads;
  config["num_key_value_heads"] = values.IntegerOr("attention.head_count_kv", heads);
  config["head_dim"] = head_dim;
  config["rope_theta"] = ShortestDecimal(values.NumberOr("rope.freq_base", 10000.0));
  const absl::string_view scaling = values.TextOr("rope.scaling.type", "none");
  if (scaling != "none") {
    return Refuse(file, "UNSUPPORTED_ARCHITECTURE",
                  absl::StrCat("rotary embeddings stretched by \"", scaling, "\" are not read from GGUF"));
  }
  return absl::OkStatus();
}

constexpr std::array<std::pair<const char*, absl::string_view>, 3> kTokenIds = {
    {{"bos_token_id", "tokenizer.ggml.bos_token_id"},
     {"eos_token_id", "tokenizer.ggml.eos_token_id"},
     {"pad_token_id", "tokenizer.ggml.padding_token_id"}}};

void FillTokenIds(const GgufFile& file, ordered_json& config) {
  for (const auto& [name, key] : kTokenIds) {
    if (const auto id = file.Integer(key); id.has_value()) config[name] = *id;
  }
}

}  // namespace

double ShortestDecimal(double float32) {
  std::array<char, 32> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), static_cast<float>(float32)).ptr;
  double value = 0;
  std::from_chars(digits.data(), end, value);
  return value;
}

absl::StatusOr<std::string> GgufConfigJson(const GgufFile& file) {
  const std::string name(file.Text("general.architecture").value_or(""));
  const GgufFamily* family = FindGgufFamily(name);
  if (family == nullptr) {
    return Refuse(file, "UNSUPPORTED_ARCHITECTURE",
                  absl::StrCat("architecture \"", name, "\" is not supported; supported: ", GgufFamilyNames()));
  }
  const Architecture& architecture = *FindArchitecture(family->model_type);
  FamilyValues values(file, family->architecture);
  PIVOT_RETURN_IF_ERROR(CheckParts(file, values, architecture));
  const GgufTensor* embedding = FindTensor(file, "token_embd.weight");
  if (embedding == nullptr || embedding->shape.size() != 2)
    return Refuse(file, "MALFORMED_WEIGHTS", "it has no matrix token_embd.weight");
  ordered_json config{{"architectures", {std::string(architecture.class_name)}},
                      {"model_type", std::string(family->model_type)},
                      {"hidden_act", "silu"},
                      {"hidden_size", values.Integer("embedding_length")},
                      {"intermediate_size", values.Integer("feed_forward_length")},
                      {"num_hidden_layers", values.Integer("block_count")}};
  PIVOT_RETURN_IF_ERROR(FillAttention(file, values, config));
  config["vocab_size"] = embedding->shape[0];
  config["max_position_embeddings"] = values.Integer("context_length");
  config["rms_norm_eps"] = ShortestDecimal(values.NumberOr("attention.layer_norm_rms_epsilon", 1e-6));
  config["tie_word_embeddings"] = FindTensor(file, "output.weight") == nullptr;
  config["attention_bias"] = FindTensor(file, "blk.0.attn_q.bias") != nullptr;
  config["mlp_bias"] = FindTensor(file, "blk.0.ffn_gate.bias") != nullptr;
  FillTokenIds(file, config);
  config["torch_dtype"] = "bfloat16";
  if (!values.fault().empty())
    return Refuse(file, "MALFORMED_WEIGHTS", absl::StrCat(values.fault(), " is missing, or is no single number"));
  if (ordered_json modules = QuantizedModules(file, architecture); !modules.is_null())
    config["quantization_config"] = {{"quant_method", "gguf"}, {"modules", std::move(modules)}};
  return config.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

std::string GgufGenerationConfigJson(const GgufFile& file) {
  ordered_json config = ordered_json::object();
  FillTokenIds(file, config);
  return config.dump(2) + "\n";
}

}  // namespace pivot
