// SPDX-License-Identifier: Apache-2.0
#include "engine/model/model_folder.h"

#include <filesystem>
#include <string>
#include <sys/stat.h>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "engine/model/found_model.h"
#include "engine/model/required_tensors.h"
#include "proto/files/durable_file.h"
#include "proto/status/reason.h"
#include "tests/engine/model/raw_safetensors.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace pivot {
namespace {

namespace fs = std::filesystem;
using ::nlohmann::json;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr char kIndex[] = "model.safetensors.index.json";

class ModelFolderTest : public ::testing::Test {
 protected:
  void ExpectRefused(absl::StatusCode code, absl::string_view reason, absl::string_view problem) {
    const auto folder = ModelFolder::Open(folder_.path());
    EXPECT_THAT(folder, StatusIs(code, HasSubstr(std::string(problem))));
    EXPECT_EQ(ReasonOf(folder.status()), reason);
  }

  json ReadIndex() { return json::parse(*ReadSmallFile(folder_ / kIndex, 1 << 20)); }

  TemporaryFolder folder_;
};

TEST_F(ModelFolderTest, OpensASingleFile) {
  ASSERT_OK(WriteTinyModel(folder_.path()));
  ASSERT_OK_AND_ASSIGN(const ModelFolder folder, ModelFolder::Open(folder_.path()));
  EXPECT_EQ(folder.path(), folder_.path());
  EXPECT_EQ(folder.name(), fs::path(folder_.path()).filename());
  EXPECT_EQ(folder.config_text(), TinyConfigJson({}));
  EXPECT_EQ(folder.config().hidden_size, 64);
  EXPECT_THAT(folder.files(), SizeIs(1));
  EXPECT_THAT(folder.tensors(), SizeIs(20));
  EXPECT_EQ(folder.weight_file_bytes(), static_cast<int64_t>(fs::file_size(folder_ / "model.safetensors")));
  ASSERT_NE(folder.Find("model.norm.weight"), nullptr);
  EXPECT_EQ(folder.Bytes("model.norm.weight").size(), 128U);
  EXPECT_EQ(folder.Find("lm_head.weight"), nullptr);
  EXPECT_EQ(folder.Bytes("lm_head.weight"), "");
  EXPECT_OK(CheckTensors(folder));
}

TEST_F(ModelFolderTest, OpensShards) {
  const TemporaryFolder single;
  ASSERT_OK(WriteTinyModel(single.path(), {.tied_embeddings = false}));
  ASSERT_OK(WriteTinyModel(folder_.path(), {.tied_embeddings = false, .num_shards = 3}));
  ASSERT_OK_AND_ASSIGN(const ModelFolder whole, ModelFolder::Open(single.path()));
  ASSERT_OK_AND_ASSIGN(ModelFolder opened, ModelFolder::Open(folder_.path()));
  const ModelFolder folder = std::move(opened);
  EXPECT_THAT(folder.files(), SizeIs(3));
  EXPECT_EQ(folder.tensors().size(), whole.tensors().size());
  for (const auto& [name, location] : folder.tensors()) {
    EXPECT_EQ(folder.files()[location.file].Find(name), location.info) << "a moved folder's pointers stay good";
    EXPECT_EQ(folder.Find(name)->shape, whole.Find(name)->shape);
  }
  EXPECT_OK(CheckTensors(folder));
}

TEST_F(ModelFolderTest, TakesItsNameFromItsPath) {
  ASSERT_OK(WriteTinyModel(folder_ / "My-Model"));
  EXPECT_EQ(ModelFolder::Open(folder_ / "My-Model")->name(), "My-Model");
  EXPECT_EQ(ModelFolder::Open(folder_ / "My-Model/")->name(), "My-Model");
  EXPECT_EQ(ModelFolder::Open(folder_ / "My-Model/../My-Model/.")->name(), "My-Model");
}

TEST_F(ModelFolderTest, SaysThatThereIsNoModel) {
  ExpectRefused(absl::StatusCode::kNotFound, "SOURCE_NOT_FOUND", "has no config.json");
  fs::remove_all(folder_.path());
  ExpectRefused(absl::StatusCode::kNotFound, "SOURCE_NOT_FOUND", "no model folder at " + folder_.path());
}

TEST_F(ModelFolderTest, DoesNotTakeAFileForAFolder) {
  const auto folder = ModelFolder::Open(folder_.Write("model.txt", "GGUF"));
  EXPECT_THAT(folder, StatusIs(absl::StatusCode::kNotFound, HasSubstr("no model folder at")));
}

TEST_F(ModelFolderTest, PassesOnWhatIsWrongWithTheConfiguration) {
  ASSERT_OK(WriteTinyModel(folder_.path()));
  folder_.Write("config.json", R"({"model_type": "gpt2"})");
  ASSERT_OK_AND_ASSIGN(const ModelFolder unknown, ModelFolder::Open(folder_.path()));
  EXPECT_THAT(CheckCanRun(unknown.config()), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("gpt2")));
  EXPECT_EQ(ReasonOf(CheckCanRun(unknown.config())), "UNSUPPORTED_ARCHITECTURE");
  folder_.Write("config.json", "{");
  ExpectRefused(absl::StatusCode::kInvalidArgument, "INVALID_CONFIG", "config.json is not valid JSON");
}

TEST_F(ModelFolderTest, SaysThatThereAreNoWeights) {
  ASSERT_OK(WriteTinyModel(folder_.path()));
  fs::remove(folder_ / "model.safetensors");
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "SOURCE_INCOMPLETE",
                "neither model.safetensors nor model.safetensors.index.json");
}

TEST_F(ModelFolderTest, NamesTheMissingShard) {
  ASSERT_OK(WriteTinyModel(folder_.path(), {.num_shards = 3}));
  fs::remove(folder_ / "model-00002-of-00003.safetensors");
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "SOURCE_INCOMPLETE",
                "lacks the shard model-00002-of-00003.safetensors");
}

TEST_F(ModelFolderTest, PassesOnWhatIsWrongWithAShard) {
  ASSERT_OK(WriteTinyModel(folder_.path(), {.num_shards = 2}));
  const std::string shard = folder_ / "model-00002-of-00002.safetensors";
  fs::resize_file(shard, fs::file_size(shard) - 1);
  ExpectRefused(absl::StatusCode::kInvalidArgument, "MALFORMED_WEIGHTS", shard);
}

TEST_F(ModelFolderTest, RefusesPickledWeights) {
  ASSERT_OK(WriteTinyModel(folder_.path()));
  fs::remove(folder_ / "model.safetensors");
  folder_.Write("pytorch_model.bin", "whatever");
  ExpectRefused(absl::StatusCode::kInvalidArgument, "UNSAFE_SOURCE", "pytorch_model.bin");
  fs::rename(folder_ / "pytorch_model.bin", folder_ / "Consolidated.00.PTH");
  ExpectRefused(absl::StatusCode::kInvalidArgument, "UNSAFE_SOURCE", "Consolidated.00.PTH");
}

TEST_F(ModelFolderTest, DoesNotMindPicklesBesideSafetensors) {
  ASSERT_OK(WriteTinyModel(folder_.path()));
  folder_.Write("pytorch_model.bin", "\x80\x02}q");
  EXPECT_OK(ModelFolder::Open(folder_.path()));
}

TEST_F(ModelFolderTest, RecognizesPicklesUnderAnotherName) {
  ASSERT_OK(WriteTinyModel(folder_.path()));
  for (const absl::string_view content :
       {absl::string_view("PK\x03\x04rest of a zip archive"), absl::string_view("\x80\x02}q\x01."),
        absl::string_view("\x80\x04\x95 a pickle of protocol 4"), absl::string_view("\x80\x05"),
        absl::string_view("PK\x03\x04")}) {
    folder_.Write("model.safetensors", content);
    ExpectRefused(absl::StatusCode::kInvalidArgument, "UNSAFE_SOURCE",
                  absl::StartsWith(content, "PK") ? "is a zip archive" : "is a pickle");
    ExpectRefused(absl::StatusCode::kInvalidArgument, "UNSAFE_SOURCE", "convert the model to safetensors");
  }
}

TEST_F(ModelFolderTest, WaitsForNoFifoAndOpensNoDevice) {
  ASSERT_OK(WriteTinyModel(folder_.path(), {.num_shards = 2}));
  const std::string shard = folder_ / "model-00002-of-00002.safetensors";
  fs::remove(shard);
  ASSERT_EQ(mkfifo(shard.c_str(), 0600), 0);
  ExpectRefused(absl::StatusCode::kInvalidArgument, "UNSAFE_SOURCE", "is not a regular file");
  fs::remove(shard);
  fs::create_symlink("/dev/zero", shard);
  ExpectRefused(absl::StatusCode::kInvalidArgument, "UNSAFE_SOURCE", "is a link out of the model's folder");
}

TEST_F(ModelFolderTest, RefusesAnIndexThatNamesPickles) {
  ASSERT_OK(WriteTinyModel(folder_.path(), {.num_shards = 2}));
  folder_.Write("model.safetensors.index.json", R"({"weight_map": {"a": "pytorch_model-00001.bin"}})");
  ExpectRefused(absl::StatusCode::kInvalidArgument, "UNSAFE_SOURCE", "names pytorch_model-00001.bin, a pickle");
}

TEST_F(ModelFolderTest, RefusesAPickleThatIsNamedItself) {
  for (const char* name : {"a.bin", "a.PT", "a.pth", "a.ckpt", "a.pkl", "a.pickle"}) {
    const absl::Status status = ModelFolder::Open(folder_.Write(name, "whatever")).status();
    EXPECT_EQ(ReasonOf(status), "UNSAFE_SOURCE") << name << ": " << status;
  }
  const absl::Status status = ModelFolder::Open(folder_.Write("a.gguf", "\x80\x02}q\x01.")).status();
  EXPECT_EQ(ReasonOf(status), "UNSAFE_SOURCE") << status;
}

TEST_F(ModelFolderTest, DoesNotTakeAHeaderOf640BytesForAPickle) {
  ASSERT_OK(WriteTinyModel(folder_.path()));
  std::string header = "{}";
  header.resize(0x0280, ' ');  // its length word begins like a pickle
  folder_.Write("model.safetensors", RawSafetensors(header));
  EXPECT_OK(ModelFolder::Open(folder_.path()));
}

TEST_F(ModelFolderTest, RefusesAnIndexThatIsNone) {
  ASSERT_OK(WriteTinyModel(folder_.path()));
  for (const char* text :
       {"", "[]", "{}", R"({"weight_map": []})", R"({"weight_map": {}})", R"({"weight_map": {"a": "f", "a": "f"}})"}) {
    folder_.Write(kIndex, text);
    ExpectRefused(absl::StatusCode::kInvalidArgument, "MALFORMED_WEIGHTS", kIndex);
  }
}

TEST_F(ModelFolderTest, RefusesAnIndexThatLeavesTheFolder) {
  ASSERT_OK(WriteTinyModel(folder_ / "model", {.num_shards = 2}));
  folder_.Write("outside.safetensors", SmallSafetensors());
  json index = json::parse(*ReadSmallFile(folder_ / "model/model.safetensors.index.json", 1 << 20));
  for (const json& file :
       {json("../outside.safetensors"), json(folder_ / "outside.safetensors"), json(""), json(5), json(nullptr)}) {
    index["weight_map"]["a"] = file;
    folder_.Write("model/model.safetensors.index.json", index.dump());
    const auto folder = ModelFolder::Open(folder_ / "model");
    EXPECT_THAT(folder,
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("names a file outside of the folder for a")));
    EXPECT_EQ(ReasonOf(folder.status()), "UNSAFE_SOURCE");
  }
}

TEST_F(ModelFolderTest, NamesATensorThatIsNotWhereTheIndexSays) {
  ASSERT_OK(WriteTinyModel(folder_.path(), {.num_shards = 2}));
  const json index = ReadIndex();
  json invented = index;
  invented["weight_map"]["model.layers.7.x"] = "model-00001-of-00002.safetensors";
  folder_.Write(kIndex, invented.dump());
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "SOURCE_INCOMPLETE",
                "tensor model.layers.7.x is not in model-00001-of-00002.safetensors");
  json moved = index;
  moved["weight_map"]["model.norm.weight"] = "model-00001-of-00002.safetensors";
  folder_.Write(kIndex, moved.dump());
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "SOURCE_INCOMPLETE", "tensor model.norm.weight is not in");
}

TEST_F(ModelFolderTest, RefusesATensorInTwoShards) {
  ASSERT_OK(WriteTinyModel(folder_.path(), {.num_shards = 2}));
  fs::copy_file(folder_ / "model-00002-of-00002.safetensors", folder_ / "more.safetensors");
  json index = ReadIndex();
  index["weight_map"]["model.norm.weight"] = "more.safetensors";
  folder_.Write(kIndex, index.dump());
  ExpectRefused(absl::StatusCode::kInvalidArgument, "MALFORMED_WEIGHTS",
                "is in two files, the second is " + folder_ / "more.safetensors");
}

}  // namespace
}  // namespace pivot
