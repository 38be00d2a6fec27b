// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_SERVER_ANY_METHOD_H_
#define PIVOT_TESTS_SERVER_ANY_METHOD_H_

// Calls of methods of which nothing is known but their descriptors.

#include <google/protobuf/descriptor.h>
#include <grpcpp/grpcpp.h>
#include <memory>
#include <string>
#include <vector>

namespace pivot {

/// Of all services in the protos of pivot.v1.
std::vector<const google::protobuf::MethodDescriptor*> AllMethods();

/// A request's bytes, with the job wherever requests of ours name a resource, and `project` where they name a parent.
std::string RequestNaming(const google::protobuf::MethodDescriptor& method, const std::string& project,
                          const std::string& job);

/// "/pivot.v1.Jobs/GetJob".
std::string PathOf(const google::protobuf::MethodDescriptor& method);

/// Calls a method with one request and reads all answers.
grpc::Status CallPath(const std::shared_ptr<grpc::Channel>& channel, const std::string& path,
                      const std::string& request, grpc::ClientContext* context);

}  // namespace pivot

#endif  // PIVOT_TESTS_SERVER_ANY_METHOD_H_
