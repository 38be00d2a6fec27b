// SPDX-License-Identifier: Apache-2.0
// A GGUF file: tensors that are accepted lie in the file; configuration, weights and tokenizer are made of it.
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

#include "engine/format/checkpoint_folder.h"
#include "engine/format/loader_rules.h"
#include "engine/model/gguf/gguf_model.h"
#include "engine/model/tokenizer/tokenizer.h"
#include "tests/fuzz/require.h"
#include "tests/fuzz/scratch_folder.h"

namespace {

void ReadTensors(const pivot::GgufModel& model) {
  for (const auto& [name, entry] : model.entries()) {
    const std::string bytes = model.Compute(entry);
    const auto elements = pivot::NumElements(entry.info.shape);
    PIVOT_REQUIRE(elements.ok());
    PIVOT_REQUIRE(static_cast<int64_t>(bytes.size()) == *elements * pivot::DtypeBits(entry.info.dtype) / 8);
  }
  for (const std::string& name : pivot::GgufModel::TextNames()) {
    const auto text = model.MakeText(name);
    if (!text.ok() || name != "tokenizer.json") continue;
    const auto tokenizer = pivot::Tokenizer::FromJson(*text);
    if (tokenizer.ok()) tokenizer->Encode("the 42nd \u00e9t\u00e9", pivot::SpecialTokens::kAdd).IgnoreError();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const pivot::ScratchFolder folder;
  const std::string path = folder.Write("m.gguf", {reinterpret_cast<const char*>(data), size});
  const auto file = pivot::GgufFile::Open(path);
  if (!file.ok()) return 0;
  for (const pivot::GgufTensor& tensor : file->tensors()) {
    PIVOT_REQUIRE(tensor.begin >= 0 && tensor.begin <= tensor.end && tensor.end <= file->file_bytes());
    PIVOT_REQUIRE(file->Bytes(tensor).size() == static_cast<size_t>(tensor.end - tensor.begin));
  }
  const auto model = pivot::GgufModel::Open(path);
  if (!model.ok()) return 0;
  ReadTensors(**model);
  const auto checkpoint = pivot::OpenCheckpointUnchecked(path);
  if (!checkpoint.ok()) return 0;
  pivot::TensorProblems(*checkpoint);
  pivot::CheckLoaderRules(*checkpoint, 2);
  return 0;
}
