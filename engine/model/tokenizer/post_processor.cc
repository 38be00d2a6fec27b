// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/post_processor.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

#include "engine/model/tokenizer/component.h"
#include "proto/status/status_macros.h"

namespace pivot::tokenizer {
namespace {

using nlohmann::json;

constexpr int kMaxNesting = 8;
constexpr absl::string_view kTemplate = "the post_processor \"TemplateProcessing\"";

}  // namespace

PostProcessor::PostProcessor(std::vector<int32_t> before, std::vector<int32_t> after) {
  has_template_ = true;
  template_.push_back({false, std::move(before)});
  template_.push_back({true, {}});
  template_.push_back({false, std::move(after)});
}

absl::StatusOr<PostProcessor> PostProcessor::Create(const json* post_processor) {
  PostProcessor result;
  if (post_processor != nullptr) PIVOT_RETURN_IF_ERROR(result.Add(*post_processor, 0));
  return result;
}

absl::Status PostProcessor::Add(const json& component, int depth) {
  if (depth > kMaxNesting) return Malformed("the post_processor has too many parts");
  PIVOT_ASSIGN_OR_RETURN(const std::string type, ReadType(component, "post_processor"));
  if (type == "ByteLevel") return absl::OkStatus();
  if (type == "TemplateProcessing") return AddTemplate(component);
  if (type == "BertProcessing" || type == "RobertaProcessing") return AddPair(component, type);
  if (type != "Sequence") return Unsupported(absl::StrCat("the post_processor ", Quoted(type)));
  PIVOT_ASSIGN_OR_RETURN(const json* parts, ReadArray(component, "processors", "the post_processor \"Sequence\""));
  for (const json& part : *parts) PIVOT_RETURN_IF_ERROR(Add(part, depth + 1));
  return absl::OkStatus();
}

absl::Status PostProcessor::AddTemplate(const json& component) {
  if (has_template_) return Unsupported("a post_processor with two templates");
  has_template_ = true;
  PIVOT_ASSIGN_OR_RETURN(const json* single, ReadArray(component, "single", kTemplate));
  for (const json& piece : *single) {
    PIVOT_ASSIGN_OR_RETURN(Part part, ReadPart(piece, component));
    template_.push_back(std::move(part));
  }
  return absl::OkStatus();
}

absl::Status PostProcessor::AddPair(const json& component, absl::string_view type) {
  const std::string what = absl::StrCat("the post_processor ", Quoted(type));
  if (has_template_) return Unsupported("a post_processor with two templates");
  std::vector<int32_t> ids;
  for (const char* name : {"cls", "sep"}) {
    PIVOT_ASSIGN_OR_RETURN(const json* token, ReadArray(component, name, what));
    if (token->size() != 2) return Malformed(absl::StrCat(what, " must have \"", name, "\", a token and its id"));
    PIVOT_ASSIGN_OR_RETURN(const int32_t id, ReadTokenId((*token)[1], absl::StrCat(what, ": \"", name, "\"")));
    ids.push_back(id);
  }
  *this = PostProcessor({ids[0]}, {ids[1]});
  return absl::OkStatus();
}

absl::StatusOr<PostProcessor::Part> PostProcessor::ReadPart(const json& piece, const json& component) {
  if (const json* sequence = FindMember(piece, "Sequence")) {
    PIVOT_ASSIGN_OR_RETURN(const std::string id, ReadText(*sequence, "id", kTemplate));
    if (id != "A") return Malformed(absl::StrCat(kTemplate, " needs a second text for a single one"));
    return Part{true, {}};
  }
  const json* special = FindMember(piece, "SpecialToken");
  if (special == nullptr) return Malformed(absl::StrCat(kTemplate, " has a part that is neither text nor token"));
  PIVOT_ASSIGN_OR_RETURN(const std::string name, ReadText(*special, "id", kTemplate));
  const json* definitions = FindMember(component, "special_tokens");
  const json* definition = definitions == nullptr ? nullptr : FindMember(*definitions, name);
  if (definition == nullptr) return Malformed(absl::StrCat(kTemplate, " does not define its token ", Quoted(name)));
  PIVOT_ASSIGN_OR_RETURN(const json* ids, ReadArray(*definition, "ids", kTemplate));
  Part part{false, {}};
  for (const json& value : *ids) {
    PIVOT_ASSIGN_OR_RETURN(const int32_t id, ReadTokenId(value, absl::StrCat(kTemplate, ": ", Quoted(name))));
    part.ids.push_back(id);
  }
  return part;
}

std::vector<int32_t> PostProcessor::Apply(std::vector<int32_t> text_ids, TemplateTokens tokens) const {
  if (!has_template_) return text_ids;
  std::vector<int32_t> ids;
  for (const Part& part : template_) {
    if (part.is_text) ids.insert(ids.end(), text_ids.begin(), text_ids.end());
    if (tokens == TemplateTokens::kAdd) ids.insert(ids.end(), part.ids.begin(), part.ids.end());
  }
  return ids;
}

int32_t PostProcessor::id_limit() const {
  int32_t limit = 0;
  if (!has_template_) return limit;
  for (const Part& part : template_) {
    for (const int32_t id : part.ids) limit = std::max(limit, id + 1);
  }
  return limit;
}

}  // namespace pivot::tokenizer
