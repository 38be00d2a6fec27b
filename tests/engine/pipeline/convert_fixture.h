// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_ENGINE_PIPELINE_CONVERT_FIXTURE_H_
#define PIVOT_TESTS_ENGINE_PIPELINE_CONVERT_FIXTURE_H_

// A tiny model, and the tasks that compress it and convert what came out.

#include <ATen/ATen.h>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"

#include "engine/forward/weights.h"
#include "engine/model/model_shapes.h"
#include "engine/tasks/tasks.h"
#include "proto/files/durable_file.h"
#include "proto/files/sha256.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace pivot {

class ConvertTest : public ::testing::Test {
 protected:
  ConvertTest() {
    EXPECT_OK(WriteTinyModel(model_, {.num_blocks = 2}));
    hooks_.warning = [this](const std::string&, const std::string& message) { warnings_.push_back(message); };
    hooks_.publish = [this](const StagedPivot& staged) {
      published_ = staged;
      return absl::OkStatus();
    };
  }

  absl::Status Run(const nlohmann::json& spec, const std::string& staging) {
    EXPECT_OK(MakeFolders(staging));
    const auto device = OpenDevice("cpu", 1);
    EXPECT_OK(device);
    return RunTask(spec, {.job_name = "test", .staging_folder = staging, .device = &*device, .hooks = &hooks_})
        .status();
  }

  /// A compressed folder: rounded, nothing measured.
  std::string Compressed(const std::string& name, const nlohmann::json& changes = nlohmann::json::object()) {
    nlohmann::json task{{"source", {{"path", model_}}},
                        {"bits", 4},
                        {"group_size", 32},
                        {"quantize", {{"method", "rtn"}}},
                        {"evaluation", {{"skip", true}}}};
    task.merge_patch(changes);
    EXPECT_OK(Run({{"compress", task}}, folder_ / name));
    return folder_ / (name + "/pivot-0");
  }

  absl::Status Convert(const std::string& source, const std::string& format, const std::string& name,
                       int64_t shard_bytes = 0) {
    return Run({{"convert", {{"source", {{"path", source}}}, {"format", format}, {"shard_bytes", shard_bytes}}}},
               folder_ / name);
  }

  /// Hashes of the folder's own files.
  static std::map<std::string, std::string> FilesOf(const std::string& folder) {
    std::map<std::string, std::string> hashes;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (entry.is_regular_file()) hashes[entry.path().filename().string()] = *Sha256OfFile(entry.path().string());
    }
    return hashes;
  }

  /// Every linear of the blocks as it dequantizes.
  static std::map<std::string, at::Tensor> WeightsOf(const std::string& path) {
    const auto folder = OpenCheckpoint(path);
    EXPECT_OK(folder);
    const WeightReader reader(*folder, at::kFloat, at::kCPU);
    std::map<std::string, at::Tensor> weights;
    for (int block = 0; block < 2; ++block) {
      for (const LinearEntry& linear : folder->model.config().architecture->linears) {
        const std::string module = "model.layers." + std::to_string(block) + "." + std::string(linear.name);
        weights[module] = *reader.ReadExact(module, ShapeOf(folder->model.config(), linear.role));
      }
    }
    return weights;
  }

  static void ExpectSameWeights(const std::string& a, const std::string& b) {
    const auto expected = WeightsOf(a);
    for (const auto& [module, weight] : WeightsOf(b)) EXPECT_TRUE(at::equal(weight, expected.at(module))) << module;
  }

  TemporaryFolder folder_;
  std::string model_ = folder_ / "model";
  JobHooks hooks_;
  std::vector<std::string> warnings_;
  std::optional<StagedPivot> published_;
};

}  // namespace pivot

#endif  // PIVOT_TESTS_ENGINE_PIPELINE_CONVERT_FIXTURE_H_
