// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_SERVER_IDENTITY_FIXTURE_H_
#define PIVOT_TESTS_SERVER_IDENTITY_FIXTURE_H_

// A server that asks who calls, and callers with tokens.

#include <chrono>
#include <grpcpp/grpcpp.h>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "proto/files/sha256.h"
#include "tests/server/running_server.h"

namespace pivot {

/// Whose token that is shows in it.
inline std::string TokenOf(const std::string& principal) { return absl::StrCat("token-of-", principal); }

/// The identity file of principals with tokens that are good until 2100, and their roles: {"principal", "project",
/// "role"}.
inline nlohmann::json IdentityOf(const std::vector<std::array<std::string, 3>>& bindings) {
  nlohmann::json file{{"schema", 1}, {"tokens", nlohmann::json::array()}, {"bindings", nlohmann::json::array()}};
  std::vector<std::string> known;
  for (const auto& [principal, project, role] : bindings) {
    file["bindings"].push_back({{"principal", principal}, {"project", project}, {"role", role}});
    if (std::find(known.begin(), known.end(), principal) != known.end()) continue;
    known.push_back(principal);
    file["tokens"].push_back(
        {{"principal", principal}, {"sha256", Sha256Of(TokenOf(principal))}, {"expires", "2100-01-01T00:00:00Z"}});
  }
  return file;
}

class IdentityCallsTest : public ::testing::Test {
 protected:
  /// For the next start or reload.
  void SetIdentity(const nlohmann::json& file) {
    server_.options.identity_file = server_.folder().Write("identity.json", file.dump());
  }

  /// A call's context with the principal's token; "": without any.
  static std::unique_ptr<grpc::ClientContext> As(const std::string& principal) {
    auto context = std::make_unique<grpc::ClientContext>();
    context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    if (!principal.empty()) context->AddMetadata("authorization", absl::StrCat("Bearer ", TokenOf(principal)));
    return context;
  }

  v1::Job Create(const std::string& principal, const std::string& job_id) {
    v1::Job job;
    const grpc::Status status = server_.jobs().CreateJob(As(principal).get(), server_.CompressRequest(job_id), &job);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return job;
  }

  RunningServer server_;
};

}  // namespace pivot

#endif  // PIVOT_TESTS_SERVER_IDENTITY_FIXTURE_H_
