// SPDX-License-Identifier: Apache-2.0
#include "engine/model/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "absl/strings/str_cat.h"

#include "engine/model/json.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using nlohmann::json;

absl::Status Invalid(absl::string_view problem) {
  return WithReason(absl::InvalidArgumentError(absl::StrCat("config.json: rope parameters: ", problem)),
                    "INVALID_CONFIG");
}

absl::StatusOr<RopeKind> ParseKind(const std::string& name) {
  static constexpr std::pair<absl::string_view, RopeKind> kKinds[] = {
      {"default", RopeKind::kDefault}, {"linear", RopeKind::kLinear}, {"dynamic", RopeKind::kDynamic},
      {"yarn", RopeKind::kYarn},       {"llama3", RopeKind::kLlama3}, {"longrope", RopeKind::kLongRope},
      {"su", RopeKind::kLongRope},  // what Phi-3 called it first
  };
  for (const auto& [known, kind] : kKinds) {
    if (known == name) return kind;
  }
  return WithReason(absl::InvalidArgumentError(absl::StrCat(
                        "rotary embedding of type \"", name,
                        "\" is not supported; supported: ", "default, linear, dynamic, yarn, llama3, longrope")),
                    "UNSUPPORTED_ARCHITECTURE");
}

std::vector<double> Numbers(const json& object, const char* name) {
  std::vector<double> numbers;
  const json list = object.value(name, json::array());
  if (!list.is_array()) return numbers;
  for (const json& number : list) numbers.push_back(number.is_number() ? number.get<double>() : 0);
  return numbers;
}

/// By how much attention over a stretched context is sharpened. Source: YaRN, equation 22.
double YarnScale(double factor, double mscale) { return factor <= 1 ? 1 : 0.1 * mscale * std::log(factor) + 1; }

double YarnAttentionFactor(JsonFields& fields, double factor) {
  const double mscale = fields.OptionalNumber("mscale").value_or(0);
  const double all_dim = fields.OptionalNumber("mscale_all_dim").value_or(0);
  return mscale != 0 && all_dim != 0 ? YarnScale(factor, mscale) / YarnScale(factor, all_dim) : YarnScale(factor, 1);
}

double LongRopeAttentionFactor(double factor, double original_positions) {
  return factor <= 1 ? 1 : std::sqrt(1 + std::log(factor) / std::log(original_positions));
}

absl::Status CheckRope(const Rope& rope) {
  if (!(rope.theta > 0) || !std::isfinite(rope.theta)) return Invalid("rope_theta must be above 0");
  if (rope.rotary_dim < 2 || rope.rotary_dim % 2 != 0)
    return Invalid(absl::StrCat(rope.rotary_dim, " elements of a head cannot be rotated in pairs"));
  if (rope.kind == RopeKind::kDefault) return absl::OkStatus();
  if (!(rope.factor >= 1) || !std::isfinite(rope.factor)) return Invalid("factor must be 1 or more");
  if (!(rope.attention_factor > 0)) return Invalid("attention_factor must be above 0");
  const bool needs_original =
      rope.kind == RopeKind::kYarn || rope.kind == RopeKind::kLlama3 || rope.kind == RopeKind::kLongRope;
  if (needs_original && !(rope.original_positions > 1)) return Invalid("original_max_position_embeddings is missing");
  if (rope.kind == RopeKind::kLlama3 && !(rope.high_frequency_factor > rope.low_frequency_factor))
    return Invalid("high_freq_factor must be above low_freq_factor");
  if (rope.kind == RopeKind::kYarn && (!(rope.theta > 1) || !(rope.beta_fast > 0) || !(rope.beta_slow > 0)))
    return Invalid("theta must be above 1, beta_fast and beta_slow above 0");
  if (rope.kind == RopeKind::kLongRope) {
    const auto pairs = static_cast<size_t>(rope.rotary_dim / 2);
    for (const auto* factors : {&rope.short_factors, &rope.long_factors}) {
      const bool all_good = std::all_of(factors->begin(), factors->end(), [](double f) { return f > 0; });
      if (factors->size() != pairs || !all_good)
        return Invalid(absl::StrCat("short_factor and long_factor need ", pairs, " numbers above 0"));
    }
  }
  if (rope.kind == RopeKind::kDynamic && rope.rotary_dim <= 2) return Invalid("too few elements of a head are rotated");
  return absl::OkStatus();
}

/// theta^(-2i/dim).
std::vector<double> PlainFrequencies(double theta, int64_t dim) {
  std::vector<double> frequencies;
  for (int64_t i = 0; i < dim; i += 2)
    frequencies.push_back(std::pow(theta, -static_cast<double>(i) / static_cast<double>(dim)));
  return frequencies;
}

void StretchLlama3(const Rope& rope, std::vector<double>& frequencies) {
  for (double& frequency : frequencies) {
    const double turns = rope.original_positions * frequency / (2 * std::numbers::pi);  // in the original context
    if (turns > rope.high_frequency_factor) continue;
    const double share = (turns - rope.low_frequency_factor) / (rope.high_frequency_factor - rope.low_frequency_factor);
    const double kept = std::max(share, 0.0);
    frequency = turns < rope.low_frequency_factor ? frequency / rope.factor
                                                  : (1 - kept) * frequency / rope.factor + kept * frequency;
  }
}

void StretchYarn(const Rope& rope, std::vector<double>& frequencies) {
  const auto dim = static_cast<double>(rope.rotary_dim);
  // The element that turns so often in the original context.
  const auto element = [&](double turns) {
    return dim * std::log(rope.original_positions / (turns * 2 * std::numbers::pi)) / (2 * std::log(rope.theta));
  };
  double low = element(rope.beta_fast);
  double high = element(rope.beta_slow);
  if (rope.truncates) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, dim - 1);
  if (low == high) high += 0.001;
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    frequencies[i] = frequencies[i] / rope.factor * ramp + frequencies[i] * (1 - ramp);
  }
}

/// What only some kinds have.
void ReadStretch(const json& parameters, JsonFields& fields, Rope& rope) {
  rope.low_frequency_factor = fields.OptionalNumber("low_freq_factor").value_or(rope.low_frequency_factor);
  rope.high_frequency_factor = fields.OptionalNumber("high_freq_factor").value_or(rope.high_frequency_factor);
  rope.beta_fast = fields.OptionalNumber("beta_fast").value_or(rope.beta_fast);
  rope.beta_slow = fields.OptionalNumber("beta_slow").value_or(rope.beta_slow);
  rope.truncates = fields.BooleanOr("truncate", true);
  const auto attention_factor = fields.OptionalNumber("attention_factor");
  if (rope.kind == RopeKind::kYarn)
    rope.attention_factor = attention_factor.value_or(YarnAttentionFactor(fields, rope.factor));
  if (rope.kind == RopeKind::kLongRope) {
    rope.attention_factor = attention_factor.value_or(LongRopeAttentionFactor(rope.factor, rope.original_positions));
    rope.short_factors = Numbers(parameters, "short_factor");
    rope.long_factors = Numbers(parameters, "long_factor");
  }
}

}  // namespace

std::vector<double> Rope::Frequencies(int64_t length) const {
  const auto tokens = static_cast<double>(length);
  double base = theta;
  if (kind == RopeKind::kDynamic && tokens > original_positions) {
    const auto dim = static_cast<double>(rotary_dim);
    base *= std::pow(factor * tokens / original_positions - (factor - 1), dim / (dim - 2));
  }
  std::vector<double> frequencies = PlainFrequencies(base, rotary_dim);
  if (kind == RopeKind::kLinear) {
    for (double& frequency : frequencies) frequency /= factor;
  }
  if (kind == RopeKind::kLlama3) StretchLlama3(*this, frequencies);
  if (kind == RopeKind::kYarn) StretchYarn(*this, frequencies);
  if (kind == RopeKind::kLongRope) {
    const std::vector<double>& factors = tokens > original_positions ? long_factors : short_factors;
    for (size_t i = 0; i < frequencies.size(); ++i) frequencies[i] /= factors[i];
  }
  return frequencies;
}

absl::StatusOr<Rope> ParseRope(const json& parameters, const RopeContext& context) {
  const json none = json::object();
  JsonFields fields(parameters.is_object() ? parameters : none, "config.json: rope parameters");
  Rope rope;
  const std::string old_name = fields.OptionalText("type").value_or("default");
  PIVOT_ASSIGN_OR_RETURN(rope.kind, ParseKind(fields.OptionalText("rope_type").value_or(old_name)));
  rope.theta = fields.OptionalNumber("rope_theta").value_or(context.theta);
  const double share = fields.OptionalNumber("partial_rotary_factor").value_or(context.partial_rotary_factor);
  if (!(share > 0 && share <= 1)) return Invalid(absl::StrCat("partial_rotary_factor is ", share));
  rope.rotary_dim = static_cast<int64_t>(static_cast<double>(context.head_dim) * share);
  rope.original_positions =
      fields.OptionalNumber("original_max_position_embeddings").value_or(context.original_max_positions);
  // Dynamic stretching begins where config.json's own limit is.
  if (rope.kind == RopeKind::kDynamic) rope.original_positions = context.max_positions;
  const bool has_ratio = rope.original_positions > 0;
  const double ratio = has_ratio ? context.max_positions / rope.original_positions : 1;
  const bool needs_factor =
      rope.kind == RopeKind::kLinear || rope.kind == RopeKind::kDynamic || rope.kind == RopeKind::kLlama3;
  const auto factor = fields.OptionalNumber("factor");
  if (needs_factor && !factor.has_value()) return Invalid("factor is missing");
  rope.factor = factor.value_or(rope.kind == RopeKind::kDefault ? 1 : std::max(ratio, 1.0));
  ReadStretch(parameters, fields, rope);
  if (!fields.status().ok()) return WithReason(fields.status(), "INVALID_CONFIG");
  PIVOT_RETURN_IF_ERROR(CheckRope(rope));
  return rope;
}

}  // namespace pivot
