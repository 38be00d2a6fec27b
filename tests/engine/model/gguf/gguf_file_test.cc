// SPDX-License-Identifier: Apache-2.0
#include "engine/model/gguf/gguf_file.h"

#include <filesystem>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "engine/model/gguf/gguf_writer.h"
#include "proto/files/durable_file.h"
#include "proto/status/reason.h"
#include "tests/engine/model/gguf/raw_gguf.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace pivot {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class GgufFileTest : public ::testing::Test {
 protected:
  absl::StatusOr<GgufFile> Open(const std::string& content) { return GgufFile::Open(folder_.Write("m.gguf", content)); }

  void ExpectRefused(const std::string& content, const std::string& reason, const std::string& phrase) {
    const absl::Status status = Open(content).status();
    EXPECT_EQ(ReasonOf(status), reason) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(phrase));
  }

  TemporaryFolder folder_;
};

TEST_F(GgufFileTest, ReadsValuesAndTensors) {
  ASSERT_OK_AND_ASSIGN(const GgufFile file, Open(SmallGguf()));
  EXPECT_EQ(file.Integer("n"), 7);
  EXPECT_EQ(file.Text("t"), "hi");
  EXPECT_EQ(file.Boolean("b"), true);
  EXPECT_THAT(*file.Texts("l"), ElementsAre("x", "yz"));
  EXPECT_FALSE(file.Number("n").has_value()) << "another type";
  ASSERT_EQ(file.tensors().size(), 1U);
  EXPECT_THAT(file.tensors()[0].shape, ElementsAre(2, 2));
  EXPECT_EQ(file.Bytes(file.tensors()[0]).substr(12), U32(0x40800000));
}

TEST_F(GgufFileTest, IsRefusedWhereverItIsCutOff) {
  const std::string whole = SmallGguf();
  for (size_t length = 0; length < whole.size(); ++length) {
    const absl::Status status = Open(whole.substr(0, length)).status();
    EXPECT_EQ(ReasonOf(status), "MALFORMED_WEIGHTS") << length << ": " << status;
  }
}

TEST_F(GgufFileTest, RefusesVersionsAndTypesByName) {
  ExpectRefused("GGUF" + U32(1) + U64(0) + U64(0), "UNSUPPORTED_CHECKPOINT", "version 1");
  ExpectRefused("GGUF" + U32(0x03000000) + U64(0) + U64(0), "UNSUPPORTED_CHECKPOINT", "big-endian");
  ExpectRefused(WithPayload(RawHead(1, 0) + RawTensor("a", 256, 1, 20, 0), std::string(144, 'x')),
                "UNSUPPORTED_CHECKPOINT", "IQ4_NL");
  ExpectRefused("GGML" + U32(3) + U64(0) + U64(0), "MALFORMED_WEIGHTS", "begin with");
}

TEST_F(GgufFileTest, RefusesHostileCounts) {
  constexpr uint64_t kHuge = ~uint64_t{0};
  ExpectRefused("GGUF" + U32(3) + U64(kHuge) + U64(0), "MALFORMED_WEIGHTS", "tensors");
  ExpectRefused("GGUF" + U32(3) + U64(0) + U64(kHuge), "MALFORMED_WEIGHTS", "values");
  ExpectRefused(RawHead(0, 1) + U64(kHuge), "MALFORMED_WEIGHTS", "key");
  ExpectRefused(RawHead(0, 1) + RawValue("k", 8, U64(kHuge)), "MALFORMED_WEIGHTS", "text");
  ExpectRefused(RawHead(0, 1) + RawValue("k", 9, U32(0) + U64(kHuge)), "MALFORMED_WEIGHTS", "list");
  ExpectRefused(RawHead(0, 1) + RawValue("k", 9, U32(8) + U64(1 << 20)), "MALFORMED_WEIGHTS", "list");
  ExpectRefused(RawHead(0, 1) + RawValue("k", 13, ""), "MALFORMED_WEIGHTS", "type 13");
  ExpectRefused(RawHead(0, 1) + RawValue("k", 7, LittleEndian(2, 1)), "MALFORMED_WEIGHTS", "truth value");
  ExpectRefused(RawHead(0, 2) + RawValue("k", 0, "x") + RawValue("k", 0, "y"), "MALFORMED_WEIGHTS", "twice");
  std::string nested = U32(0) + U64(0);
  for (int i = 0; i < 8; ++i) nested = U32(9) + U64(1) + nested;
  ExpectRefused(RawHead(0, 1) + RawValue("k", 9, nested), "MALFORMED_WEIGHTS", "nested");
}

TEST_F(GgufFileTest, RefusesTensorsThatDoNotFit) {
  const std::string payload(64, 'x');
  const auto with = [&](const std::string& tensors, uint64_t count) {
    return WithPayload(RawHead(count, 0) + tensors, payload);
  };
  EXPECT_OK(Open(with(RawTensor("a", 2, 2, 0, 0) + RawTensor("b", 2, 2, 0, 32), 2)));
  ExpectRefused(with(RawTensor("a", 2, 2, 0, 0) + RawTensor("b", 2, 2, 0, 0), 2), "MALFORMED_WEIGHTS", "must not");
  ExpectRefused(with(RawTensor("a", 2, 2, 0, 0) + RawTensor("a", 2, 2, 0, 32), 2), "MALFORMED_WEIGHTS", "twice");
  ExpectRefused(with(RawTensor("a", 2, 2, 0, 8), 1), "MALFORMED_WEIGHTS", "must not");
  ExpectRefused(with(RawTensor("a", 2, 2, 0, 1 << 20), 1), "MALFORMED_WEIGHTS", "ends in tensor a");
  ExpectRefused(with(RawTensor("a", uint64_t{1} << 40, uint64_t{1} << 40, 0, 0), 1), "MALFORMED_WEIGHTS", "cannot be");
  ExpectRefused(with(RawTensor("a", uint64_t{1} << 63, 1, 0, 0), 1), "MALFORMED_WEIGHTS", "dimension");
  ExpectRefused(with(RawTensor("a", 31, 1, 2, 0), 1), "MALFORMED_WEIGHTS", "cannot be Q4_0");
  ExpectRefused(with(RawText("a") + U32(5), 1), "MALFORMED_WEIGHTS", "5 dimensions");
  ExpectRefused(WithPayload(RawHead(0, 1) + RawValue("general.alignment", 4, U32(24)), payload), "MALFORMED_WEIGHTS",
                "alignment");
}

class GgufWriterTest : public GgufFileTest {
 protected:
  const std::vector<GgufSpec> specs_ = {{"a", GgmlType::kFloat32, {3}}, {"b", GgmlType::kQ8_0, {2, 32}}};
  const std::string path_ = folder_ / "w.gguf";
};

TEST_F(GgufWriterTest, WhatIsWrittenReadsBack) {
  GgufValues values;
  values.AddInteger("u", 4'000'000'000U);
  values.AddNumber("f", 0.5F);
  values.AddTexts("l", {"x", ""});
  values.AddIntegers("i", {-1, 2});
  ASSERT_OK_AND_ASSIGN(GgufWriter writer, GgufWriter::Create(path_, values, specs_));
  ASSERT_OK(writer.Put("b", std::string(68, 'b')));
  ASSERT_OK(writer.Put("a", std::string(12, 'a')));
  ASSERT_OK(writer.Finish());
  ASSERT_OK_AND_ASSIGN(const GgufFile file, GgufFile::Open(path_));
  EXPECT_EQ(file.Integer("u"), 4'000'000'000);
  EXPECT_EQ(file.Number("f"), 0.5);
  EXPECT_THAT(*file.Texts("l"), ElementsAre("x", ""));
  EXPECT_THAT(*file.Integers("i"), ElementsAre(-1, 2));
  EXPECT_EQ(file.Bytes(file.tensors()[0]), std::string(12, 'a'));
  EXPECT_EQ(file.Bytes(file.tensors()[1]), std::string(68, 'b'));
  EXPECT_THAT(file.tensors()[1].shape, ElementsAre(2, 32));
  EXPECT_EQ(file.file_bytes(), LayOutGguf(values, specs_).file_bytes);
}

TEST_F(GgufWriterTest, LeavesNothingUnfinished) {
  {
    ASSERT_OK_AND_ASSIGN(GgufWriter writer, GgufWriter::Create(path_, {}, specs_));
    ASSERT_OK(writer.Put("a", std::string(12, 'a')));
    EXPECT_THAT(writer.Put("a", std::string(12, 'a')), StatusIs(absl::StatusCode::kInternal, HasSubstr("was written")));
    EXPECT_THAT(writer.Put("b", "short"), StatusIs(absl::StatusCode::kInternal, HasSubstr("68")));
    EXPECT_THAT(writer.Finish(), StatusIs(absl::StatusCode::kInternal, HasSubstr("b was not written")));
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

}  // namespace
}  // namespace pivot
