// SPDX-License-Identifier: Apache-2.0
#include "engine/model/folder_tokenizer.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/match.h"

#include "engine/model/model_files.h"
#include "engine/model/model_folder.h"
#include "proto/status/status_macros.h"

namespace pivot {

absl::StatusOr<Tokenizer> LoadTokenizer(const std::string& model) {
  const std::string file = model + "/tokenizer.json";
  PIVOT_RETURN_IF_ERROR(CheckInside(model, "tokenizer.json"));
  std::error_code error;
  if (std::filesystem::exists(file, error) || std::filesystem::exists(model + "/config.json", error))
    return Tokenizer::FromFile(file);
  auto folder = ModelFolder::Open(model);
  const bool is_gguf = absl::EndsWith(model, ".gguf") || (folder.ok() && folder->gguf() != nullptr);
  if (!is_gguf) return Tokenizer::FromFile(file);
  if (!folder.ok()) return folder.status();
  PIVOT_ASSIGN_OR_RETURN(const std::string text, folder->ReadOtherFile("tokenizer.json"));
  return Tokenizer::FromJson(text);
}

}  // namespace pivot
