// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_SERVICES_H_
#define PIVOT_SERVER_SERVICES_H_

// gRPC's services, which only hand calls over to the handlers.

#include <grpcpp/impl/codegen/service_type.h>
#include <memory>
#include <vector>

#include "server/handlers/backend.h"

namespace pivot {

/// The backend must outlive them.
std::vector<std::unique_ptr<grpc::Service>> MakeServices(Backend* backend);

}  // namespace pivot

#endif  // PIVOT_SERVER_SERVICES_H_
