// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_SERVING_H_
#define PIVOT_SERVER_SERVING_H_

// gRPC's server and the metrics page, from addresses to running.

#include <grpcpp/impl/codegen/service_type.h>
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

/// With limits and the health service. The services must outlive it.
absl::StatusOr<GrpcServing> StartGrpc(absl::Span<const ListenAddress> addresses,
                                      absl::Span<const std::unique_ptr<grpc::Service>> services);

struct MetricsServing {
  std::unique_ptr<prometheus::Exposer> exposer;
  int port = 0;
};

/// Serves /metrics on a loopback HOST:PORT.
absl::StatusOr<MetricsServing> StartMetrics(const std::string& address, const std::shared_ptr<Metrics>& metrics);

}  // namespace pivot

#endif  // PIVOT_SERVER_SERVING_H_
