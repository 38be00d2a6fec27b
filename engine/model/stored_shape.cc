// SPDX-License-Identifier: Apache-2.0
#include "engine/model/stored_shape.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "engine/model/model_folder.h"

namespace pivot {
namespace {

// Of a tensor without elements a side may be anything.
constexpr int64_t kMaxBytes = int64_t{1} << 32;

/// Two codes of a 4-bit float lie in a byte, and no tensor tells the shape.
std::optional<LinearShape> ShapeOfPacked(const ModelFolder& folder, absl::string_view module, const TensorInfo& info) {
  if (info.dtype == Dtype::kInt32) return PackedShape(folder, module);
  if (info.dtype != Dtype::kUint8 || info.shape.size() != 2 || info.shape[1] > kMaxBytes) return std::nullopt;
  return LinearShape{.out_features = info.shape[0], .in_features = 2 * info.shape[1]};
}

std::optional<LinearShape> ShapeOfGptq(const ModelFolder& folder, absl::string_view module) {
  const TensorInfo* scales = folder.Find(absl::StrCat(module, ".scales"));
  const TensorInfo* groups = folder.Find(absl::StrCat(module, ".g_idx"));
  const bool are_there =
      scales != nullptr && groups != nullptr && scales->shape.size() == 2 && groups->shape.size() == 1;
  if (!are_there) return std::nullopt;
  return LinearShape{.out_features = scales->shape[1], .in_features = groups->shape[0]};
}

std::optional<LinearShape> ShapeOfPlain(const TensorInfo& info) {
  const bool is_float = info.dtype == Dtype::kBfloat16 || info.dtype == Dtype::kFloat16 ||
                        info.dtype == Dtype::kFloat32 || info.dtype == Dtype::kFloat8E4M3;
  if (!is_float || info.shape.size() != 2) return std::nullopt;
  return LinearShape{.out_features = info.shape[0], .in_features = info.shape[1]};
}

}  // namespace

std::optional<LinearShape> PackedShape(const ModelFolder& folder, absl::string_view module) {
  const absl::string_view bytes = folder.Bytes(absl::StrCat(module, ".weight_shape"));
  if (bytes.size() != 2 * sizeof(int64_t)) return std::nullopt;
  LinearShape shape;
  std::memcpy(&shape.out_features, bytes.data(), sizeof(int64_t));
  std::memcpy(&shape.in_features, bytes.data() + sizeof(int64_t), sizeof(int64_t));
  return shape;
}

std::optional<StoredMatrix> MatrixOf(const ModelFolder& folder, absl::string_view tensor) {
  const TensorInfo* info = folder.Find(tensor);
  if (info == nullptr) return std::nullopt;
  absl::string_view module = tensor;
  std::optional<LinearShape> shape;
  if (absl::ConsumeSuffix(&module, ".weight")) {
    shape = ShapeOfPlain(*info);
  } else if (absl::ConsumeSuffix(&module, ".weight_packed")) {
    shape = ShapeOfPacked(folder, module, *info);
  } else if (absl::ConsumeSuffix(&module, ".qweight")) {
    shape = ShapeOfGptq(folder, module);
  }
  if (!shape.has_value()) return std::nullopt;
  return StoredMatrix{.module = std::string(module), .shape = *shape};
}

}  // namespace pivot
