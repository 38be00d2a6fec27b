// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_REFINE_TEACHER_LOSS_H_
#define PIVOT_ENGINE_REFINE_TEACHER_LOSS_H_

// How far the quantized model's next tokens are from the original's.

#include <ATen/core/Tensor.h>

#include "engine/forward/weights.h"

namespace pivot {

/// What the heads of both models need to be compared.
struct TeacherPair {
  HeadWeights original;
  HeadWeights quantized;  // the same, its matrix narrowed where the folder has it so
};

struct TeacherLoss {
  double kl = 0;         // sum over positions of KL(original || quantized), nats
  at::Tensor gradients;  // of the mean over positions by `stream`, as it
};

/// Gradients of the loss by the residual stream behind the last block, a few positions at a time.
///
/// Shapes: stream and teacher [windows, length, hidden], the quantized and the original model's; logits are computed in
///         the compute dtype, the softmax in fp32. May throw what ATen throws.
TeacherLoss LossAgainstTeacher(const ModelConfig& config, const TeacherPair& heads, const at::Tensor& stream,
                               const at::Tensor& teacher);

/// Its kl alone. May throw what ATen throws.
double KlAgainstTeacher(const ModelConfig& config, const TeacherPair& heads, const at::Tensor& stream,
                        const at::Tensor& teacher);

}  // namespace pivot

#endif  // PIVOT_ENGINE_REFINE_TEACHER_LOSS_H_
