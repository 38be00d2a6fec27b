// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_SERVING_H_
#define PIVOT_SERVER_SERVING_H_

// gRPC's server and the metrics page, from addresses to running.

#include <grpcpp/impl/codegen/service_type.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <memory>
#include <prometheus/exposer.h>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "server/listen.h"
#include "server/metrics.h"

namespace pivot {

struct GrpcServing {
  std::unique_ptr<grpc::Server> server;
  std::vector<std::string> addresses;  // with the ports that were bound
};

// What every connection is held to.
inline constexpr int kMaxMessageBytes = 4 << 20;
inline constexpr int kMaxMetadataBytes = 8 << 10;
inline constexpr int kMaxStreamsPerConnection = 256;
inline constexpr int kMinPingSeconds = 20;
inline constexpr int kMaxIdleSeconds = 600;

/// With limits and the health service. The services must outlive it. Ports get the credentials (null: none, no TLS);
/// Unix sockets never do.
absl::StatusOr<GrpcServing> StartGrpc(absl::Span<const ListenAddress> addresses,
                                      absl::Span<const std::unique_ptr<grpc::Service>> services,
                                      const std::shared_ptr<grpc::ServerCredentials>& credentials);

struct MetricsServing {
  std::unique_ptr<prometheus::Exposer> exposer;
  int port = 0;
};

/// Serves /metrics on a HOST:PORT.
absl::StatusOr<MetricsServing> StartMetrics(const std::string& address, const std::shared_ptr<Metrics>& metrics);

}  // namespace pivot

#endif  // PIVOT_SERVER_SERVING_H_
