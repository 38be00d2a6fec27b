// SPDX-License-Identifier: Apache-2.0
#include "engine/calibration/sampling.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <algorithm>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "engine/calibration/text_windows.h"
#include "engine/ops/call_torch.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

absl::Status TooShort(const std::string& problem) {
  return WithReason(absl::InvalidArgumentError(problem), "TEXT_TOO_SHORT");
}

/// The rest keeps its order.
void DropLowQuality(Documents* documents, SamplingCounts* counts) {
  const auto is_bad = [counts](const std::string& text) {
    const std::optional<QualityRule> rule = BrokenRule(text);
    if (rule.has_value()) ++counts->filtered[static_cast<size_t>(*rule)];
    return rule.has_value();
  };
  std::erase_if(documents->texts, is_bad);
}

/// Tokens of windows that overlap, each counted once.
int64_t CountDistinct(const at::Tensor& places, int64_t length) {
  const at::Tensor sorted = std::get<0>(places.sort());
  int64_t distinct = 0;
  int64_t end = 0;
  for (int64_t i = 0; i < sorted.size(0); ++i) {
    const int64_t begin = std::max(end, sorted[i].item<int64_t>());
    end = sorted[i].item<int64_t>() + length;
    distinct += end - begin;
  }
  return distinct;
}

class Sampler {
 public:
  Sampler(const Documents& documents, const Tokenizer& tokenizer, int64_t vocab_size, const CalibrationSpec& spec,
          SamplingCounts* counts)
      : documents_(documents), tokenizer_(tokenizer), vocab_size_(vocab_size), spec_(spec), counts_(*counts) {}

  absl::StatusOr<at::Tensor> OfEachDocument() {
    auto generator = at::make_generator<at::CPUGeneratorImpl>(static_cast<uint64_t>(spec_.seed));
    std::vector<at::Tensor> windows;
    const auto wanted = static_cast<size_t>(spec_.num_samples);
    const int64_t filtered_before = counts_.documents - static_cast<int64_t>(documents_.size());
    size_t index = 0;
    for (; index < documents_.size() && windows.size() < wanted; ++index) {
      PIVOT_ASSIGN_OR_RETURN(const auto tokens, TokenizeDocument(documents_, index, tokenizer_, vocab_size_));
      const int64_t places = static_cast<int64_t>(tokens.size()) - spec_.sequence_length + 1;
      if (places < 1) {
        ++counts_.too_short;
        continue;
      }
      counts_.tokens += static_cast<int64_t>(tokens.size());
      at::Tensor place = at::zeros({1}, at::kLong);
      if (is_random()) place = at::randint(0, places, {1}, generator, at::TensorOptions().dtype(at::kLong));
      windows.push_back(WindowsAt(tokens, place, spec_.sequence_length));
    }
    counts_.read = filtered_before + static_cast<int64_t>(index);
    counts_.kept = static_cast<int64_t>(windows.size());
    if (windows.size() < wanted) return TooFewDocuments();
    counts_.distinct_tokens = spec_.num_tokens();
    return at::cat(windows);
  }

  absl::StatusOr<at::Tensor> OfAll() {
    if (documents_.size() == 0)
      return TooShort(absl::StrCat(documents_.name, " has no document to calibrate on", Dropped()));
    PIVOT_ASSIGN_OR_RETURN(const TokenizedText text, TokenizeJoined(documents_, tokenizer_, vocab_size_));
    counts_.read = counts_.documents;
    counts_.kept = static_cast<int64_t>(documents_.size());
    counts_.tokens = static_cast<int64_t>(text.tokens.size());
    const int64_t length = spec_.sequence_length;
    const int64_t wanted = is_random() ? 1 : spec_.num_samples;
    if (counts_.tokens < wanted * length) return TooFewTokens(wanted);
    const at::Tensor places = is_random() ? RandomPlaces(counts_.tokens - length + 1, spec_.num_samples, spec_.seed)
                                          : at::arange(spec_.num_samples, at::kLong) * length;
    counts_.distinct_tokens = CountDistinct(places, length);
    return WindowsAt(text.tokens, places, length);
  }

 private:
  bool is_random() const {
    return spec_.strategy == SamplingStrategy::kDropRandom || spec_.strategy == SamplingStrategy::kConcatRandom;
  }

  std::string Dropped() const {
    int64_t filtered = 0;
    for (const int64_t count : counts_.filtered) filtered += count;
    if (counts_.empty + filtered == 0) return "";
    return absl::StrCat(" (", counts_.empty, " are empty, ", filtered, " were dropped by the quality filter)");
  }

  absl::Status TooFewDocuments() const {
    return TooShort(absl::StrCat(counts_.kept, " of the ", counts_.documents, " documents of ", documents_.name,
                                 " have a window of ", spec_.sequence_length, " tokens", Dropped(), ", ",
                                 spec_.num_samples, " windows were asked for; use a longer text, ",
                                 counts_.kept > 0 ? "fewer windows, " : "",
                                 "shorter ones, or concat_rand, which takes all documents as one text"));
  }

  absl::Status TooFewTokens(int64_t wanted) const {
    const int64_t windows = counts_.tokens / spec_.sequence_length;
    if (wanted == 1) {
      return TooShort(absl::StrCat("the text has ", counts_.tokens, " tokens, one window needs ", spec_.sequence_length,
                                   Dropped(), "; use a longer text or shorter windows"));
    }
    return TooShort(absl::StrCat("the text has ", counts_.tokens, " tokens", Dropped(), ", which is ", windows,
                                 " windows of ", spec_.sequence_length, ", not ", wanted,
                                 "; use a longer text, fewer windows, shorter ones, or concat_rand, whose windows may "
                                 "overlap"));
  }

  const Documents& documents_;
  const Tokenizer& tokenizer_;
  int64_t vocab_size_;
  const CalibrationSpec& spec_;
  SamplingCounts& counts_;
};

}  // namespace

absl::StatusOr<SampledWindows> SampleWindows(Documents documents, const Tokenizer& tokenizer, int64_t vocab_size,
                                             const CalibrationSpec& spec) {
  SampledWindows sampled;
  SamplingCounts& counts = sampled.counts;
  counts.empty = documents.num_empty;
  counts.documents = static_cast<int64_t>(documents.size()) + documents.num_empty;
  if (spec.quality_filter) {
    if (documents.kind == DocumentKind::kTokenIds) {
      return WithReason(absl::InvalidArgumentError(absl::StrCat("the quality filter looks at text, ", documents.name,
                                                                " holds token ids: leave it out")),
                        "INVALID_SPEC");
    }
    DropLowQuality(&documents, &counts);
  }
  Sampler sampler(documents, tokenizer, vocab_size, spec, &counts);
  const bool joined =
      spec.strategy == SamplingStrategy::kConcatRandom || spec.strategy == SamplingStrategy::kConcatChunk;
  auto windows = CallTorch("choosing windows", [&] { return joined ? sampler.OfAll() : sampler.OfEachDocument(); });
  if (!windows.ok()) return windows.status();
  sampled.windows = *std::move(windows);
  return sampled;
}

}  // namespace pivot
