// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/end_rules.h"

#include <optional>

#include "absl/strings/str_cat.h"

#include "engine/model/json.h"
#include "engine/plan/spec_fields.h"

namespace pivot {
namespace {

constexpr absl::string_view kAllowed =
    "allowed: \"bits\" 8 (8-bit floats, without groups or method) or \"keep\" of a rule, \"type\" e4m3 or kept of a "
    "module";

/// Nothing when the entry says anything else.
std::optional<bool> Narrows(JsonFields& fields, const nlohmann::json& entry) {
  if (const auto type = fields.OptionalText("type"); type.has_value()) {
    if (*type == "kept") return false;
    return *type == kNarrowType ? std::optional(true) : std::nullopt;
  }
  if (entry.contains("group_size") || entry.contains("method")) return std::nullopt;
  const bool keeps = fields.BooleanOr("keep", false);
  const std::optional<double> bits = fields.OptionalNumber("bits");
  if (keeps) return bits.has_value() ? std::nullopt : std::optional(false);
  return bits == kNarrowBits ? std::optional(true) : std::nullopt;
}

}  // namespace

absl::StatusOr<bool> TakeEndEntry(const ModelConfig& config, const nlohmann::json& entry, const char* key,
                                  const std::string& what, NarrowEnds& ends) {
  if (config.found != nullptr || !entry.is_object() || !entry.contains(key) || !entry[key].is_string()) return false;
  const auto& name = entry[key].get_ref<const std::string&>();
  const bool is_embedding = name == EmbeddingModule(config);
  if (name.empty() || (!is_embedding && name != HeadModule(config))) return false;
  JsonFields fields(entry, what);
  const std::optional<bool> narrows = Narrows(fields, entry);
  if (!fields.status().ok()) return InvalidSpec("plan_rules", fields.status().message());
  if (!narrows.has_value())
    return InvalidSpec("plan_rules", absl::StrCat(what, " is about ", name, ", an end of the model; ", kAllowed));
  (is_embedding ? ends.embedding : ends.head) = *narrows;
  return true;
}

}  // namespace pivot
