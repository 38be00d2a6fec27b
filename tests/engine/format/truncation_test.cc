// SPDX-License-Identifier: Apache-2.0
// Folders with one file cut short, at every length: refused in words, never a crash.
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "engine/format/checkpoint_folder.h"
#include "engine/model/safetensors.h"
#include "proto/files/durable_file.h"
#include "proto/status/reason.h"
#include "tests/engine/format/compressed_model.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace pivot {
namespace {

namespace fs = std::filesystem;
using ::testing::AnyOf;

const TinyModelOptions kSmallest{.hidden_size = 32,
                                 .intermediate_size = 32,
                                 .num_blocks = 1,
                                 .num_heads = 2,
                                 .num_kv_heads = 2,
                                 .vocab_size = kTinyVocabulary,
                                 .num_shards = 2};

#ifdef PIVOT_SANITIZE
constexpr uintmax_t kStepInPayload = 7;
#else
constexpr uintmax_t kStepInPayload = 1;
#endif

struct LayoutCase {
  const char* name;
  CodeLayout layout;
};

class TruncationTest : public ::testing::TestWithParam<LayoutCase> {
 protected:
  TruncationTest() {
    EXPECT_OK(WriteTinyModel(source_, kSmallest));
    if (GetParam().layout == CodeLayout::kPlainBf16) {
      model_ = source_;
      return;
    }
    const ModelFolder source = *ModelFolder::Open(source_);
    const auto schemes = ModelSchemes::Uniform(source.config(), {.bits = 4, .group_size = 32});
    EXPECT_OK(WriteCompressedModel(CompressWithZeros(source, schemes, {.layout = GetParam().layout}), source, model_));
  }

  std::vector<std::string> FilesEndingWith(const std::string& ending) const {
    std::vector<std::string> paths;
    for (const auto& entry : fs::directory_iterator(model_)) {
      if (entry.path().string().ends_with(ending)) paths.push_back(entry.path().string());
    }
    return paths;
  }

  void ExpectRefused(const std::string& path, uintmax_t size) const {
    const absl::Status status = OpenCheckpoint(model_).status();
    EXPECT_FALSE(status.ok()) << path << " cut to " << size;
    EXPECT_THAT(ReasonOf(status), AnyOf("MALFORMED_WEIGHTS", "INVALID_CONFIG", "SOURCE_INCOMPLETE"))
        << status << " of " << path << " cut to " << size;
  }

  TemporaryFolder folder_;
  std::string source_ = folder_ / "source";
  std::string model_ = folder_ / "model";
};

TEST_P(TruncationTest, IsRefusedForEveryLengthOfAWeightFile) {
  const std::vector<std::string> shards = FilesEndingWith(".safetensors");
  ASSERT_EQ(shards.size(), 2U);
  for (const std::string& path : shards) {
    const std::string whole = *ReadSmallFile(path, 1 << 24);
    // The folder's reader adds nothing that depends on where a payload ends.
    const uintmax_t head = static_cast<uintmax_t>(SafetensorsFile::Open(path)->header().payload_offset);
    for (uintmax_t size = whole.size(); size-- > 0;) {
      // Where a payload ends is one comparison: sanitizers look at every seventh length in its middle.
      const bool in_middle = size > head + 64 && size + 64 < whole.size();
      if (in_middle && size % kStepInPayload != 0) continue;
      fs::resize_file(path, size);
      EXPECT_EQ(ReasonOf(SafetensorsFile::Open(path).status()), "MALFORMED_WEIGHTS") << path << " cut to " << size;
      if (size <= head || size % 63 == 0 || size + 8 > whole.size()) ExpectRefused(path, size);
    }
    folder_.Write(fs::relative(path, folder_.path()).string(), whole);
    EXPECT_OK(OpenCheckpoint(model_)) << "the file is whole again";
  }
}

TEST_P(TruncationTest, IsRefusedForEveryLengthOfTheConfigurationAndTheIndex) {
  for (const std::string& ending : {std::string("/config.json"), std::string(".index.json")}) {
    const std::vector<std::string> paths = FilesEndingWith(ending);
    ASSERT_EQ(paths.size(), 1U) << ending;
    const std::string whole = *ReadSmallFile(paths[0], 1 << 24);
    // Without the line's end it is the same document.
    for (uintmax_t size = absl::StripTrailingAsciiWhitespace(whole).size(); size-- > 0;) {
      fs::resize_file(paths[0], size);
      ExpectRefused(paths[0], size);
    }
    folder_.Write(fs::relative(paths[0], folder_.path()).string(), whole);
  }
  EXPECT_OK(OpenCheckpoint(model_));
}

INSTANTIATE_TEST_SUITE_P(Layouts, TruncationTest,
                         ::testing::Values(LayoutCase{"plain", CodeLayout::kPlainBf16},
                                           LayoutCase{"compressed_tensors", CodeLayout::kPackQuantized},
                                           LayoutCase{"gptq", CodeLayout::kGptqV1}),
                         [](const auto& layout) { return std::string(layout.param.name); });

}  // namespace
}  // namespace pivot
