// SPDX-License-Identifier: Apache-2.0
#include "engine/model/dtype.h"

#include <array>
#include <cstddef>

namespace pivot {
namespace {

struct DtypeRow {
  Dtype dtype;
  absl::string_view name;
  int64_t bits;
};

constexpr std::array<DtypeRow, 22> kDtypes = {{
    {Dtype::kBool, "BOOL", 8},
    {Dtype::kFloat4, "F4", 4},
    {Dtype::kFloat6E2M3, "F6_E2M3", 6},
    {Dtype::kFloat6E3M2, "F6_E3M2", 6},
    {Dtype::kUint8, "U8", 8},
    {Dtype::kInt8, "I8", 8},
    {Dtype::kFloat8E5M2, "F8_E5M2", 8},
    {Dtype::kFloat8E4M3, "F8_E4M3", 8},
    {Dtype::kFloat8E8M0, "F8_E8M0", 8},
    {Dtype::kFloat8E4M3Fnuz, "F8_E4M3FNUZ", 8},
    {Dtype::kFloat8E5M2Fnuz, "F8_E5M2FNUZ", 8},
    {Dtype::kInt16, "I16", 16},
    {Dtype::kUint16, "U16", 16},
    {Dtype::kFloat16, "F16", 16},
    {Dtype::kBfloat16, "BF16", 16},
    {Dtype::kInt32, "I32", 32},
    {Dtype::kUint32, "U32", 32},
    {Dtype::kFloat32, "F32", 32},
    {Dtype::kComplex64, "C64", 64},
    {Dtype::kFloat64, "F64", 64},
    {Dtype::kInt64, "I64", 64},
    {Dtype::kUint64, "U64", 64},
}};

constexpr bool RowsFollowTheEnum() {
  for (size_t i = 0; i < kDtypes.size(); ++i) {
    if (static_cast<size_t>(kDtypes[i].dtype) != i) return false;
  }
  return true;
}
static_assert(RowsFollowTheEnum());

}  // namespace

absl::string_view DtypeName(Dtype dtype) { return kDtypes[static_cast<size_t>(dtype)].name; }

std::optional<Dtype> DtypeFromName(absl::string_view name) {
  for (const DtypeRow& row : kDtypes) {
    if (row.name == name) return row.dtype;
  }
  return std::nullopt;
}

int64_t DtypeBits(Dtype dtype) { return kDtypes[static_cast<size_t>(dtype)].bits; }

}  // namespace pivot
