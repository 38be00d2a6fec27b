// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_COMMANDS_BUDGET_FLAGS_H_
#define PIVOT_CLIENT_COMMANDS_BUDGET_FLAGS_H_

// How large the result may be, and which layer gets which bits.

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "pivot/v1/job.pb.h"

namespace CLI {
class App;
}

namespace pivot::client {

struct BudgetFlags {
  std::optional<double> bits;
  std::string max_size;
  std::string vram;
  std::optional<int64_t> context;
  std::string plan;  // empty: as the server chooses
};

void AddBudgetFlags(CLI::App& app, BudgetFlags* flags);

/// Puts them into the task, whose format is there already. A plan file is read here. A usage error names the flag; a
/// file that cannot be read is told of as such.
absl::Status FillBudget(const BudgetFlags& flags, v1::CompressTask* task);

/// "4bit", "3.5bit", "120MB", "8GB-vram", "plan"; empty of formats whose bits are their own.
std::string BudgetLabel(const v1::CompressTask& task);

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_COMMANDS_BUDGET_FLAGS_H_
