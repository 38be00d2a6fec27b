// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_PROCESS_ENVIRONMENT_H_
#define PIVOT_SERVER_PROCESS_ENVIRONMENT_H_

// The environment that child processes get, and where the worker finds torch.

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "server/scheduler/device.h"

namespace pivot {

/// "NAME=value" of this process.
std::vector<std::string> CurrentEnvironment();

std::optional<std::string> FindVariable(absl::Span<const std::string> environment, absl::string_view name);

/// What any child may see of `environment`: PATH, HOME, LANG, TZ and PIVOT_* but the client's token.
std::vector<std::string> CleanEnvironment(absl::Span<const std::string> environment);

/// The worker's: the clean one, OMP_NUM_THREADS, the library path, the one device that it may use, and no network for
/// hubs.
std::vector<std::string> WorkerEnvironment(absl::Span<const std::string> environment, const std::string& library_path,
                                           const Device& device);

/// LD_LIBRARY_PATH for the worker: torch's lib folder and the nvidia/*/lib folders beside torch. The folder is named by
/// PIVOT_TORCH_LIB in `environment`, else by the first line of `path_file`. kFailedPrecondition TORCH_NOT_FOUND, naming
/// both.
absl::StatusOr<std::string> TorchLibraryPath(absl::Span<const std::string> environment, const std::string& path_file);

}  // namespace pivot

#endif  // PIVOT_SERVER_PROCESS_ENVIRONMENT_H_
