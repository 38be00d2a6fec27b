// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_BENCHMARKS_RUN_BENCHMARK_H_
#define PIVOT_TESTS_BENCHMARKS_RUN_BENCHMARK_H_

// What all benchmarks do with their command line.

#include <iostream>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "nlohmann/json.hpp"

#include "engine/ops/call_torch.h"

namespace pivot {

/// Of an option that holds JSON: "" or what is wrong.
inline std::string CheckJson(const std::string& text) {
  return nlohmann::json::accept(text) ? std::string() : "not JSON: " + text;
}

/// Parses the options, runs the benchmark and says what went wrong; the exit code.
inline int RunBenchmark(CLI::App& app, int argc, char** argv, absl::FunctionRef<absl::Status()> benchmark) {
  CLI11_PARSE(app, argc, argv);
  const absl::Status status = CallTorchStatus("the benchmark", benchmark);
  if (!status.ok()) std::cerr << status.message() << "\n";
  return status.ok() ? 0 : 1;
}

}  // namespace pivot

#endif  // PIVOT_TESTS_BENCHMARKS_RUN_BENCHMARK_H_
