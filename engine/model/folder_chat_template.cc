// SPDX-License-Identifier: Apache-2.0
#include "engine/model/folder_chat_template.h"

#include <array>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "engine/model/json.h"
#include "proto/files/sha256.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using nlohmann::ordered_json;

// transformers' SPECIAL_TOKENS_ATTRIBUTES.
constexpr std::array<const char*, 7> kTokenNames = {"bos_token", "eos_token", "unk_token", "sep_token",
                                                    "pad_token", "cls_token", "mask_token"};
// Names of what a message thinks, of which the first one that is there is handed on under two.
constexpr std::array<const char*, 3> kReasoning = {"reasoning_content", "thinking", "reasoning"};

absl::Status InvalidChat(const std::string& problem) {
  return WithReason(absl::InvalidArgumentError(problem), "INVALID_TEXT");
}

/// "" when there is no such file.
absl::StatusOr<std::string> OptionalFile(const ModelFolder& model, const std::string& name) {
  auto text = model.ReadOtherFile(name);
  if (absl::IsNotFound(text.status())) return std::string();
  return text;
}

struct Sources {
  std::string standard;
  std::string for_tools;
};

Sources SourcesOf(const std::string& file, const ordered_json& config) {
  Sources sources{.standard = file};
  const auto found = config.find("chat_template");
  if (!file.empty() || found == config.end()) return sources;
  if (found->is_string()) sources.standard = found->get<std::string>();
  if (!found->is_array()) return sources;
  for (const ordered_json& entry : *found) {
    if (!entry.is_object() || !entry.contains("name") || !entry.contains("template")) continue;
    if (!entry["name"].is_string() || !entry["template"].is_string()) continue;
    const auto name = entry["name"].get<std::string>();
    if (name == "default") sources.standard = entry["template"].get<std::string>();
    if (name == "tool_use") sources.for_tools = entry["template"].get<std::string>();
  }
  return sources;
}

ordered_json TokensOf(const ordered_json& config) {
  ordered_json tokens = ordered_json::object();
  for (const char* name : kTokenNames) {
    const auto found = config.find(name);
    if (found == config.end()) continue;
    const ordered_json& token = found->is_object() && found->contains("content") ? (*found)["content"] : *found;
    if (token.is_string()) tokens[name] = token;
  }
  return tokens;
}

absl::StatusOr<std::string> RoleOf(const std::string& speaker) {
  constexpr std::pair<absl::string_view, absl::string_view> kRoles[] = {
      {"human", "user"},        {"user", "user"},       {"gpt", "assistant"}, {"assistant", "assistant"},
      {"chatgpt", "assistant"}, {"model", "assistant"}, {"system", "system"}, {"tool", "tool"},
      {"observation", "tool"},  {"function", "tool"}};
  for (const auto& [name, role] : kRoles) {
    if (name == speaker) return std::string(role);
  }
  return InvalidChat(
      absl::StrCat("has a message from \"", speaker.substr(0, 40),
                   "\"; known are human, user, gpt, assistant, chatgpt, model, system, tool, observation, "
                   "function"));
}

/// A message in the form of {"role", "content"}.
absl::StatusOr<ordered_json> MessageOf(const ordered_json& given) {
  if (!given.is_object()) return InvalidChat("has a message that is no object");
  ordered_json message = ordered_json::object();
  if (!given.contains("role") && given.contains("from") && given.contains("value")) {
    if (!given["from"].is_string()) return InvalidChat("has a message whose \"from\" is no text");
    PIVOT_ASSIGN_OR_RETURN(message["role"], RoleOf(given["from"].get<std::string>()));
    message["content"] = given["value"];
    return message;
  }
  ordered_json reasoning;
  for (const char* name : kReasoning) {
    if (reasoning.is_null() && given.contains(name)) reasoning = given[name];
  }
  if (!reasoning.is_null()) message["thinking"] = reasoning;
  for (const auto& member : given.items()) {
    if (!member.value().is_null()) message[member.key()] = member.value();
  }
  if (!reasoning.is_null()) message["reasoning_content"] = reasoning;
  return message;
}

/// A list that some data sets keep as a text.
absl::StatusOr<ordered_json> ListAt(const ordered_json& record, const char* name) {
  const auto found = record.find(name);
  if (found == record.end() || found->is_null()) return ordered_json();
  ordered_json list = *found;
  if (list.is_string()) {
    PIVOT_ASSIGN_OR_RETURN(list, ParseOrderedJson(list.get<std::string>(), name));
  }
  if (!list.is_array()) return InvalidChat(absl::StrCat("has \"", name, "\" that is no list"));
  return list.empty() ? ordered_json() : list;
}

}  // namespace

absl::StatusOr<FolderChatTemplate> FolderChatTemplate::Load(const ModelFolder& model) {
  PIVOT_ASSIGN_OR_RETURN(const std::string file, OptionalFile(model, "chat_template.jinja"));
  PIVOT_ASSIGN_OR_RETURN(const std::string config_text, OptionalFile(model, "tokenizer_config.json"));
  ordered_json config = ordered_json::object();
  if (!config_text.empty()) {
    PIVOT_ASSIGN_OR_RETURN(config, ParseOrderedJson(config_text, "tokenizer_config.json"));
  }
  if (!config.is_object()) return InvalidChat("tokenizer_config.json is no object");
  const Sources sources = SourcesOf(file, config);
  if (sources.standard.empty()) {
    return WithReason(
        absl::FailedPreconditionError(absl::StrCat(
            "the model ", model.name(), " has no chat template (chat_template.jinja, or \"chat_template\" in ",
            "tokenizer_config.json), which chat messages are written by; use texts, or a model with one")),
        "CHAT_TEMPLATE_NOT_FOUND");
  }
  PIVOT_ASSIGN_OR_RETURN(ChatTemplate standard, ChatTemplate::Parse(sources.standard));
  std::optional<ChatTemplate> for_tools;
  if (!sources.for_tools.empty()) {
    PIVOT_ASSIGN_OR_RETURN(for_tools, ChatTemplate::Parse(sources.for_tools));
  }
  ordered_json tokens = TokensOf(config);
  std::string sha256 = Sha256Of(absl::StrCat(sources.standard, "\n", sources.for_tools, "\n", tokens.dump()));
  return FolderChatTemplate(std::move(standard), std::move(for_tools), std::move(tokens), std::move(sha256));
}

absl::StatusOr<std::string> FolderChatTemplate::Write(const ordered_json& record) const {
  ordered_json variables = tokens_;
  if (const auto more = record.find("chat_template_kwargs"); more != record.end() && more->is_object()) {
    for (const auto& member : more->items()) variables[member.key()] = member.value();
  }
  const auto messages = record.find("messages");
  if (messages == record.end() || !messages->is_array()) return InvalidChat("has no list \"messages\"");
  variables["messages"] = ordered_json::array();
  for (const ordered_json& given : *messages) {
    PIVOT_ASSIGN_OR_RETURN(ordered_json message, MessageOf(given));
    variables["messages"].push_back(std::move(message));
  }
  PIVOT_ASSIGN_OR_RETURN(variables["tools"], ListAt(record, "tools"));
  PIVOT_ASSIGN_OR_RETURN(variables["documents"], ListAt(record, "documents"));
  variables["add_generation_prompt"] = false;
  // The day that Llama's templates write when nobody tells them another: equal jobs write equal bytes.
  std::tm now{};
  now.tm_year = 124;
  now.tm_mon = 6;
  now.tm_mday = 26;
  now.tm_wday = 5;
  now.tm_yday = 207;
  const bool with_tools = for_tools_.has_value() && !variables["tools"].is_null();
  return (with_tools ? *for_tools_ : standard_).Render(variables, now);
}

}  // namespace pivot
