// SPDX-License-Identifier: Apache-2.0
#include "server/command_line.h"

#include <fcntl.h>
#include <iostream>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/strings/numbers.h"

#include "server/listen.h"

namespace pivot {
namespace {

constexpr int kUsageError = 2;

/// CLI11 takes the returned text for the fault; empty: none.
std::string CheckAddress(const std::string& text) { return std::string(ParseListenAddress(text).status().message()); }

std::string CheckDescriptor(const std::string& text) {
  int fd = -1;
  return !absl::SimpleAtoi(text, &fd) || fcntl(fd, F_GETFD) < 0 ? "descriptor " + text + " is not open" : "";
}

void AddFlags(CLI::App& app, CommandLine& line) {
  ServerOptions& server = line.server;
  app.set_version_flag("--version", std::string("pivotd ") + PIVOT_VERSION);
  app.add_option("--data", server.data_folder, "Folder for jobs and checkpoints; made when it is missing")->required();
  app.add_option(
         "--listen", server.listen,
         "unix:PATH, 127.0.0.1:PORT, localhost:PORT or [::1]:PORT; may be repeated (default: unix:DATA/pivotd.sock)")
      ->check(CheckAddress)
      ->allow_extra_args(false);
  app.add_option("--allow-path", server.allow_paths, "Folder that jobs may read; may be repeated")
      ->allow_extra_args(false);
  app.add_option("--metrics", server.metrics_address, "Loopback HOST:PORT for Prometheus' /metrics (default: off)")
      ->check(CheckAddress);
  app.add_option("--worker", server.worker_program, "pivot-worker (default: beside pivotd)");
  app.add_option("--probe", server.probe_program, "pivot-probe (default: beside pivotd)");
  app.add_option("--max-queued", server.max_queued, "Jobs that may wait at once")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  app.add_option("--lifeline-fd", line.lifeline_fd, "Descriptor whose end of file stops the server")
      ->check(CheckDescriptor);
  app.add_option("--ready-fd", line.ready_fd, "Descriptor that gets a line \"ready ADDRESS\" for each address")
      ->check(CheckDescriptor);
}

}  // namespace

std::variant<CommandLine, int> ParseCommandLine(int argc, const char* const* argv) {
  CommandLine line{.server = DefaultServerOptions()};
  CLI::App app("Compresses foundation models for clients that ask over gRPC.", "pivotd");
  AddFlags(app, line);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error, std::cout, std::cerr) == 0 ? 0 : kUsageError;
  }
  return line;
}

}  // namespace pivot
