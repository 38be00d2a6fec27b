// SPDX-License-Identifier: Apache-2.0
#include "engine/calibration/text_windows.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"

#include "engine/ops/call_torch.h"
#include "proto/files/durable_file.h"
#include "proto/files/sha256.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

constexpr size_t kMaxTextBytes = size_t{1} << 30;

absl::Status TooShort(size_t tokens, int64_t needed) {
  return WithReason(absl::InvalidArgumentError(absl::StrCat("the text has ", tokens, " tokens, one window needs ",
                                                            needed, "; use a longer text or shorter windows")),
                    "TEXT_TOO_SHORT");
}

}  // namespace

absl::StatusOr<std::string> BuiltInTextPath(BuiltInText text) {
  std::error_code error;
  const auto executable = std::filesystem::read_symlink("/proc/self/exe", error);
  const char* name = text == BuiltInText::kCalibration ? "calibration.txt" : "evaluation.txt";
  const auto path = executable.parent_path().parent_path() / "share" / "pivot" / "text" / name;
  if (!std::filesystem::exists(path, error)) {
    return WithReason(
        absl::FailedPreconditionError(absl::StrCat("the built-in text ", path.string(),
                                                   " is not installed; run scripts/setup.sh or name a text file")),
        "TEXT_NOT_FOUND");
  }
  return path.string();
}

absl::StatusOr<TokenizedText> TokenizeTextFile(const std::string& path, BuiltInText built_in,
                                               const Tokenizer& tokenizer) {
  std::string file = path;
  if (file.empty()) {
    PIVOT_ASSIGN_OR_RETURN(file, BuiltInTextPath(built_in));
  }
  PIVOT_ASSIGN_OR_RETURN(const std::string text, ReadSmallFile(file, kMaxTextBytes));
  TokenizedText result{.sha256 = Sha256Of(text)};
  result.name = path.empty() ? "built-in" : std::filesystem::path(path).filename().string();
  auto tokens = tokenizer.Encode(text, SpecialTokens::kAdd);
  if (!tokens.ok()) return absl::Status(tokens.status().code(), absl::StrCat(file, ": ", tokens.status().message()));
  result.tokens = *std::move(tokens);
  return result;
}

absl::StatusOr<at::Tensor> RandomWindows(const std::vector<int32_t>& tokens, int64_t count, int64_t length,
                                         int64_t seed) {
  const auto available = static_cast<int64_t>(tokens.size());
  if (available < length) return TooShort(tokens.size(), length);
  return CallTorch("choosing windows", [&] {
    auto generator = at::make_generator<at::CPUGeneratorImpl>(static_cast<uint64_t>(seed));
    const at::Tensor starts =
        at::randint(0, available - length + 1, {count}, generator, at::TensorOptions().dtype(at::kLong));
    at::Tensor windows = at::empty({count, length}, at::kLong);
    for (int64_t i = 0; i < count; ++i) {
      const auto begin = tokens.begin() + starts[i].item<int64_t>();
      std::copy(begin, begin + length, windows[i].data_ptr<int64_t>());
    }
    return windows;
  });
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
