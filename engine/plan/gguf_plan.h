// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_PLAN_GGUF_PLAN_H_
#define PIVOT_ENGINE_PLAN_GGUF_PLAN_H_

// What a GGUF file of a folder will consist of.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "engine/format/checkpoint_folder.h"
#include "engine/model/gguf/gguf_writer.h"
#include "engine/model/model_shapes.h"

namespace pivot {

inline constexpr char kGgufFileName[] = "model.gguf";

/// Whether a layer's zero points fit Q4_1 only its scales tell; until they are read it counts as Q8_0, which is larger.
/// A layer of a compress job gets scales that do fit.
enum class BlockChoice { kFixed, kQ4_1OrQ8_0 };

struct GgufTensorPlan {
  GgufSpec spec;
  std::string source;  // the name of a tensor of the folder, or of the module of a quantized linear
  bool is_module = false;
  BlockChoice choice = BlockChoice::kFixed;
};

struct GgufPlan {
  GgufValues values;  // all but general.file_type
  std::vector<GgufTensorPlan> tensors;

  std::vector<GgufSpec> Specs() const;
  /// With general.file_type, which the most common type of a decoder block's linears decides.
  GgufValues AllValues() const;
  /// No more than this.
  int64_t file_bytes() const { return LayOutGguf(AllValues(), Specs()).file_bytes; }
};

/// Why a layer of this shape and scheme fits none of Q4_0, Q4_1 and Q8_0 without loss: "has groups of 48 columns...".
/// Empty when one does.
std::string WhyNotBlocks(LinearShape shape, const WeightScheme& scheme);

/// The type for a layer that WhyNotBlocks has nothing against: codes of up to 4 bits Q4_0, with zero points Q4_1 (whose
/// scales may still be against it), others Q8_0.
GgmlType BlocksFor(const WeightScheme& scheme);

/// Linears become blocks, norms and biases F32, everything else keeps its type. Tensors of a folder that is a GGUF file
/// stay as they are. kFailedPrecondition with reason FORMAT_CANNOT_EXPRESS for a family, layer or tokenizer that GGUF
/// has no room for; nothing but headers and the tokenizer is read.
absl::StatusOr<GgufPlan> PlanGguf(const CheckpointFolder& source);

/// The same of a plain folder once its linears have these schemes.
absl::StatusOr<GgufPlan> PlanGguf(const ModelFolder& source, const ModelSchemes& schemes);

}  // namespace pivot

#endif  // PIVOT_ENGINE_PLAN_GGUF_PLAN_H_
