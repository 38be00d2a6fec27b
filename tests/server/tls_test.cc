// SPDX-License-Identifier: Apache-2.0
#include "server/tls.h"

#include <filesystem>
#include <string>
#include <sys/stat.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/server/identity_fixture.h"
#include "tests/support/eventually.h"
#include "tests/support/status_matchers.h"
#include "tests/support/test_certificates.h"

namespace pivot {
namespace {

using ::testing::HasSubstr;

class TlsTest : public IdentityCallsTest {
 protected:
  TlsTest() {
    server_.options.listen.push_back("127.0.0.1:0");
    server_.options.tls = {
        .certificate = folder() / "server.crt", .key = folder() / "server.key", .refresh_seconds = 1};
    SetIdentity(IdentityOf({{"anna", "test", "submitter"}, {"uri:spiffe://example.org/ci", "test", "submitter"}}));
    server_.SetScript({{{"hang", true}}});
    InstallCertificate();
  }

  const TemporaryFolder& folder() const { return server_.folder(); }

  /// A new one for the server, in place of the old by renames.
  void InstallCertificate() {
    const TestCertificate made = authority_.Issue("IP:127.0.0.1,DNS:localhost");
    chmod(folder().Write("new.key", made.key).c_str(), 0600);
    folder().Write("new.crt", made.certificate);
    std::filesystem::rename(folder() / "new.key", server_.options.tls.key);
    std::filesystem::rename(folder() / "new.crt", server_.options.tls.certificate);
  }

  int Port() {
    const std::string& address = server_.server().addresses().at(1);
    int port = 0;
    EXPECT_TRUE(absl::SimpleAtoi(address.substr(address.rfind(':') + 1), &port)) << address;
    return port;
  }

  std::unique_ptr<v1::Jobs::Stub> Connect(const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return v1::Jobs::NewStub(grpc::CreateCustomChannel(server_.server().addresses().at(1), credentials, arguments));
  }

  std::shared_ptr<grpc::ChannelCredentials> Tls(const TestCertificate& own = {}) const {
    return grpc::SslCredentials({authority_.certificate(), own.key, own.certificate});
  }

  grpc::Status List(v1::Jobs::Stub& stub, const std::string& principal) const {
    v1::ListJobsRequest request;
    request.set_parent(kProject);
    v1::ListJobsResponse response;
    return stub.ListJobs(As(principal).get(), request, &response);
  }

  TestAuthority authority_;
};

TEST_F(TlsTest, IsOnPortsAndNotOnSockets) {
  server_.Start();
  EXPECT_TRUE(List(*Connect(Tls()), "anna").ok());
  EXPECT_TRUE(List(server_.jobs(), "anna").ok()) << "over the Unix socket";
  EXPECT_EQ(ReasonIn(List(server_.jobs(), "")), "CREDENTIAL_MISSING") << "which asks for a token all the same";
  EXPECT_EQ(List(*Connect(grpc::InsecureChannelCredentials()), "anna").error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(TlsTest, TakesUpANewCertificateWithoutARestart) {
  server_.Start();
  const auto before = Connect(Tls());
  ASSERT_TRUE(List(*before, "anna").ok());
  const std::string serial = SerialShownOn(Port());
  ASSERT_NE(serial, "");
  InstallCertificate();
  EXPECT_TRUE(Eventually([&] {
    const std::string now = SerialShownOn(Port());
    return !now.empty() && now != serial;
  }));
  EXPECT_TRUE(List(*before, "anna").ok()) << "connections go on";
  EXPECT_TRUE(List(*Connect(Tls()), "anna").ok());
}

TEST_F(TlsTest, KnowsClientsByTheNamesInTheirCertificates) {
  server_.options.tls.client_ca = folder().Write("clients.crt", authority_.certificate());
  server_.Start();
  const auto ci = Connect(Tls(authority_.Issue("DNS:ci.example.org,URI:spiffe://example.org/ci")));
  EXPECT_TRUE(List(*ci, "").ok());
  v1::Job job;
  ASSERT_TRUE(ci->CreateJob(As("").get(), server_.CompressRequest("j"), &job).ok());
  EXPECT_EQ(job.creator(), "uri:spiffe://example.org/ci");
  EXPECT_EQ(ReasonIn(List(*Connect(Tls(authority_.Issue("DNS:ci.example.org"))), "")), "ACCESS_DENIED");
  EXPECT_EQ(ReasonIn(List(*Connect(Tls(authority_.Issue(""))), "")), "CREDENTIAL_INVALID");
  EXPECT_EQ(ReasonIn(List(*Connect(Tls()), "")), "CREDENTIAL_MISSING");
  EXPECT_TRUE(List(*Connect(Tls()), "anna").ok()) << "a token will do";
}

TEST_F(TlsTest, LetsNobodyInWithACertificateOfAnotherAuthority) {
  server_.options.tls.client_ca = folder().Write("clients.crt", authority_.certificate());
  server_.Start();
  const TestAuthority other;
  const grpc::Status status = List(*Connect(Tls(other.Issue("URI:spiffe://example.org/ci"))), "anna");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << status.error_message();
}

TEST_F(TlsTest, AsksForNoCertificateWithoutAnAuthorityForThem) {
  server_.Start();
  const auto ci = Connect(Tls(authority_.Issue("URI:spiffe://example.org/ci")));
  EXPECT_EQ(ReasonIn(List(*ci, "")), "CREDENTIAL_MISSING");
}

TEST_F(TlsTest, RefusesFilesThatDoNotDo) {
  const auto refusal = [&] { return CheckTls(server_.options.tls); };
  EXPECT_OK(refusal());
  const std::string key = server_.options.tls.key;
  chmod(key.c_str(), 0640);
  EXPECT_OK(refusal()) << "a group of their own may read keys";
  chmod(key.c_str(), 0644);
  EXPECT_THAT(refusal(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("run chmod 0640")));
  chmod(key.c_str(), 0600);
  folder().Write("server.key", authority_.Issue("").key);
  EXPECT_THAT(refusal(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("is not the key of")));
  folder().Write("server.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n");
  EXPECT_THAT(refusal(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no private key in PEM form")));
  folder().Write("server.crt", "");
  EXPECT_THAT(refusal(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no certificate in PEM form")));
  server_.options.tls.key = "";
  EXPECT_THAT(refusal(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--tls-key")));
}

TEST_F(TlsTest, IsNeededWhereOthersCanReach) {
  ServerOptions options = server_.options;
  options.listen = {"0.0.0.0:0"};
  EXPECT_OK(CheckOptions(options));
  options.identity_file = "";
  EXPECT_THAT(CheckOptions(options), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--identity")));
  options.listen = {"127.0.0.1:0"};
  EXPECT_OK(CheckOptions(options));
  options.tls.client_ca = "ca";
  EXPECT_THAT(CheckOptions(options), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--tls-client-ca needs")));
  options = server_.options;
  options.listen = {"[::]:0"};
  options.tls = {};
  EXPECT_THAT(CheckOptions(options), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--tls-cert")));
}

}  // namespace
}  // namespace pivot
