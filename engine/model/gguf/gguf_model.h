// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_GGUF_GGUF_MODEL_H_
#define PIVOT_ENGINE_MODEL_GGUF_GGUF_MODEL_H_

// A GGUF file as a model folder shows it: tensors under the names of Hugging Face, their rows in its order, and the
// texts that such a folder has.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "engine/model/gguf/gguf_file.h"
#include "engine/model/model_config.h"
#include "engine/model/safetensors.h"

namespace pivot {

/// The end of the name of a linear's tensor that holds blocks of codes: U8 [out_features, bytes of a row].
inline constexpr absl::string_view kGgufBlocks = ".weight_gguf";

class GgufModel {
 public:
  struct Entry {
    const GgufTensor* stored = nullptr;
    /// As it is shown. Quantized linears of decoder blocks: NAME.weight_gguf. Everything else is F32, F16 or BF16,
    /// other quantized tensors F32; `begin` and `end` are its place in the file, whatever it is stored as.
    TensorInfo info;
    int64_t interleaved_heads = 0;
  };

  /// Errors: those of GgufFile::Open, GgufConfigJson and ParseModelConfig.
  static absl::StatusOr<std::shared_ptr<const GgufModel>> Open(const std::string& path);

  const GgufFile& file() const { return file_; }
  const std::string& config_text() const { return config_text_; }
  const ModelConfig& config() const { return config_; }
  const std::map<std::string, Entry, std::less<>>& entries() const { return entries_; }

  /// Whether Read has to compute: the file's own bytes are not those that are shown.
  static bool IsComputed(const Entry& entry);
  /// The bytes of a tensor as it is shown; of one that is not computed `file().Bytes` are the same.
  std::string Compute(const Entry& entry) const;

  /// Names of the texts that can be made: "tokenizer.json", "tokenizer_config.json", "generation_config.json".
  static const std::vector<std::string>& TextNames();
  /// One of them. UNSUPPORTED_TOKENIZER when the file's vocabulary is of a kind that is not read, naming it.
  absl::StatusOr<std::string> MakeText(absl::string_view name) const;

 private:
  GgufModel(GgufFile file, std::string config_text, ModelConfig config);

  GgufFile file_;
  std::string config_text_;
  ModelConfig config_;
  std::map<std::string, Entry, std::less<>> entries_;
};

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_GGUF_GGUF_MODEL_H_
