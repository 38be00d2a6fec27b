// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_NORMALIZER_STEP_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_NORMALIZER_STEP_H_

// The steps of a normalizer: each makes another text of a text.

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "engine/model/tokenizer/charsmap.h"
#include "engine/model/tokenizer/normalized_text.h"
#include "engine/model/tokenizer/regex.h"
#include "engine/model/tokenizer/replacement.h"
#include "engine/model/tokenizer/unicode_form.h"

namespace pivot::tokenizer {

/// Immutable; concurrent calls need a scratch each.
class NormalizerStep {
 public:
  virtual ~NormalizerStep() = default;

  /// Whether Apply would change nothing, as far as that can be told at once. False says nothing.
  virtual bool IsIdle(absl::string_view /*text*/) const { return false; }

  /// `input.text` is valid UTF-8, and so is the result.
  virtual absl::StatusOr<NormalizedText> Apply(TextView input, RegexScratch* scratch) const = 0;
};

/// NFC, NFD, NFKC, NFKD.
class UnicodeFormStep : public NormalizerStep {
 public:
  explicit UnicodeFormStep(UnicodeForm form) : form_(form) {}
  bool IsIdle(absl::string_view text) const override { return IsPlainly(form_, text); }
  absl::StatusOr<NormalizedText> Apply(TextView input, RegexScratch* scratch) const override;

 private:
  UnicodeForm form_;
};

class LowercaseStep : public NormalizerStep {
 public:
  absl::StatusOr<NormalizedText> Apply(TextView input, RegexScratch* scratch) const override;
};

/// Puts a text before what is not empty.
class PrependStep : public NormalizerStep {
 public:
  explicit PrependStep(std::string prefix) : prefix_(std::move(prefix)) {}
  bool IsIdle(absl::string_view text) const override { return text.empty(); }
  absl::StatusOr<NormalizedText> Apply(TextView input, RegexScratch* scratch) const override;

 private:
  std::string prefix_;
};

class ReplaceStep : public NormalizerStep {
 public:
  explicit ReplaceStep(Replacement replacement) : replacement_(std::move(replacement)) {}
  absl::StatusOr<NormalizedText> Apply(TextView input, RegexScratch* scratch) const override;

 private:
  Replacement replacement_;
};

/// Takes white space off the ends.
class StripStep : public NormalizerStep {
 public:
  struct Sides {
    bool left;
    bool right;
  };
  explicit StripStep(Sides sides) : sides_(sides) {}
  absl::StatusOr<NormalizedText> Apply(TextView input, RegexScratch* scratch) const override;

 private:
  Sides sides_;
};

/// Takes combining marks out, wherever they stand alone.
class StripAccentsStep : public NormalizerStep {
 public:
  absl::StatusOr<NormalizedText> Apply(TextView input, RegexScratch* scratch) const override;
};

/// One pass of BertNormalizer; NFD and Lowercase are steps of their own.
class BertStep : public NormalizerStep {
 public:
  enum class Pass { kCleanText, kSpaceIdeographs, kStripMarks };
  explicit BertStep(Pass pass) : pass_(pass) {}
  absl::StatusOr<NormalizedText> Apply(TextView input, RegexScratch* scratch) const override;

 private:
  Pass pass_;
};

/// SentencePiece's rules for machine translation: some characters become spaces, others go.
class NmtStep : public NormalizerStep {
 public:
  absl::StatusOr<NormalizedText> Apply(TextView input, RegexScratch* scratch) const override;
};

/// "Precompiled": SentencePiece's rules, as `tokenizers` applies them.
class CharsmapStep : public NormalizerStep {
 public:
  explicit CharsmapStep(Charsmap map) : map_(std::move(map)) {}
  absl::StatusOr<NormalizedText> Apply(TextView input, RegexScratch* scratch) const override;

 private:
  Charsmap map_;
};

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_NORMALIZER_STEP_H_
