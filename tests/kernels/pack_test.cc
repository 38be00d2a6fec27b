// SPDX-License-Identifier: Apache-2.0
#include "kernels/pack.h"

#include <random>
#include <tuple>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/kernels/run_kernels.h"

namespace pivot {
namespace {

using ::testing::ElementsAre;

std::vector<uint8_t> RandomCodes(int64_t count, int bits, unsigned seed) {
  std::mt19937 generator(seed);
  std::vector<uint8_t> codes(static_cast<size_t>(count));
  for (uint8_t& code : codes) code = static_cast<uint8_t>(generator() % (1U << bits));
  return codes;
}

class PackTest : public ::testing::TestWithParam<std::tuple<TestDevice, int>> {
 protected:
  void SetUp() override {
    if (!IsAvailable(device())) GTEST_SKIP() << "no GPU";
  }
  TestDevice device() const { return std::get<0>(GetParam()); }
  int bits() const { return std::get<1>(GetParam()); }
};

/// The rule, bit by bit.
std::vector<uint32_t> PackBitByBit(const std::vector<uint8_t>& codes, int64_t rows, int64_t columns, int bits) {
  const int64_t row_words = (columns * bits + 31) / 32;
  std::vector<uint32_t> words(static_cast<size_t>(rows * row_words), 0);
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t bit = 0; bit < columns * bits; ++bit) {
      const uint32_t value = (codes[static_cast<size_t>(row * columns + bit / bits)] >> (bit % bits)) & 1U;
      words[static_cast<size_t>(row * row_words + bit / 32)] |= value << (bit % 32);
    }
  }
  return words;
}

TEST_P(PackTest, FollowsTheRuleForRowsOfAnyLength) {
  for (const int64_t columns : {1, 2, 7, 31, 32, 33, 64, 100, 577}) {
    const std::vector<uint8_t> codes = RandomCodes(3 * columns, bits(), static_cast<unsigned>(columns));
    EXPECT_EQ(PackOn(device(), codes, 3, columns, bits()), PackBitByBit(codes, 3, columns, bits())) << columns;
  }
}

TEST_P(PackTest, LeavesBitsBehindTheLastCodeZero) {
  const std::vector<uint8_t> codes(5, static_cast<uint8_t>((1U << bits()) - 1U));
  const std::vector<uint32_t> words = PackOn(device(), codes, 1, 5, bits());
  int ones = 0;
  for (const uint32_t word : words) ones += __builtin_popcount(word);
  EXPECT_EQ(ones, 5 * bits());
}

TEST_P(PackTest, UnpacksToTheSameCodes) {
  const std::vector<uint8_t> codes = RandomCodes(4 * 97, bits(), 5);
  const std::vector<uint32_t> words = PackOn(device(), codes, 4, 97, bits());
  std::vector<uint8_t> unpacked(codes.size());
  UnpackRows(words.data(), 4, 97, bits(), unpacked.data());
  EXPECT_EQ(unpacked, codes);
}

TEST_P(PackTest, ChangesWhenAnyCodeChangesByOneStep) {
  std::vector<uint8_t> codes = RandomCodes(40, bits(), 9);
  const std::vector<uint32_t> before = PackOn(device(), codes, 1, 40, bits());
  for (uint8_t& code : codes) {
    const uint8_t kept = code;
    code ^= 1U;
    EXPECT_NE(PackOn(device(), codes, 1, 40, bits()), before);
    code = kept;
  }
}

INSTANTIATE_TEST_SUITE_P(Widths, PackTest,
                         ::testing::Combine(::testing::ValuesIn(TestDevices()), ::testing::Range(2, 9)),
                         [](const auto& test) {
                           return DeviceLabel(std::get<0>(test.param)) + "_bits" +
                                  std::to_string(std::get<1>(test.param));
                         });

std::vector<uint32_t> GoldenWords(int bits) {
  std::vector<uint8_t> codes;
  for (unsigned k = 0; k < 32; ++k) codes.push_back(static_cast<uint8_t>((7 * k + 3) % (1U << bits)));
  return PackOn(TestDevices().front(), codes, 1, 32, bits);
}

// Words that GPTQ's and compressed-tensors' own packers give for the codes (7k + 3) mod 2^bits.
TEST(PackGoldenTest, GivesTheWordsOfOtherTools) {
  if (!IsAvailable(TestDevices().front())) GTEST_SKIP() << "no GPU";
  EXPECT_THAT(GoldenWords(2), ElementsAre(0x1B1B1B1B, 0x1B1B1B1B));
  EXPECT_THAT(GoldenWords(3), ElementsAre(0x53977053, 0x70539770, 0x97705397));
  EXPECT_THAT(GoldenWords(4), ElementsAre(0x4D6F81A3, 0xC5E7092B, 0x4D6F81A3, 0xC5E7092B));
  EXPECT_THAT(GoldenWords(5), ElementsAre(0x4DFC4543, 0x78245BA3, 0x0753617D, 0x4B276CF4, 0xE55C7066));
  EXPECT_THAT(GoldenWords(8), ElementsAre(0x18110A03, 0x342D261F, 0x5049423B, 0x6C655E57, 0x88817A73, 0xA49D968F,
                                          0xC0B9B2AB, 0xDCD5CEC7));
}

}  // namespace
}  // namespace pivot
