// SPDX-License-Identifier: Apache-2.0
#include "engine/model/gguf/gguf_model.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "engine/model/gguf/gguf_config.h"
#include "engine/model/gguf/gguf_names.h"
#include "engine/model/gguf/gguf_tokenizer.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

constexpr absl::string_view kTokenizer = "tokenizer.json";
constexpr absl::string_view kTokenizerConfig = "tokenizer_config.json";

Dtype ShownDtype(GgmlType type) {
  if (type == GgmlType::kFloat16) return Dtype::kFloat16;
  return type == GgmlType::kBfloat16 ? Dtype::kBfloat16 : Dtype::kFloat32;
}

GgufModel::Entry EntryOf(const GgufTensor& tensor, const std::string& name, const ModelConfig& config) {
  const bool is_linear = absl::StartsWith(name, config.architecture->block_prefix) && tensor.shape.size() == 2;
  GgufModel::Entry entry{.stored = &tensor, .interleaved_heads = InterleavedHeads(config, name)};
  entry.info = {
      .name = name, .dtype = ShownDtype(tensor.type), .shape = tensor.shape, .begin = tensor.begin, .end = tensor.end};
  if (is_linear && IsBlockType(tensor.type)) {
    entry.info.name = absl::StrCat(absl::StripSuffix(name, ".weight"), kGgufBlocks);
    entry.info.dtype = Dtype::kUint8;
    entry.info.shape.back() = GgmlRowBytes(tensor.type, tensor.columns());
  }
  // A tensor that no such heads can have, or of more rows than bytes, is refused for its shape; it must not be taken
  // apart before.
  const int64_t rows = tensor.shape.empty() ? 0 : tensor.shape[0];
  if (rows < 1 || rows > tensor.end - tensor.begin ||
      (entry.interleaved_heads > 0 && rows % (2 * entry.interleaved_heads) != 0))
    entry.interleaved_heads = 0;
  return entry;
}

std::string Dequantized(const GgufTensor& tensor, absl::string_view bytes) {
  const auto columns = static_cast<size_t>(tensor.columns());
  const auto row_bytes = static_cast<size_t>(GgmlRowBytes(tensor.type, tensor.columns()));
  std::vector<float> row(columns);
  std::string weights;
  for (; !bytes.empty(); bytes.remove_prefix(row_bytes)) {
    DequantizeGgmlRow(tensor.type, bytes.substr(0, row_bytes), absl::MakeSpan(row));
    weights.append(reinterpret_cast<const char*>(row.data()), columns * sizeof(float));
  }
  return weights;
}

}  // namespace

GgufModel::GgufModel(GgufFile file, std::string config_text, ModelConfig config)
    : file_(std::move(file)), config_text_(std::move(config_text)), config_(std::move(config)) {
  for (const GgufTensor& tensor : file_.tensors()) {
    const auto name = NameOfGgufTensor(*config_.architecture, tensor.name);
    if (!name.has_value()) continue;  // GgufConfigJson has refused such a file
    Entry entry = EntryOf(tensor, *name, config_);
    entries_.emplace(entry.info.name, std::move(entry));
  }
}

absl::StatusOr<std::shared_ptr<const GgufModel>> GgufModel::Open(const std::string& path) {
  PIVOT_ASSIGN_OR_RETURN(GgufFile file, GgufFile::Open(path));
  PIVOT_ASSIGN_OR_RETURN(std::string config_text, GgufConfigJson(file));
  PIVOT_ASSIGN_OR_RETURN(ModelConfig config, ParseModelConfig(config_text));
  return std::shared_ptr<const GgufModel>(new GgufModel(std::move(file), std::move(config_text), std::move(config)));
}

bool GgufModel::IsComputed(const Entry& entry) {
  return entry.interleaved_heads > 0 || (IsBlockType(entry.stored->type) && entry.info.dtype != Dtype::kUint8);
}

std::string GgufModel::Compute(const Entry& entry) const {
  const absl::string_view stored = file_.Bytes(*entry.stored);
  const bool dequantizes = IsBlockType(entry.stored->type) && entry.info.dtype != Dtype::kUint8;
  std::string bytes = dequantizes ? Dequantized(*entry.stored, stored) : std::string(stored);
  if (entry.interleaved_heads == 0) return bytes;
  return SeparateRows(bytes, entry.stored->shape[0], entry.interleaved_heads);
}

const std::vector<std::string>& GgufModel::TextNames() {
  static const std::vector<std::string>& names =
      *new std::vector<std::string>{"generation_config.json", std::string(kTokenizer), std::string(kTokenizerConfig)};
  return names;
}

absl::StatusOr<std::string> GgufModel::MakeText(absl::string_view name) const {
  if (name == kTokenizer) return TokenizerJsonOf(file_);
  if (name == kTokenizerConfig) return TokenizerConfigJsonOf(file_);
  if (name == "generation_config.json") return GgufGenerationConfigJson(file_);
  return absl::NotFoundError(absl::StrCat(file_.path(), " holds no ", name));
}

}  // namespace pivot
