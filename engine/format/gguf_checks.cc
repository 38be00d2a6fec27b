// SPDX-License-Identifier: Apache-2.0
#include "engine/format/gguf_checks.h"

#include "absl/strings/str_cat.h"

#include "engine/model/gguf/gguf_model.h"

namespace pivot {

std::string VocabularyFillsTheEmbedding(const LoaderSubject& subject) {
  const auto* tokens = subject.folder.model.gguf()->file().Texts("tokenizer.ggml.tokens");
  const auto count = tokens == nullptr ? int64_t{0} : static_cast<int64_t>(tokens->size());
  const int64_t rows = subject.folder.model.config().vocab_size;
  if (count == rows) return "";
  return absl::StrCat("tokenizer.ggml.tokens has ", count, " tokens and the embedding ", rows,
                      " rows; the file is refused");
}

std::string TensorsFollowEachOther(const LoaderSubject& subject) {
  const GgufFile& file = subject.folder.model.gguf()->file();
  const int64_t alignment = file.Integer("general.alignment").value_or(32);
  const GgufTensor* previous = nullptr;
  for (const GgufTensor& tensor : file.tensors()) {
    const int64_t expected =
        previous == nullptr ? tensor.begin : (previous->end + alignment - 1) / alignment * alignment;
    if (tensor.begin != expected) {
      return absl::StrCat("tensor ", tensor.name, " does not lie behind the one that is listed before it; the file is ",
                          "refused");
    }
    previous = &tensor;
  }
  return "";
}

std::string NamesItsPreTokenizer(const LoaderSubject& subject) {
  const GgufFile& file = subject.folder.model.gguf()->file();
  if (file.Text("tokenizer.ggml.model") != "gpt2" || file.Text("tokenizer.ggml.pre").has_value()) return "";
  return "tokenizer.ggml.pre is missing; texts are cut by a rule that may not be the model's";
}

}  // namespace pivot
