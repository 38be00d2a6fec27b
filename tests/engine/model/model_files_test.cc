// SPDX-License-Identifier: Apache-2.0
// What of a model folder is copied, what identifies it, and which tensors it must have.
#include <filesystem>
#include <functional>
#include <string>
#include <sys/stat.h>
#include <vector>

#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "engine/model/model_folder.h"
#include "engine/model/required_tensors.h"
#include "proto/files/durable_file.h"
#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace pivot {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(FilesToCopyTest, AreThePlainFilesThatAreNeitherWeightsNorCode) {
  const TemporaryFolder folder;
  for (const char* name : {"tokenizer.json", "tokenizer.model", "vocab.json", "merges.txt", "special_tokens_map.json",
                           "LICENSE", "README.md", "chat_template.jinja", "generation_config.json", "safetensors",
                           "index.json.txt", "config.json.bak"}) {
    folder.Write(name, "x");
  }
  for (const char* name : {"config.json",
                           "model.safetensors",
                           "model.safetensors.index.json",
                           "pytorch_model.bin",
                           "pytorch_model.bin.index.json",
                           "a.pt",
                           "a.pth",
                           "a.ckpt",
                           "a.gguf",
                           "a.h5",
                           "a.msgpack",
                           "a.onnx",
                           "modeling_x.py",
                           "x.pyc",
                           "a.pkl",
                           "a.pickle",
                           "A.PKL",
                           "Model.SafeTensors",
                           ".gitattributes",
                           ".hidden",
                           "folder/inside.json"}) {
    folder.Write(name, "x");
  }
  ASSERT_EQ(mkfifo((folder / "fifo").c_str(), 0600), 0);
  fs::create_symlink("nowhere", folder / "dangling");
  fs::create_symlink("LICENSE", folder / "COPYING");
  EXPECT_THAT(*FilesToCopy(folder.path()),
              ElementsAre("COPYING", "LICENSE", "README.md", "chat_template.jinja", "config.json.bak",
                          "generation_config.json", "index.json.txt", "merges.txt", "safetensors",
                          "special_tokens_map.json", "tokenizer.json", "tokenizer.model", "vocab.json"));
}

TEST(FilesToCopyTest, NamesThatNoManifestCanHoldAreRefused) {
  for (const char* name : {"back\\slash.txt", "latin-1-\xE9.txt"}) {
    const TemporaryFolder folder;
    folder.Write(name, "x");
    const auto files = FilesToCopy(folder.path());
    EXPECT_THAT(files,
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("has a name that no checkpoint can hold")));
    EXPECT_EQ(ReasonOf(files.status()), "UNSAFE_SOURCE");
  }
  const TemporaryFolder folder;
  folder.Write("\xC3\xA9t\xC3\xA9 \"1\".txt", "x");
  EXPECT_OK(FilesToCopy(folder.path()));
}

TEST(FilesToCopyTest, NeedAFolder) {
  const TemporaryFolder folder;
  EXPECT_THAT(FilesToCopy(folder / "no"), StatusIs(absl::StatusCode::kNotFound, HasSubstr("no")));
}

class SourceDigestTest : public ::testing::Test {
 protected:
  SourceDigestTest() { EXPECT_OK(WriteTinyModel(folder_.path(), {.num_shards = 2})); }

  std::string Digest() {
    const auto folder = ModelFolder::Open(folder_.path());
    EXPECT_OK(folder);
    return SourceDigest(*folder);
  }

  TemporaryFolder folder_;
};

TEST_F(SourceDigestTest, IsTheSameForTheSameModel) {
  const TemporaryFolder other;
  ASSERT_OK(WriteTinyModel(other.path(), {.num_shards = 2}));
  EXPECT_EQ(Digest(), SourceDigest(*ModelFolder::Open(other.path())));
  EXPECT_EQ(Digest().size(), 64U);
}

TEST_F(SourceDigestTest, DoesNotReadWeightsOrOtherFiles) {
  const std::string before = Digest();
  const std::string shard = folder_ / "model-00001-of-00002.safetensors";
  std::string bytes = *ReadSmallFile(shard, 1 << 24);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  folder_.Write("model-00001-of-00002.safetensors", bytes);
  folder_.Write("README.md", "new");
  EXPECT_EQ(Digest(), before);
}

TEST_F(SourceDigestTest, ChangesWithTheConfiguration) {
  const std::string before = Digest();
  folder_.Write("config.json", TinyConfigJson({}) + " ");
  EXPECT_NE(Digest(), before);
}

TEST_F(SourceDigestTest, ChangesWithAShardsNameOrNumber) {
  const std::string before = Digest();
  const TemporaryFolder three;
  ASSERT_OK(WriteTinyModel(three.path(), {.num_shards = 3}));
  EXPECT_NE(SourceDigest(*ModelFolder::Open(three.path())), before);
  fs::rename(folder_ / "model-00002-of-00002.safetensors", folder_ / "other.safetensors");
  const std::string index = *ReadSmallFile(folder_ / "model.safetensors.index.json", 1 << 20);
  folder_.Write("model.safetensors.index.json", absl::StrReplaceAll(index, {{"model-00002-of-00002", "other"}}));
  EXPECT_NE(Digest(), before);
}

TEST_F(SourceDigestTest, ChangesWithATensorsNameDtypeShapeAndPlace) {
  const std::string before = Digest();
  const std::string shard = *ReadSmallFile(folder_ / "model-00001-of-00002.safetensors", 1 << 24);
  for (const auto& [from, to] : {std::pair{"embed_tokens", "embed_tokenz"},
                                 {"[320,64]", "[64,320]"},
                                 {"\"BF16\",\"shape\":[320,64]", "\"I16\" ,\"shape\":[320,64]"}}) {
    ASSERT_THAT(shard, HasSubstr(from));
    folder_.Write("model-00001-of-00002.safetensors", absl::StrReplaceAll(shard, {{from, to}}));
    fs::remove(folder_ / "model.safetensors.index.json");
    const std::string index = R"({"weight_map": {"model.norm.weight": "model-00002-of-00002.safetensors",
                                                 "model.layers.0.input_layernorm.weight": "model-00001-of-00002.safetensors"}})";
    folder_.Write("model.safetensors.index.json", index);
    EXPECT_NE(Digest(), before) << from;
  }
  folder_.Write("model-00001-of-00002.safetensors", shard);
  EXPECT_EQ(Digest(), before) << "the index itself does not count";
}

/// A tiny model without one tensor, or with another in its place.
absl::Status CheckWith(const TinyModelOptions& options, absl::string_view name,
                       const std::function<void(std::vector<TensorSpec>&, size_t)>& change) {
  const TemporaryFolder folder;
  std::vector<TensorSpec> specs = TinyModelTensors(options);
  size_t place = specs.size();
  for (size_t i = 0; i < specs.size(); ++i) {
    if (specs[i].name == name) place = i;
  }
  if (place == specs.size()) return absl::NotFoundError("no such tensor in the tiny model");
  change(specs, place);
  std::vector<TensorBytes> tensors;
  std::vector<std::string> zeros;
  for (const TensorSpec& spec : specs)
    zeros.emplace_back(static_cast<size_t>(*NumElements(spec.shape) * DtypeBits(spec.dtype) / 8), '\0');
  for (size_t i = 0; i < specs.size(); ++i) tensors.push_back({specs[i], zeros[i]});
  folder.Write("config.json", TinyConfigJson(options));
  if (auto written = WriteSafetensors(folder / "model.safetensors", tensors); !written.ok()) return written.status();
  const auto model = ModelFolder::Open(folder.path());
  return model.ok() ? CheckTensors(*model) : model.status();
}

void TakeAway(std::vector<TensorSpec>& specs, size_t place) {
  specs.erase(specs.begin() + static_cast<ptrdiff_t>(place));
}

TEST(CheckTensorsTest, AcceptsEveryTinyModel) {
  for (const TinyModelOptions& options :
       {TinyModelOptions{}, TinyModelOptions{.tied_embeddings = false}, TinyModelOptions{.attention_bias = true},
        TinyModelOptions{.model_type = "qwen2"}, TinyModelOptions{.dtype = Dtype::kFloat16},
        TinyModelOptions{.num_heads = 4, .num_kv_heads = 1, .head_dim = 32, .dtype = Dtype::kFloat32}}) {
    const TemporaryFolder folder;
    ASSERT_OK(WriteTinyModel(folder.path(), options));
    EXPECT_OK(CheckTensors(*ModelFolder::Open(folder.path())));
  }
}

TEST(CheckTensorsTest, NamesAnyTensorThatIsMissing) {
  for (const TinyModelOptions& options :
       {TinyModelOptions{.num_blocks = 1, .tied_embeddings = false, .attention_bias = true},
        TinyModelOptions{.model_type = "qwen2", .num_blocks = 1}}) {
    for (const TensorSpec& spec : TinyModelTensors(options)) {
      const absl::Status status = CheckWith(options, spec.name, TakeAway);
      EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("has no tensor " + spec.name)));
      EXPECT_EQ(ReasonOf(status), "MALFORMED_WEIGHTS");
    }
  }
}

TEST(CheckTensorsTest, NamesAnyTensorOfAnotherShape) {
  const TinyModelOptions options{.num_blocks = 1, .tied_embeddings = false, .attention_bias = true};
  for (const TensorSpec& spec : TinyModelTensors(options)) {
    const absl::Status status =
        CheckWith(options, spec.name, [](std::vector<TensorSpec>& specs, size_t place) { ++specs[place].shape[0]; });
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("tensor " + spec.name + " is BF16 [")));
  }
}

TEST(CheckTensorsTest, RefusesATransposedWeight) {
  const absl::Status status = CheckWith(
      {}, "model.layers.1.mlp.down_proj.weight",
      [](std::vector<TensorSpec>& specs, size_t place) { std::swap(specs[place].shape[0], specs[place].shape[1]); });
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr("is BF16 [128, 64]; config.json asks for BF16, F16 or F32 [64, 128]")));
}

TEST(CheckTensorsTest, RefusesOtherDtypes) {
  for (const Dtype dtype : {Dtype::kFloat64, Dtype::kInt16, Dtype::kFloat8E4M3, Dtype::kInt32}) {
    const absl::Status status = CheckWith(
        {}, "model.norm.weight", [dtype](std::vector<TensorSpec>& specs, size_t place) { specs[place].dtype = dtype; });
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                                 HasSubstr("tensor model.norm.weight is " + std::string(DtypeName(dtype)))));
  }
}

}  // namespace
}  // namespace pivot
