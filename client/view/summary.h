// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_VIEW_SUMMARY_H_
#define PIVOT_CLIENT_VIEW_SUMMARY_H_

// Before and after, when a model has been compressed.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "nlohmann/json_fwd.hpp"
#include "pivot/v1/job.pb.h"

#include "proto/files/manifest.h"

namespace pivot::client {

/// Weight files of one folder of an output.
struct WeightFolder {
  /// Below the output; empty: the output itself.
  std::string name;
  int64_t bytes = 0;
};

/// The folders of an output by name; several hold the same weights.
std::vector<WeightFolder> WeightFoldersOf(const ManifestData& manifest);

struct CompressionSummary {
  /// Of weight files.
  int64_t source_bytes = 0;
  /// The first is the one that bits and quality are of.
  std::vector<WeightFolder> folders;
  v1::CheckpointRef checkpoint;
  /// Absent when nothing was measured.
  std::optional<v1::Quality> original;
  std::string output;
};

/// The table that ends `pivot compress`.
std::string RenderSummary(const CompressionSummary& summary);

/// {"event": "done", "job", "output", "pivots": [...]}; "output" is null when nothing was delivered. Of an output of
/// several folders also "folders", their names, the one first that bits and quality are of.
nlohmann::json DoneJson(const v1::Job& job, const std::string& output);

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_VIEW_SUMMARY_H_
