// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_VIEW_SUMMARY_H_
#define PIVOT_CLIENT_VIEW_SUMMARY_H_

// Before and after, when a model has been compressed.

#include <cstdint>
#include <optional>
#include <string>

#include "nlohmann/json_fwd.hpp"
#include "pivot/v1/job.pb.h"

namespace pivot::client {

struct CompressionSummary {
  /// Of weight files.
  int64_t source_bytes = 0;
  int64_t compressed_bytes = 0;
  v1::CheckpointRef checkpoint;
  /// Absent when nothing was measured.
  std::optional<v1::Quality> original;
  std::string output;
};

/// The table that ends `pivot compress`.
std::string RenderSummary(const CompressionSummary& summary);

/// {"event": "done", "job", "output", "pivots": [...]}; "output" is null when nothing was delivered.
nlohmann::json DoneJson(const v1::Job& job, const std::string& output);

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_VIEW_SUMMARY_H_
