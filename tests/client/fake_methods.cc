// SPDX-License-Identifier: Apache-2.0
#include "tests/client/fake_methods.h"

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace pivot::client {

grpc::Status StatusWithReason(grpc::StatusCode code, const std::string& reason) {
  google::rpc::ErrorInfo info;
  info.set_domain("pivot");
  info.set_reason(reason);
  google::rpc::Status details;
  details.set_code(static_cast<int>(code));
  details.set_message("refused");
  details.add_details()->PackFrom(info);
  return {code, "refused", details.SerializeAsString()};
}

grpc::Status DescribeServer(const v1::GetCapabilitiesRequest& /*request*/, v1::ServerCapabilities* capabilities) {
  capabilities->set_version("9.9");
  capabilities->add_devices()->set_name("cpu");
  return grpc::Status::OK;
}

}  // namespace pivot::client
