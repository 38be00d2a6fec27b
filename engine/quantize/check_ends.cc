// SPDX-License-Identifier: Apache-2.0
#include "engine/quantize/check_ends.h"

#include <string>

#include "engine/checkpoint/narrow_tensor.h"
#include "proto/status/status_macros.h"

namespace pivot {

absl::Status CheckEnds(const WeightReader& source, NarrowEnds ends) {
  const Architecture& architecture = *source.config().architecture;
  if (ends.embedding) {
    PIVOT_ASSIGN_OR_RETURN(const EmbeddingWeights embedding, source.ReadEmbedding());
    PIVOT_RETURN_IF_ERROR(NarrowTensor(embedding.tokens, std::string(architecture.embedding)).status());
  }
  if (!ends.head) return absl::OkStatus();
  PIVOT_ASSIGN_OR_RETURN(const HeadWeights head, source.ReadHead());
  return NarrowTensor(head.head.weight, std::string(architecture.head)).status();
}

}  // namespace pivot
