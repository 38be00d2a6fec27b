// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/normalizer.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

#include "engine/model/tokenizer/component.h"
#include "proto/status/status_macros.h"

namespace pivot::tokenizer {
namespace {

using nlohmann::json;

constexpr int kMaxNesting = 8;
constexpr size_t kMaxSteps = 64;

std::optional<UnicodeForm> FormNamed(absl::string_view type) {
  if (type == "NFC") return UnicodeForm::kNfc;
  if (type == "NFD") return UnicodeForm::kNfd;
  if (type == "NFKC") return UnicodeForm::kNfkc;
  if (type == "NFKD") return UnicodeForm::kNfkd;
  return std::nullopt;
}

absl::StatusOr<std::unique_ptr<const NormalizerStep>> ReadStep(const json& component, const std::string& type) {
  const std::string what = absl::StrCat("the normalizer ", Quoted(type));
  if (const auto form = FormNamed(type)) return std::make_unique<const UnicodeFormStep>(*form);
  if (type == "Lowercase") return std::make_unique<const LowercaseStep>();
  if (type == "StripAccents") return std::make_unique<const StripAccentsStep>();
  if (type == "Nmt") return std::make_unique<const NmtStep>();
  if (type == "Prepend") {
    PIVOT_ASSIGN_OR_RETURN(std::string prefix, ReadText(component, "prepend", what));
    return std::make_unique<const PrependStep>(std::move(prefix));
  }
  if (type == "Replace") {
    PIVOT_ASSIGN_OR_RETURN(Replacement replacement, Replacement::Create(component, what));
    return std::make_unique<const ReplaceStep>(std::move(replacement));
  }
  if (type == "Strip") {
    PIVOT_ASSIGN_OR_RETURN(const bool left, ReadBoolean(component, "strip_left", what));
    PIVOT_ASSIGN_OR_RETURN(const bool right, ReadBoolean(component, "strip_right", what));
    return std::make_unique<const StripStep>(StripStep::Sides{left, right});
  }
  return Unsupported(what);
}

}  // namespace

absl::StatusOr<Normalizer> Normalizer::Create(const json* normalizer) {
  Normalizer result;
  if (normalizer != nullptr) PIVOT_RETURN_IF_ERROR(result.Add(*normalizer, 0));
  return result;
}

absl::Status Normalizer::Add(const json& component, int depth) {
  PIVOT_ASSIGN_OR_RETURN(const std::string type, ReadType(component, "normalizer"));
  if (depth > kMaxNesting || steps_.size() > kMaxSteps) return Malformed("the normalizer has too many parts");
  if (type == "BertNormalizer") return AddBert(component);
  if (type == "Precompiled") return AddPrecompiled(component);
  if (type != "Sequence") {
    PIVOT_ASSIGN_OR_RETURN(auto step, ReadStep(component, type));
    steps_.push_back(std::move(step));
    return absl::OkStatus();
  }
  PIVOT_ASSIGN_OR_RETURN(const json* parts, ReadArray(component, "normalizers", "the normalizer \"Sequence\""));
  for (const json& part : *parts) PIVOT_RETURN_IF_ERROR(Add(part, depth + 1));
  return absl::OkStatus();
}

absl::Status Normalizer::AddBert(const json& component) {
  constexpr absl::string_view kWhat = "the normalizer \"BertNormalizer\"";
  PIVOT_ASSIGN_OR_RETURN(const bool cleans, ReadBoolean(component, "clean_text", kWhat));
  PIVOT_ASSIGN_OR_RETURN(const bool spaces_ideographs, ReadBoolean(component, "handle_chinese_chars", kWhat));
  PIVOT_ASSIGN_OR_RETURN(const bool lowercases, ReadBoolean(component, "lowercase", kWhat));
  bool strips = lowercases;  // when the file does not say
  if (FindMember(component, "strip_accents") != nullptr) {
    PIVOT_ASSIGN_OR_RETURN(strips, ReadBoolean(component, "strip_accents", kWhat));
  }
  if (cleans) steps_.push_back(std::make_unique<const BertStep>(BertStep::Pass::kCleanText));
  if (spaces_ideographs) steps_.push_back(std::make_unique<const BertStep>(BertStep::Pass::kSpaceIdeographs));
  if (strips) {
    steps_.push_back(std::make_unique<const UnicodeFormStep>(UnicodeForm::kNfd));
    steps_.push_back(std::make_unique<const BertStep>(BertStep::Pass::kStripMarks));
  }
  if (lowercases) steps_.push_back(std::make_unique<const LowercaseStep>());
  return absl::OkStatus();
}

absl::Status Normalizer::AddPrecompiled(const json& component) {
  PIVOT_ASSIGN_OR_RETURN(const std::string text,
                         ReadText(component, "precompiled_charsmap", "the normalizer \"Precompiled\""));
  std::string bytes;
  if (!absl::Base64Unescape(text, &bytes)) return Malformed("the precompiled_charsmap is not base64");
  PIVOT_ASSIGN_OR_RETURN(Charsmap map, Charsmap::Parse(bytes));
  steps_.push_back(std::make_unique<const CharsmapStep>(std::move(map)));
  return absl::OkStatus();
}

absl::StatusOr<TextView> Normalizer::Apply(TextView text, RegexScratch* scratch, NormalizedText* storage) const {
  for (const auto& step : steps_) {
    if (step->IsIdle(text.text)) continue;
    PIVOT_ASSIGN_OR_RETURN(NormalizedText result, step->Apply(text, scratch));
    *storage = std::move(result);
    text = storage->view();
  }
  return text;
}

}  // namespace pivot::tokenizer
