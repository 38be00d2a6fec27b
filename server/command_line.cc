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

void AddSecurityFlags(CLI::App& app, ServerOptions& server) {
  app.add_option("--identity", server.identity_file,
                 "File of tokens and roles (docs/identity.md); read again on SIGHUP");
  CLI::Option* certificate =
      app.add_option("--tls-cert", server.tls.certificate, "PEM file of the server's certificate and its chain");
  CLI::Option* key = app.add_option("--tls-key", server.tls.key, "PEM file of its private key")->needs(certificate);
  certificate->needs(key);
  app.add_option("--tls-client-ca", server.tls.client_ca, "PEM file of what signs clients' certificates")->needs(key);
}

void AddLimit(CLI::App& app, const char* flag, int64_t& limit, const char* help) {
  app.add_option(flag, limit, help)->check(CLI::Range(1, 1000000))->capture_default_str();
}

void AddLimitFlags(CLI::App& app, ServerOptions& server) {
  AddLimit(app, "--max-queued", server.queue_limits.total, "Jobs that may wait at once");
  AddLimit(app, "--max-queued-per-project", server.queue_limits.of_project, "Of one project");
  AddLimit(app, "--max-watchers", server.stream_limits.watchers, "Watches and logs that may be open at once");
  AddLimit(app, "--max-watchers-per-principal", server.stream_limits.watchers_per_principal, "Of one caller");
  AddLimit(app, "--max-downloads", server.stream_limits.data_streams, "Files that may be read at once");
  AddLimit(app, "--max-downloads-per-principal", server.stream_limits.data_streams_per_principal, "By one caller");
}

void AddFlags(CLI::App& app, CommandLine& line) {
  ServerOptions& server = line.server;
  app.set_version_flag("--version", std::string("pivotd ") + PIVOT_VERSION);
  app.add_option("--data", server.data_folder, "Folder for jobs and checkpoints; made when it is missing")->required();
  app.add_option("--listen", server.listen,
                 "unix:PATH or HOST:PORT, all but loopback with TLS and --identity; may be repeated (default: "
                 "unix:DATA/pivotd.sock)")
      ->check(CheckAddress)
      ->allow_extra_args(false);
  app.add_option("--allow-path", server.allow_paths, "Folder that jobs may read; may be repeated")
      ->allow_extra_args(false);
  app.add_option("--metrics", server.metrics_address, "Loopback HOST:PORT for Prometheus' /metrics (default: off)")
      ->check(CheckAddress);
  app.add_option("--worker", server.worker_program, "pivot-worker (default: beside pivotd)");
  app.add_option("--probe", server.probe_program, "pivot-probe (default: beside pivotd)");
  AddSecurityFlags(app, server);
  AddLimitFlags(app, server);
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
  const absl::Status checked = CheckOptions(line.server);
  if (checked.ok()) return line;
  std::cerr << "pivotd: " << checked.message() << "\n";
  return kUsageError;
}

}  // namespace pivot
