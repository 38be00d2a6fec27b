// SPDX-License-Identifier: Apache-2.0
#include "engine/model/folder_tokenizer.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

#include "engine/model/json.h"
#include "engine/model/model_files.h"
#include "engine/model/model_folder.h"
#include "proto/files/durable_file.h"
#include "proto/status/status_macros.h"

namespace pivot {

namespace {

using nlohmann::json;

constexpr size_t kMaxModelBytes = size_t{256} << 20U;

/// The token's text, which may be an object with more about it; "" when the file does not say.
absl::StatusOr<std::string> TokenNamed(const json& settings, const char* name) {
  json token = settings.value(name, json());
  if (token.is_object()) token = token.value("content", json());
  if (token.is_null()) return std::string();
  if (!token.is_string())
    return absl::InvalidArgumentError(absl::StrCat("tokenizer_config.json: \"", name, "\" is not a token"));
  return token.get<std::string>();
}

/// tokenizer_config.json of the folder, or an empty object.
absl::StatusOr<json> ReadSettings(const std::string& folder) {
  const std::string path = folder + "/tokenizer_config.json";
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return json::object();
  PIVOT_ASSIGN_OR_RETURN(const std::string text, ReadSmallFile(path, kMaxModelBytes));
  PIVOT_ASSIGN_OR_RETURN(json settings, ParseJson(text, "tokenizer_config.json"));
  if (!settings.is_object()) return absl::InvalidArgumentError("tokenizer_config.json: not a JSON object");
  return settings;
}

absl::StatusOr<Tokenizer> LoadSentencePiece(const std::string& folder) {
  constexpr absl::string_view kWhat = "tokenizer_config.json";
  PIVOT_ASSIGN_OR_RETURN(const json settings, ReadSettings(folder));
  JsonFields fields(settings, kWhat);
  const bool is_t5 = absl::StartsWith(fields.OptionalText("tokenizer_class").value_or(""), "T5");
  SentencePieceAround around{.adds_first = fields.BooleanOr("add_bos_token", !is_t5),
                             .adds_last = fields.BooleanOr("add_eos_token", is_t5)};
  if (!fields.status().ok()) return fields.status();
  PIVOT_ASSIGN_OR_RETURN(around.first, TokenNamed(settings, "bos_token"));
  PIVOT_ASSIGN_OR_RETURN(around.last, TokenNamed(settings, "eos_token"));
  PIVOT_ASSIGN_OR_RETURN(const std::string model, ReadSmallFile(folder + "/tokenizer.model", kMaxModelBytes));
  return Tokenizer::FromSentencePiece(model, around);
}

}  // namespace

absl::StatusOr<Tokenizer> LoadTokenizer(const std::string& model) {
  const std::string file = model + "/tokenizer.json";
  PIVOT_RETURN_IF_ERROR(CheckInside(model, "tokenizer.json"));
  std::error_code error;
  if (!std::filesystem::exists(file, error) && std::filesystem::exists(model + "/tokenizer.model", error)) {
    for (const char* name : {"tokenizer.model", "tokenizer_config.json"})
      PIVOT_RETURN_IF_ERROR(CheckInside(model, name));
    return LoadSentencePiece(model);
  }
  if (std::filesystem::exists(file, error) || std::filesystem::exists(model + "/config.json", error))
    return Tokenizer::FromFile(file);
  auto folder = ModelFolder::Open(model);
  const bool is_gguf = absl::EndsWith(model, ".gguf") || (folder.ok() && folder->gguf() != nullptr);
  if (!is_gguf) return Tokenizer::FromFile(file);
  if (!folder.ok()) return folder.status();
  PIVOT_ASSIGN_OR_RETURN(const std::string text, folder->ReadOtherFile("tokenizer.json"));
  return Tokenizer::FromJson(text);
}

absl::StatusOr<std::vector<int64_t>> TokensBeforeText(const std::string& folder) {
  PIVOT_ASSIGN_OR_RETURN(const Tokenizer tokenizer, LoadTokenizer(folder));
  PIVOT_ASSIGN_OR_RETURN(const std::vector<int32_t> bare, tokenizer.Encode("a", SpecialTokens::kOmit));
  PIVOT_ASSIGN_OR_RETURN(const std::vector<int32_t> whole, tokenizer.Encode("a", SpecialTokens::kAdd));
  return std::vector<int64_t>(whole.begin(), std::search(whole.begin(), whole.end(), bare.begin(), bare.end()));
}

}  // namespace pivot
