// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_STORED_SHAPE_H_
#define PIVOT_ENGINE_MODEL_STORED_SHAPE_H_

// Shapes of linear layers, read from the tensors that stand for their weights in any layout (docs/format.md).

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

#include "engine/model/model_shapes.h"

namespace pivot {

class ModelFolder;

/// The two numbers of `module`.weight_shape, or nothing when they cannot be read.
std::optional<LinearShape> PackedShape(const ModelFolder& folder, absl::string_view module);

struct StoredMatrix {
  std::string module;
  LinearShape shape;
};

/// The layer whose weight `tensor` is, plainly (NAME.weight of two dimensions) or packed (NAME.weight_packed,
/// NAME.qweight). Nothing of other tensors, and where the shape cannot be told.
std::optional<StoredMatrix> MatrixOf(const ModelFolder& folder, absl::string_view tensor);

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_STORED_SHAPE_H_
