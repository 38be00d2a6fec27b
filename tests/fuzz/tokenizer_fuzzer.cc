// SPDX-License-Identifier: Apache-2.0
// tokenizer.json, and behind a NUL a text to encode: ids are below their limit, and can be turned back into text. The
// same file is written as the metadata of a GGUF file.
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

#include "engine/model/gguf/gguf_vocabulary.h"
#include "engine/model/tokenizer/tokenizer.h"
#include "tests/fuzz/require.h"

namespace {

constexpr absl::string_view kText = "The 42nd \u00e9t\u00e9, it's <|end|>\n\n  \U0001F600 x1234567";
constexpr int64_t kRows = 512;

void Encode(const pivot::Tokenizer& tokenizer, absl::string_view text) {
  const auto ids = tokenizer.Encode(text, pivot::SpecialTokens::kAdd);
  if (!ids.ok()) return;
  for (const int32_t id : *ids) PIVOT_REQUIRE(id >= 0 && id < tokenizer.id_limit());
  tokenizer.Decode(*ids, pivot::SpecialText::kSkip);
  tokenizer.Decode(*ids, pivot::SpecialText::kKeep);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  const absl::string_view file = input.substr(0, input.find('\0'));
  const absl::string_view text = file.size() < size ? input.substr(file.size() + 1) : kText;
  const auto tokenizer = pivot::Tokenizer::FromJson(file);
  if (tokenizer.ok()) Encode(*tokenizer, text);
  pivot::GgufValues values;
  pivot::AddTokenizer({.tokenizer_json = std::string(file), .tokenizer_config_json = std::string(text)}, kRows, values)
      .IgnoreError();
  return 0;
}
