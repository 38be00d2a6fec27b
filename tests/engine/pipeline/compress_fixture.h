// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_ENGINE_PIPELINE_COMPRESS_FIXTURE_H_
#define PIVOT_TESTS_ENGINE_PIPELINE_COMPRESS_FIXTURE_H_

// Compressions of a tiny model, as the worker runs them.

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "engine/compress.h"
#include "proto/files/durable_file.h"
#include "proto/files/sha256.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace pivot {

class CompressFixture : public ::testing::Test {
 protected:
  CompressFixture() {
    EXPECT_OK(WriteTinyModel(model_, {.num_blocks = 3}));
    folder_.Write("calibration.txt", PseudoEnglish(3000, 1));
    folder_.Write("evaluation.txt", PseudoEnglish(600, 2));
    hooks_.warning = [this](const std::string& reason, const std::string&) { warnings_.push_back(reason); };
    hooks_.block_done = [this](const BlockProgress& block) { blocks_.push_back(block); };
    hooks_.publish = [this](const StagedPivot& staged) {
      published_ = staged;
      return absl::OkStatus();
    };
  }

  nlohmann::json Task(const nlohmann::json& changes = nlohmann::json::object()) const {
    nlohmann::json task{
        {"source", {{"path", model_}}},
        {"bits", 4},
        {"group_size", 32},
        {"calibration", {{"text_path", folder_ / "calibration.txt"}, {"num_samples", 6}, {"sequence_length", 64}}},
        {"evaluation", {{"text_path", folder_ / "evaluation.txt"}, {"max_tokens", 900}}},
        {"compute_dtype", "float32"}};
    task.merge_patch(changes);
    return task;
  }

  absl::Status Run(const nlohmann::json& task, const std::string& staging) {
    EXPECT_OK(MakeFolders(staging));
    auto device = OpenDevice("cpu", 1);
    EXPECT_OK(device);
    return Compress({.task = task, .job_name = "projects/default/jobs/test", .staging_folder = staging}, *device,
                    hooks_);
  }

  /// Hashes of the files that equal jobs have equal.
  static std::map<std::string, std::string> ContentOf(const std::string& pivot) {
    std::map<std::string, std::string> hashes;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(pivot)) {
      const std::string path = std::filesystem::relative(entry.path(), pivot).string();
      if (entry.is_regular_file() && !absl::StartsWith(path, "pivot/report."))
        hashes[path] = *Sha256OfFile(entry.path().string());
    }
    return hashes;
  }

  nlohmann::json Report(const std::string& staging) const {
    return nlohmann::json::parse(*ReadSmallFile(staging + "/pivot-0/pivot/report.json", 1 << 24));
  }

  TemporaryFolder folder_;
  std::string model_ = folder_ / "model";
  JobHooks hooks_;
  std::vector<std::string> warnings_;
  std::vector<BlockProgress> blocks_;
  std::optional<StagedPivot> published_;
};

}  // namespace pivot

#endif  // PIVOT_TESTS_ENGINE_PIPELINE_COMPRESS_FIXTURE_H_
