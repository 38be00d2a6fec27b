// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/normalizer.h"

#include "absl/strings/str_cat.h"

#include "engine/model/tokenizer/component.h"
#include "engine/model/tokenizer/nfc.h"
#include "proto/status/status_macros.h"

namespace pivot::tokenizer {

absl::StatusOr<Normalization> ReadNormalization(const nlohmann::json* normalizer) {
  if (normalizer == nullptr) return Normalization::kNone;
  PIVOT_ASSIGN_OR_RETURN(const std::string type, ReadType(*normalizer, "normalizer"));
  if (type != "NFC") return Unsupported(absl::StrCat("the normalizer ", Quoted(type)));
  return Normalization::kNfc;
}

absl::StatusOr<absl::string_view> Normalize(Normalization normalization, absl::string_view text, std::string* storage) {
  if (normalization == Normalization::kNone || IsPlainlyNfc(text)) return text;
  PIVOT_ASSIGN_OR_RETURN(*storage, ToNfc(text));
  return *storage;
}

}  // namespace pivot::tokenizer
