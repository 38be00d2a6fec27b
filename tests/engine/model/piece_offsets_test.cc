// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "engine/model/safetensors.h"
#include "proto/files/manifest.h"

namespace pivot {
namespace {

using ::testing::ElementsAre;

constexpr int64_t kMib = int64_t{1} << 20;

/// A file of tensors of these dtypes and sizes.
struct Example {
  SafetensorsHeader header;
  int64_t file_bytes = 0;
};

Example Make(int64_t payload_offset, const std::vector<std::pair<Dtype, int64_t>>& tensors) {
  Example example{.header = {.payload_offset = payload_offset}, .file_bytes = payload_offset};
  int64_t position = 0;
  for (const auto& [dtype, bytes] : tensors) {
    example.header.tensors.push_back({.name = absl::StrCat("t", example.header.tensors.size()),
                                      .dtype = dtype,
                                      .begin = position,
                                      .end = position + bytes});
    position += bytes;
  }
  example.file_bytes += position;
  return example;
}

std::vector<int64_t> Cuts(int64_t payload_offset, const std::vector<std::pair<Dtype, int64_t>>& tensors) {
  const Example example = Make(payload_offset, tensors);
  return PieceOffsets(example.header, example.file_bytes);
}

TEST(PieceOffsetsTest, GivesTheHeaderAPieceOfItsOwn) {
  EXPECT_THAT(Cuts(1000, {{Dtype::kInt32, 50}}), ElementsAre(0, 1000));
  EXPECT_THAT(Cuts(1000, {}), ElementsAre(0));
  EXPECT_THAT(Cuts(1000, {{Dtype::kInt32, 0}, {Dtype::kBool, 0}}), ElementsAre(0));
}

TEST(PieceOffsetsTest, JoinsSmallNeighboursOfOneDtype) {
  EXPECT_THAT(Cuts(100, {{Dtype::kInt32, 8}, {Dtype::kInt32, 4}, {Dtype::kBfloat16, 2}, {Dtype::kBfloat16, 6}}),
              ElementsAre(0, 100, 112));
}

TEST(PieceOffsetsTest, SeparatesDtypesOfOneWidth) {
  EXPECT_THAT(Cuts(100, {{Dtype::kFloat32, 8}, {Dtype::kInt32, 4}}), ElementsAre(0, 100, 108));
}

TEST(PieceOffsetsTest, DoesNotSeeEmptyTensors) {
  EXPECT_THAT(Cuts(100, {{Dtype::kInt32, 8}, {Dtype::kFloat16, 0}, {Dtype::kInt32, 4}, {Dtype::kBool, 0}}),
              ElementsAre(0, 100));
}

TEST(PieceOffsetsTest, BeginsANewPieceWhenTheNextTensorDoesNotFit) {
  EXPECT_THAT(Cuts(0, {{Dtype::kInt32, 10 * kMib}, {Dtype::kInt32, 6 * kMib}, {Dtype::kInt32, 1}}),
              ElementsAre(0, 16 * kMib));
  EXPECT_THAT(Cuts(8, {{Dtype::kInt32, 10 * kMib}, {Dtype::kInt32, 6 * kMib + 1}}), ElementsAre(0, 8, 8 + 10 * kMib));
}

TEST(PieceOffsetsTest, CutsALargeTensorEverySixteenMebibytes) {
  EXPECT_THAT(Cuts(8, {{Dtype::kInt32, 40 * kMib}}), ElementsAre(0, 8, 8 + 16 * kMib, 8 + 32 * kMib));
  EXPECT_THAT(Cuts(8, {{Dtype::kInt32, 32 * kMib}}), ElementsAre(0, 8, 8 + 16 * kMib));
  EXPECT_THAT(Cuts(8, {{Dtype::kInt32, 5}, {Dtype::kInt32, 17 * kMib}}), ElementsAre(0, 8, 13, 13 + 16 * kMib));
}

TEST(PieceOffsetsTest, LetsASmallTensorShareTheEndOfALargeOne) {
  EXPECT_THAT(Cuts(8, {{Dtype::kInt32, 17 * kMib}, {Dtype::kInt32, 3}}), ElementsAre(0, 8, 8 + 16 * kMib));
  EXPECT_THAT(Cuts(8, {{Dtype::kInt32, 17 * kMib}, {Dtype::kBool, 3}}),
              ElementsAre(0, 8, 8 + 16 * kMib, 8 + 17 * kMib));
}

TEST(PieceOffsetsTest, CutsALargeHeader) {
  EXPECT_THAT(Cuts(40 * kMib, {{Dtype::kInt32, 4}}), ElementsAre(0, 16 * kMib, 32 * kMib, 40 * kMib));
  EXPECT_THAT(Cuts(40 * kMib, {}), ElementsAre(0, 16 * kMib, 32 * kMib));
  EXPECT_THAT(Cuts(16 * kMib, {{Dtype::kFloat32, 4}}), ElementsAre(0, 16 * kMib));
}

/// Sizes from nothing to several pieces, in runs of one dtype.
Example RandomExample(std::mt19937_64& random) {
  std::vector<std::pair<Dtype, int64_t>> tensors;
  const auto count = random() % 40;
  Dtype dtype = Dtype::kFloat32;
  for (uint64_t i = 0; i < count; ++i) {
    if (random() % 4 == 0) dtype = random() % 2 == 0 ? Dtype::kInt32 : Dtype::kBfloat16;
    const int64_t largest = int64_t{1} << (random() % 27);
    tensors.emplace_back(dtype,
                         random() % 8 == 0 ? 0 : static_cast<int64_t>(random() % static_cast<uint64_t>(largest)) + 1);
  }
  return Make(static_cast<int64_t>(10 + random() % (40 * kMib)), tensors);
}

void ExpectPiecesObeyTheRule(const Example& example) {
  const std::vector<int64_t> offsets = PieceOffsets(example.header, example.file_bytes);
  ASSERT_FALSE(offsets.empty());
  EXPECT_EQ(offsets.front(), 0);
  for (size_t i = 0; i < offsets.size(); ++i) {
    const int64_t end = i + 1 < offsets.size() ? offsets[i + 1] : example.file_bytes;
    EXPECT_GT(end, offsets[i]) << "pieces ascend and are not empty";
    EXPECT_LE(end - offsets[i], kMaxPieceBytes);
  }
  const TensorInfo* previous = nullptr;
  for (const TensorInfo& tensor : example.header.tensors) {
    if (tensor.bytes() == 0) continue;
    const int64_t begin = example.header.payload_offset + tensor.begin;
    const int64_t end = example.header.payload_offset + tensor.end;
    const auto last_cut = *std::prev(std::upper_bound(offsets.begin(), offsets.end(), begin));
    const auto cut_before = *std::prev(std::lower_bound(offsets.begin(), offsets.end(), begin));
    const bool same_dtype = previous != nullptr && previous->dtype == tensor.dtype;
    EXPECT_EQ(last_cut == begin, !same_dtype || end - cut_before > kMaxPieceBytes)
        << "a piece begins at a tensor only where it must";
    for (const int64_t cut : offsets) {
      const bool is_inside = cut > begin && cut < end;
      EXPECT_TRUE(!is_inside || (cut - begin) % kMaxPieceBytes == 0) << "a tensor is cut every 16 MiB of its own";
    }
    previous = &tensor;
  }
}

TEST(PieceOffsetsTest, ObeysItsRuleOnRandomFiles) {
  std::mt19937_64 random(20260131);
  for (int i = 0; i < 2000 && !::testing::Test::HasFailure(); ++i) {
    SCOPED_TRACE(i);
    ExpectPiecesObeyTheRule(RandomExample(random));
  }
}

}  // namespace
}  // namespace pivot
