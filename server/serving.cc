// SPDX-License-Identifier: Apache-2.0
#include "server/serving.h"

#include <exception>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/status/status_macros.h"

namespace pivot {
namespace {

constexpr size_t kMemoryQuotaBytes = size_t{512} << 20;

void SetLimits(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // a second server must fail, not share the calls
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreamsPerConnection);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 60000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 1000 * kMinPingSeconds);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 2);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, 1000 * kMaxIdleSeconds);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
  builder.SetResourceQuota(grpc::ResourceQuota("pivotd").Resize(kMemoryQuotaBytes));
}

}  // namespace

absl::StatusOr<GrpcServing> StartGrpc(absl::Span<const ListenAddress> addresses,
                                      absl::Span<const std::unique_ptr<grpc::Service>> services,
                                      const std::shared_ptr<grpc::ServerCredentials>& credentials) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  SetLimits(builder);
  for (const auto& service : services) builder.RegisterService(service.get());
  std::vector<int> ports(addresses.size(), 0);
  for (size_t i = 0; i < addresses.size(); ++i) {
    const bool is_plain = credentials == nullptr || addresses[i].kind == ListenAddress::Kind::kUnix;
    builder.AddListeningPort(addresses[i].Text(addresses[i].port),
                             is_plain ? grpc::InsecureServerCredentials() : credentials, &ports[i]);
  }
  GrpcServing serving{.server = builder.BuildAndStart()};
  for (size_t i = 0; i < addresses.size(); ++i) {
    if (serving.server == nullptr || ports[i] == 0) {
      return absl::UnavailableError(absl::StrCat("cannot listen on ", addresses[i].Text(addresses[i].port),
                                                 "; choose another address with --listen"));
    }
    serving.addresses.push_back(addresses[i].Text(ports[i]));
  }
  return serving;
}

absl::StatusOr<MetricsServing> StartMetrics(const std::string& address, const std::shared_ptr<Metrics>& metrics) {
  PIVOT_ASSIGN_OR_RETURN(const ListenAddress parsed, ParseListenAddress(address));
  PIVOT_RETURN_IF_ERROR(CheckFree(parsed));
  MetricsServing serving;
  try {
    serving.exposer = std::make_unique<prometheus::Exposer>(parsed.Text(parsed.port));
    serving.port = serving.exposer->GetListeningPorts().at(0);
  } catch (const std::exception& error) {
    return absl::UnavailableError(absl::StrCat("cannot serve metrics on ", address, ": ", error.what()));
  }
  serving.exposer->RegisterCollectable(metrics);
  return serving;
}

}  // namespace pivot
