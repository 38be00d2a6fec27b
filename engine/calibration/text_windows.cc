// SPDX-License-Identifier: Apache-2.0
#include "engine/calibration/text_windows.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "engine/ops/call_torch.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

constexpr char kBlankLine[] = "\n\n";

absl::StatusOr<std::vector<int32_t>> Encode(const std::string& text, const Documents& documents,
                                            const Tokenizer& tokenizer) {
  // A chat template writes the special tokens itself.
  const SpecialTokens special = documents.kind == DocumentKind::kChats ? SpecialTokens::kOmit : SpecialTokens::kAdd;
  auto tokens = tokenizer.Encode(text, special);
  if (tokens.ok()) return tokens;
  return WithReason(absl::Status(tokens.status().code(), absl::StrCat(documents.name, ": ", tokens.status().message())),
                    ReasonOf(tokens.status()));
}

absl::Status TooShort(size_t tokens, int64_t needed) {
  return WithReason(absl::InvalidArgumentError(absl::StrCat("the text has ", tokens, " tokens, one window needs ",
                                                            needed, "; use a longer text or shorter windows")),
                    "TEXT_TOO_SHORT");
}

}  // namespace

absl::StatusOr<TokenizedText> TokenizeJoined(const Documents& documents, const Tokenizer& tokenizer,
                                             int64_t vocab_size) {
  TokenizedText result{.sha256 = documents.sha256, .name = documents.name};
  if (documents.kind == DocumentKind::kTokenIds) {
    for (size_t i = 0; i < documents.size(); ++i) {
      PIVOT_ASSIGN_OR_RETURN(const auto ids, TokenizeDocument(documents, i, tokenizer, vocab_size));
      result.tokens.insert(result.tokens.end(), ids.begin(), ids.end());
    }
    return result;
  }
  const bool is_one = documents.size() == 1;
  const std::string joined =
      is_one ? "" : absl::StrJoin(documents.texts, documents.kind == DocumentKind::kChats ? "" : kBlankLine);
  PIVOT_ASSIGN_OR_RETURN(result.tokens, Encode(is_one ? documents.texts.front() : joined, documents, tokenizer));
  return result;
}

absl::StatusOr<std::vector<int32_t>> TokenizeDocument(const Documents& documents, size_t index,
                                                      const Tokenizer& tokenizer, int64_t vocab_size) {
  if (documents.kind != DocumentKind::kTokenIds) return Encode(documents.texts[index], documents, tokenizer);
  const std::vector<int32_t>& ids = documents.ids[index];
  const auto wrong = std::find_if(ids.begin(), ids.end(), [vocab_size](int32_t id) { return id >= vocab_size; });
  if (wrong == ids.end()) return ids;
  return WithReason(absl::InvalidArgumentError(absl::StrCat(documents.name, ": document ", index + 1, " has the id ",
                                                            *wrong, ", the model has ids up to ", vocab_size - 1)),
                    "INVALID_TEXT");
}

at::Tensor RandomPlaces(int64_t limit, int64_t count, int64_t seed) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(static_cast<uint64_t>(seed));
  return at::randint(0, limit, {count}, generator, at::TensorOptions().dtype(at::kLong));
}

at::Tensor WindowsAt(const std::vector<int32_t>& tokens, const at::Tensor& places, int64_t length) {
  const int64_t count = places.size(0);
  at::Tensor windows = at::empty({count, length}, at::kLong);
  for (int64_t i = 0; i < count; ++i) {
    const auto begin = tokens.begin() + places[i].item<int64_t>();
    std::copy(begin, begin + length, windows[i].data_ptr<int64_t>());
  }
  return windows;
}

absl::StatusOr<at::Tensor> RandomWindows(const std::vector<int32_t>& tokens, int64_t count, int64_t length,
                                         int64_t seed) {
  const auto available = static_cast<int64_t>(tokens.size());
  if (available < length) return TooShort(tokens.size(), length);
  return CallTorch("choosing windows",
                   [&] { return WindowsAt(tokens, RandomPlaces(available - length + 1, count, seed), length); });
}

absl::StatusOr<std::vector<at::Tensor>> ConsecutiveWindows(const std::vector<int32_t>& tokens, int64_t length,
                                                           int64_t max_tokens) {
  int64_t available = static_cast<int64_t>(tokens.size());
  if (max_tokens > 0) available = std::min(available, max_tokens);
  if (available < 2) return TooShort(tokens.size(), 2);
  return CallTorch("cutting windows", [&] {
    std::vector<at::Tensor> windows;
    for (int64_t first = 0; first < available; first += length) {
      const int64_t size = std::min(length, available - first);
      if (size < 2) break;
      at::Tensor window = at::empty({1, size}, at::kLong);
      std::copy(tokens.begin() + first, tokens.begin() + first + size, window.data_ptr<int64_t>());
      windows.push_back(window);
    }
    return windows;
  });
}

}  // namespace pivot
