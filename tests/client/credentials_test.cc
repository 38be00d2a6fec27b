// SPDX-License-Identifier: Apache-2.0
#include "client/credentials.h"

#include <cstdlib>
#include <grpcpp/grpcpp.h>
#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "pivot/v1/jobs.grpc.pb.h"

#include "client/connection.h"
#include "client/jobs.h"
#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace pivot::client {
namespace {

using ::testing::HasSubstr;

class CredentialsTest : public ::testing::Test {
 protected:
  CredentialsTest() { unsetenv("PIVOT_TOKEN"); }
  ~CredentialsTest() override { unsetenv("PIVOT_TOKEN"); }

  static void ExpectUsageError(const ServerAddress& server, const std::string& words) {
    const auto credentials = MakeCredentials(server);
    EXPECT_THAT(credentials, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(words)));
    EXPECT_EQ(ReasonOf(credentials.status()), "USAGE");
  }

  TemporaryFolder folder_;
};

TEST_F(CredentialsTest, KnowLoopback) {
  for (const char* address : {"localhost:1", "127.0.0.1:1", "127.9.9.9:1", "[::1]:1"}) {
    EXPECT_TRUE(IsLoopback(address)) << address;
  }
  for (const char* address : {"localhost.example.org:1", "127.0.0.1.example.org:1", "10.0.0.1:1", "[::2]:1", "h:1"}) {
    EXPECT_FALSE(IsLoopback(address)) << address;
  }
}

TEST_F(CredentialsTest, TakeTheTokenOfTheFileBeforeThatOfTheEnvironment) {
  EXPECT_EQ(MakeCredentials({.address = "localhost:1"})->token, "");
  setenv("PIVOT_TOKEN", "of-the-environment", 1);
  EXPECT_EQ(MakeCredentials({.address = "localhost:1"})->token, "of-the-environment");
  const std::string file = folder_.Write("token", "of-the-file\n");
  EXPECT_EQ(MakeCredentials({.address = "localhost:1", .token_file = file})->token, "of-the-file");
}

TEST_F(CredentialsTest, RefuseWhatIsNoToken) {
  setenv("PIVOT_TOKEN", "two words", 1);
  ExpectUsageError({.address = "localhost:1"}, "PIVOT_TOKEN holds no token");
  ExpectUsageError({.address = "localhost:1", .token_file = folder_.Write("t", "\n")}, "--token-file holds no token");
  ExpectUsageError({.address = "localhost:1", .token_file = folder_ / "missing"}, "cannot be read");
}

TEST_F(CredentialsTest, RefuseTlsFilesThatDoNotDo) {
  const std::string pem = folder_.Write("pem", "-----BEGIN CERTIFICATE-----\n");
  ExpectUsageError({.address = "h:1", .tls_ca = folder_.Write("x", "words")}, "--tls-ca");
  ExpectUsageError({.address = "h:1", .tls_cert = pem}, "go together");
  ExpectUsageError({.address = "h:1", .tls_key = pem}, "go together");
  ExpectUsageError({.address = "unix:/s", .tls_cert = pem, .tls_key = pem}, "a Unix socket has no TLS");
}

/// Says which authorization its callers show.
struct Listener : v1::Jobs::Service {
  grpc::Status GetJob(grpc::ServerContext* context, const v1::GetJobRequest* /*request*/, v1::Job* /*job*/) override {
    const auto shown = context->client_metadata().find("authorization");
    authorization =
        shown == context->client_metadata().end() ? "" : std::string(shown->second.data(), shown->second.size());
    return grpc::Status::OK;
  }
  std::string authorization = "none yet";
};

TEST_F(CredentialsTest, AreShownToTheServersThatAreNamed) {
  setenv("PIVOT_TOKEN", "secret", 1);
  const std::string address = "unix:" + (folder_ / "socket");
  Listener listener;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials());
  builder.RegisterService(&listener);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  ASSERT_OK(GetJob(*Connect(ServerAddress{.address = address}), "projects/default/jobs/j"));
  EXPECT_EQ(listener.authorization, "Bearer secret");
  ASSERT_OK(GetJob(*Connect(address), "projects/default/jobs/j"));
  EXPECT_EQ(listener.authorization, "") << "a private server is shown none";
}

}  // namespace
}  // namespace pivot::client
