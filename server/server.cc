// SPDX-License-Identifier: Apache-2.0
#include "server/server.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/files/durable_file.h"
#include "proto/status/status_macros.h"
#include "server/listen.h"
#include "server/log.h"
#include "server/parts.h"
#include "server/probe/probe.h"
#include "server/process/environment.h"

namespace pivot {

ServerOptions DefaultServerOptions() {
  std::error_code error;
  const std::string folder = std::filesystem::read_symlink("/proc/self/exe", error).parent_path().string();
  return {.worker_program = folder + "/pivot-worker",
          .probe_program = folder + "/pivot-probe",
          .torch_path_file = std::filesystem::path(folder + "/../share/pivot/torch.path").lexically_normal().string(),
          .environment = CurrentEnvironment(),
          .probe_limits = DefaultProbeLimits()};
}

absl::Status CheckOptions(const ServerOptions& options) {
  if (!options.tls.client_ca.empty() && options.identity_file.empty()) {
    return absl::InvalidArgumentError("--tls-client-ca needs --identity, a file that says who may do what");
  }
  const bool is_guarded = options.tls.is_on() && !options.identity_file.empty();
  for (const std::string& text : options.listen) {
    PIVOT_ASSIGN_OR_RETURN(const ListenAddress address, ParseListenAddress(text));
    if (address.is_local() || is_guarded) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "others can reach ", text, ": to listen there, give --tls-cert, --tls-key and --identity; without ",
        "them only unix:PATH and loopback addresses are possible"));
  }
  if (options.metrics_address.empty()) return absl::OkStatus();
  PIVOT_ASSIGN_OR_RETURN(const ListenAddress metrics, ParseListenAddress(options.metrics_address));
  if (metrics.kind != ListenAddress::Kind::kUnix && metrics.is_local()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("--metrics needs a loopback HOST:PORT like 127.0.0.1:9090, not ", options.metrics_address));
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(ServerOptions options) {
  std::unique_ptr<Server> server(new Server(std::make_unique<Parts>()));
  Parts& parts = *server->parts_;
  parts.options = std::move(options);
  absl::Status status = parts.Check();
  if (status.ok()) status = parts.OpenStore();
  if (status.ok()) status = parts.StartThreads();
  if (status.ok()) status = parts.Serve();
  if (!status.ok()) {
    const std::string made = parts.data != nullptr && parts.data->is_new() ? parts.data->path() : "";
    server->Shutdown();
    if (!made.empty()) RemoveAll(made).IgnoreError();
    return status;
  }
  parts.RunJobs();
  for (const std::string& address : server->addresses()) Log(Severity::kInfo, "serving", {{"address", address}});
  return server;
}

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Server::~Server() { Shutdown(); }

const std::vector<std::string>& Server::addresses() const { return parts_->serving.addresses; }

int Server::metrics_port() const { return parts_->metrics_serving.port; }

void Server::Reload() { parts_->Reload(); }

void Server::Shutdown() { parts_->Shutdown(); }

}  // namespace pivot
