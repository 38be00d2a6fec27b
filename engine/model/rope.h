// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_ROPE_H_
#define PIVOT_ENGINE_MODEL_ROPE_H_

// Rotary position embeddings and the ways to stretch them over longer contexts, as config.json describes them.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace pivot {

/// Source: RoFormer, arXiv:2104.09864; linear: Chen et al., arXiv:2306.15595; dynamic: NTK by the length at hand; yarn:
/// arXiv:2309.00071; llama3: Llama 3.1; longrope: arXiv:2402.13753. As in transformers 5.24.
enum class RopeKind { kDefault, kLinear, kDynamic, kYarn, kLlama3, kLongRope };

struct Rope {
  RopeKind kind = RopeKind::kDefault;
  double theta = 10000;
  int64_t rotary_dim = 0;  // leading elements of a head that are rotated, even
  double factor = 1;
  double original_positions = 0;                               // of the model before it was stretched
  double attention_factor = 1;                                 // of cosines and sines
  double low_frequency_factor = 1, high_frequency_factor = 4;  // llama3
  double beta_fast = 32, beta_slow = 1;                        // yarn
  bool truncates = true;                                       // yarn
  std::vector<double> short_factors, long_factors;             // longrope, rotary_dim / 2 each

  /// Angle of each pair of elements per position, rotary_dim / 2, for texts of `length` tokens.
  std::vector<double> Frequencies(int64_t length) const;
};

struct RopeContext {
  int64_t head_dim = 0;
  double max_positions = 0;
  double theta = 10000;               // where the parameters have none
  double partial_rotary_factor = 1;   // where the parameters have none
  double original_max_positions = 0;  // config.json's own; 0: not there
};

/// From rope_parameters or rope_scaling; null means the default kind. kInvalidArgument with reason INVALID_CONFIG when
/// a value is missing or makes no sense, UNSUPPORTED_ARCHITECTURE for other kinds.
absl::StatusOr<Rope> ParseRope(const nlohmann::json& parameters, const RopeContext& context);

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_ROPE_H_
