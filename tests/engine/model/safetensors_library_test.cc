// SPDX-License-Identifier: Apache-2.0
// Files of the reference library, made by tests/golden/safetensors/make_golden.py.
#include <cstdint>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "engine/model/safetensors.h"
#include "proto/files/durable_file.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace pivot {
namespace {

using ::testing::IsEmpty;

constexpr char kAllDtypes[] = PIVOT_GOLDEN_DIR "/safetensors/all_dtypes.safetensors";
constexpr char kNoMetadata[] = PIVOT_GOLDEN_DIR "/safetensors/no_metadata.safetensors";

/// The list of the generator, in its order.
std::vector<TensorSpec> Tensors() {
  return {{"a.bool", Dtype::kBool, {3}},
          {"a.u8", Dtype::kUint8, {2, 3}},
          {"a.i8", Dtype::kInt8, {5}},
          {"a.f8_e5m2", Dtype::kFloat8E5M2, {4}},
          {"a.f8_e4m3", Dtype::kFloat8E4M3, {4}},
          {"a.f8_e8m0", Dtype::kFloat8E8M0, {4}},
          {"a.f8_e4m3fnuz", Dtype::kFloat8E4M3Fnuz, {4}},
          {"a.f8_e5m2fnuz", Dtype::kFloat8E5M2Fnuz, {4}},
          {"a.i16", Dtype::kInt16, {3}},
          {"a.u16", Dtype::kUint16, {3}},
          {"a.f16", Dtype::kFloat16, {2, 2}},
          {"model.norm.weight", Dtype::kBfloat16, {4}},
          {"a.weight_scale", Dtype::kBfloat16, {2, 1}},
          {"a.weight_packed", Dtype::kInt32, {2, 2}},
          {"a.u32", Dtype::kUint32, {1}},
          {"a.f32", Dtype::kFloat32, {1, 1, 2}},
          {"a.c64", Dtype::kComplex64, {2}},
          {"a.f64", Dtype::kFloat64, {2}},
          {"a.weight_shape", Dtype::kInt64, {2}},
          {"a.u64", Dtype::kUint64, {1}},
          {"scalar", Dtype::kFloat32, {}},
          {"empty", Dtype::kBfloat16, {0, 7}},
          {"h\xC3\xA9 \"quoted\"\\\n\t\x01\x7F\xE6\xA8\xA1", Dtype::kFloat16, {1}}};
}

std::string BytesOf(size_t number, const TensorSpec& spec) {
  int64_t count = DtypeBits(spec.dtype) / 8;
  for (const int64_t size : spec.shape) count *= size;
  std::string bytes;
  for (int64_t j = 0; j < count; ++j) {
    const auto value = static_cast<unsigned>((31 * static_cast<int64_t>(number) + 7 * j) % 256);
    bytes.push_back(static_cast<char>(spec.dtype == Dtype::kBool ? value & 1 : value));
  }
  return bytes;
}

TEST(SafetensorsLibraryTest, WroteWhatWeRead) {
  ASSERT_OK_AND_ASSIGN(const SafetensorsFile file, SafetensorsFile::Open(kAllDtypes));
  const std::vector<TensorSpec> tensors = Tensors();
  EXPECT_EQ(file.header().tensors.size(), tensors.size());
  EXPECT_EQ(file.header().metadata.at("format"), "pt");
  for (size_t i = 0; i < tensors.size(); ++i) {
    SCOPED_TRACE(tensors[i].name);
    const TensorInfo* info = file.Find(tensors[i].name);
    ASSERT_NE(info, nullptr);
    EXPECT_EQ(info->dtype, tensors[i].dtype);
    EXPECT_EQ(info->shape, tensors[i].shape);
    EXPECT_EQ(file.Bytes(*info), BytesOf(i, tensors[i]));
  }
}

TEST(SafetensorsLibraryTest, WritesTheSameBytesAsWeDo) {
  const TemporaryFolder folder;
  const std::vector<TensorSpec> specs = Tensors();
  std::vector<std::string> values;
  for (size_t i = 0; i < specs.size(); ++i) values.push_back(BytesOf(i, specs[i]));
  std::vector<TensorBytes> tensors;
  for (size_t i = 0; i < specs.size(); ++i) tensors.push_back({specs[i], values[i]});
  ASSERT_OK(WriteSafetensors(folder / "w.safetensors", tensors));
  EXPECT_EQ(*ReadSmallFile(folder / "w.safetensors", 65536), *ReadSmallFile(kAllDtypes, 65536));
}

TEST(SafetensorsLibraryTest, MayLeaveOutTheMetadata) {
  ASSERT_OK_AND_ASSIGN(const SafetensorsFile file, SafetensorsFile::Open(kNoMetadata));
  EXPECT_THAT(file.header().metadata, IsEmpty());
  EXPECT_EQ(file.Bytes(*file.Find("a")), std::string(8, '\xFF'));
  EXPECT_EQ(file.Find("b")->shape, (std::vector<int64_t>{2, 3}));
}

}  // namespace
}  // namespace pivot
