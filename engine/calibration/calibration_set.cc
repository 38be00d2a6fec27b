// SPDX-License-Identifier: Apache-2.0
#include "engine/calibration/calibration_set.h"

#include <ATen/ATen.h>
#include <optional>
#include <utility>

#include "engine/model/folder_chat_template.h"
#include "proto/files/sha256.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using nlohmann::ordered_json;

/// A model's chat template, looked for when the first chat comes.
class LazyChatTemplate {
 public:
  explicit LazyChatTemplate(const ModelFolder& model) : model_(model) {}

  absl::StatusOr<std::string> Write(const ordered_json& record) {
    if (!template_.has_value()) {
      PIVOT_ASSIGN_OR_RETURN(FolderChatTemplate loaded, FolderChatTemplate::Load(model_));
      template_.emplace(std::move(loaded));
    }
    return template_->Write(record);
  }

  std::string sha256() const { return template_.has_value() ? template_->sha256() : ""; }

 private:
  const ModelFolder& model_;
  std::optional<FolderChatTemplate> template_;
};

ordered_json DroppedJson(const SamplingCounts& counts, const CalibrationSpec& spec) {
  ordered_json dropped{{"empty", counts.empty}, {"too_short", counts.too_short}};
  if (!spec.quality_filter) return dropped;
  for (size_t rule = 0; rule < kQualityRuleNames.size(); ++rule) {
    dropped["quality"][std::string(kQualityRuleNames.at(rule))] = counts.filtered.at(rule);
  }
  return dropped;
}

}  // namespace

absl::StatusOr<CalibrationSet> ReadCalibrationSet(const CalibrationSpec& spec, const Tokenizer& tokenizer,
                                                  const ModelFolder& model) {
  LazyChatTemplate chats(model);
  PIVOT_ASSIGN_OR_RETURN(Documents documents, ReadDocuments({.path = spec.text_path, .text_key = spec.text_key},
                                                            [&](const auto& record) { return chats.Write(record); }));
  // The template is part of what was read.
  if (documents.kind == DocumentKind::kChats) documents.sha256 = Sha256Of(documents.sha256 + chats.sha256());
  CalibrationSet set{.name = documents.name, .format = documents.format, .sha256 = documents.sha256};
  PIVOT_ASSIGN_OR_RETURN(SampledWindows sampled,
                         SampleWindows(std::move(documents), tokenizer, model.config().vocab_size, spec));
  set.windows = std::move(sampled.windows);
  set.counts = sampled.counts;
  return set;
}

absl::StatusOr<TokenizedText> ReadEvaluationText(const std::string& path, const std::string& text_key,
                                                 const Tokenizer& tokenizer, const ModelFolder& model) {
  LazyChatTemplate chats(model);
  PIVOT_ASSIGN_OR_RETURN(const Documents documents,
                         ReadDocuments({.path = path, .text_key = text_key, .built_in = BuiltInText::kEvaluation},
                                       [&](const auto& record) { return chats.Write(record); }));
  return TokenizeJoined(documents, tokenizer, model.config().vocab_size);
}

ordered_json CalibrationJson(const CalibrationSet& set, const CalibrationSpec& spec) {
  const SamplingCounts& counts = set.counts;
  ordered_json json{{"name", set.name}, {"sha256", set.sha256}, {"tokens", counts.tokens}};
  json["tokens_used"] = set.windows.defined() ? set.windows.numel() : 0;
  if (!set.windows.defined()) return json;
  json["distinct_tokens"] = counts.distinct_tokens;
  json["windows"] = set.windows.size(0);
  json["format"] = set.format;
  json["strategy"] = std::string(SamplingStrategyName(spec.strategy));
  json["documents"] = {{"total", counts.documents},
                       {"read", counts.read},
                       {"kept", counts.kept},
                       {"dropped", DroppedJson(counts, spec)}};
  return json;
}

}  // namespace pivot
