// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_PROCESS_H_
#define PIVOT_CLIENT_PROCESS_H_

// Child processes.

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <sys/types.h>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace pivot::client {

/// The folder of the running program, where its companions lie.
std::string ProgramFolder();

/// A descriptor of ours and the number it has in the child.
struct PassedFd {
  int ours;
  int theirs;
};

/// Starts a program in a process group of its own, so that a terminal's Ctrl-C reaches only us, with no signal blocked
/// and with no other descriptors than those passed; 0, 1 and 2 are /dev/null unless passed. kNotFound when there is no
/// such program.
absl::StatusOr<pid_t> Spawn(const std::string& program, const std::vector<std::string>& arguments,
                            const std::vector<PassedFd>& passed);

/// The wait status of a child that has ended within `timeout`, else nothing. It is then gone.
std::optional<int> WaitForExit(pid_t child, absl::Duration timeout);

/// "ended with exit code 3", "was ended by signal 9 (Killed)".
std::string DescribeExit(int wait_status);

struct ProgramOutput {
  int wait_status = 0;
  std::string standard_output;
  std::string standard_error;
};

struct ProgramLimits {
  absl::Duration timeout = absl::Minutes(3);
  size_t max_output_bytes = size_t{64} << 20;
  std::stop_token stop;
  /// Called with each line of standard output as it comes, which is then not in the answer.
  std::function<void(absl::string_view line)> on_line;
};

/// Runs a program to its end. kDeadlineExceeded or kResourceExhausted, and the program killed, when a limit is passed.
absl::StatusOr<ProgramOutput> RunProgram(const std::string& program, const std::vector<std::string>& arguments,
                                         absl::string_view standard_input, const ProgramLimits& limits);

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_PROCESS_H_
