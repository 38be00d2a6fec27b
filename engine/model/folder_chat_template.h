// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_FOLDER_CHAT_TEMPLATE_H_
#define PIVOT_ENGINE_MODEL_FOLDER_CHAT_TEMPLATE_H_

// The chat template of a model, wherever it keeps it.

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

#include "engine/model/chat_template/chat_template.h"
#include "engine/model/model_folder.h"

namespace pivot {

/// Writes chats of a data set as the model's tokenizer would.
class FolderChatTemplate {
 public:
  /// Reads chat_template.jinja, else "chat_template" of tokenizer_config.json (one, or several with names), and the
  /// special tokens that tokenizer_config.json names. A GGUF file's is read too. Errors: kFailedPrecondition (reason
  /// CHAT_TEMPLATE_NOT_FOUND) when the model has none; those of ChatTemplate::Parse.
  static absl::StatusOr<FolderChatTemplate> Load(const ModelFolder& model);

  /// The text of `record`: an object with "messages", a list of objects with "role" and "content", or of ShareGPT's
  /// with "from" and "value"; "tools" (a list, or one as a JSON text), "documents" and "chat_template_kwargs" are
  /// handed on. As transformers does, members of messages that are null are left out. strftime_now tells 26 July 2024.
  /// Errors: kInvalidArgument (reason INVALID_TEXT) for what is not of this form; those of ChatTemplate::Render.
  absl::StatusOr<std::string> Write(const nlohmann::ordered_json& record) const;

  /// SHA-256 of all that decides the text besides the record.
  const std::string& sha256() const { return sha256_; }

 private:
  FolderChatTemplate(ChatTemplate standard, std::optional<ChatTemplate> for_tools, nlohmann::ordered_json tokens,
                     std::string sha256)
      : standard_(std::move(standard)),
        for_tools_(std::move(for_tools)),
        tokens_(std::move(tokens)),
        sha256_(std::move(sha256)) {}

  ChatTemplate standard_;
  std::optional<ChatTemplate> for_tools_;  // of several, the one named "tool_use"
  nlohmann::ordered_json tokens_;          // bos_token, eos_token...
  std::string sha256_;
};

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_FOLDER_CHAT_TEMPLATE_H_
