// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <string>
#include <vector>

#include "client/cli.h"
#include "client/console.h"
#include "client/signals.h"

int main(int argc, char** argv) {
  // gRPC's own lines about lost connections are no sentences for a person; ours follow.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  pivot::client::EndOnInterrupt();
  return static_cast<int>(
      pivot::client::RunCli(std::vector<std::string>(argv + 1, argv + argc), pivot::client::ProcessConsole()));
}
