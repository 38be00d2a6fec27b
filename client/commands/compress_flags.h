// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_COMMANDS_COMPRESS_FLAGS_H_
#define PIVOT_CLIENT_COMMANDS_COMPRESS_FLAGS_H_

// What compress, plan and submit ask for in the same words.

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "pivot/v1/job.pb.h"

#include "client/commands/budget_flags.h"
#include "client/model_finder.h"
#include "client/server_address.h"

namespace CLI {
class App;
}

namespace pivot::client {

struct CompressFlags {
  std::string model;
  BudgetFlags budget;
  std::string group_size = "auto";
  bool asymmetric = false;
  std::string format = "compressed-tensors";
  std::string method = "gptq";
  std::optional<double> percdamp;
  std::optional<double> qep;
  std::optional<double> regularization;
  std::optional<int64_t> refine_sweeps;
  std::string clip = "conditional";
  std::string scale_signs = "either";
  std::string act_order = "weight";
  std::string refine = "none";
  std::string calibration;
  std::string text_key;
  std::string strategy = "concat_rand";
  bool quality_filter = false;
  std::string samples = "auto";
  std::string seq_len = "auto";
  int64_t seed = 0;
  std::string eval;
  std::string eval_text_key;
  int64_t eval_tokens = 0;
  std::string device = "auto";
  std::string dtype = "auto";
  ServerAddress server;
};

void AddCompressFlags(CLI::App& app, CompressFlags* flags);

/// The job they ask for. A usage error names the flag, its value and what is allowed. The
/// finder finds the model.
absl::StatusOr<v1::JobSpec> SpecOf(const CompressFlags& flags, ModelFinder* finder);

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_COMMANDS_COMPRESS_FLAGS_H_
