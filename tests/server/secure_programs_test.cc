// SPDX-License-Identifier: Apache-2.0
// pivotd and pivot as users run them, over TLS and with tokens.
#include <atomic>
#include <csignal>
#include <filesystem>
#include <string>
#include <sys/stat.h>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "server/process/capture.h"
#include "tests/server/pivotd_fixture.h"
#include "tests/support/eventually.h"
#include "tests/support/status_matchers.h"
#include "tests/support/test_certificates.h"

namespace pivot {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class SecureProgramsTest : public PivotdTest {
 protected:
  SecureProgramsTest() {
    const TestCertificate made = authority_.Issue("IP:127.0.0.1");
    chmod(folder_.Write("server.key", made.key).c_str(), 0600);
    folder_.Write("server.crt", made.certificate);
    folder_.Write("ca.crt", authority_.certificate());
    WriteIdentity({});
  }

  /// anna, if she has a token, may submit to the project "default"; so may the holder of a certificate for ci.
  void WriteIdentity(const std::vector<json>& tokens) {
    folder_.Write("identity.json",
                  json{{"schema", 1},
                       {"tokens", tokens},
                       {"bindings",
                        {{{"principal", "anna"}, {"project", "default"}, {"role", "submitter"}},
                         {{"principal", "uri:spiffe://example.org/ci"}, {"project", "default"}, {"role", "viewer"}}}}}
                      .dump());
  }

  PivotdProcess::Options Secured() const {
    return Options({"--listen", "127.0.0.1:0", "--tls-cert", folder_ / "server.crt", "--tls-key",
                    folder_ / "server.key", "--tls-client-ca", folder_ / "ca.crt", "--identity",
                    folder_ / "identity.json"});
  }

  Captured Pivot(const std::vector<std::string>& arguments, const std::string& token = "") const {
    SpawnRequest request{.program = PIVOT_PIVOT, .arguments = arguments};
    if (!token.empty()) request.environment.push_back(absl::StrCat("PIVOT_TOKEN=", token));
    const std::atomic<bool> stop = false;
    auto captured = RunAndCapture(request, "", {.timeout = absl::Seconds(60), .max_output_bytes = 1 << 20}, stop);
    EXPECT_OK(captured);
    return captured.ok() ? *std::move(captured) : Captured();
  }

  std::vector<std::string> There(std::vector<std::string> arguments, const std::string& address) const {
    arguments.insert(arguments.end(), {"--server", address, "--tls-ca", folder_ / "ca.crt"});
    return arguments;
  }

  TestAuthority authority_;
};

TEST_F(SecureProgramsTest, LetInWhoHasATokenOrACertificate) {
  const json made = json::parse(Pivot({"token", "anna", "--json"}).output);
  WriteIdentity({made["entry"]});
  PivotdProcess pivotd(Secured());
  const std::vector<std::string> addresses = pivotd.AwaitReady();
  ASSERT_THAT(addresses, SizeIs(1));
  const std::vector<std::string> ls = There({"ls"}, addresses[0]);

  const Captured submitted = Pivot(There({"submit", folder_ / "model"}, addresses[0]), made["token"]);
  EXPECT_EQ(submitted.end.exit_code, 0) << submitted.error_tail;
  EXPECT_THAT(submitted.output, HasSubstr("projects/default/jobs/"));
  folder_.Write("token", absl::StrCat(made["token"].get<std::string>(), "\n"));
  std::vector<std::string> with_file = ls;
  with_file.insert(with_file.end(), {"--token-file", folder_ / "token"});
  EXPECT_EQ(Pivot(with_file).end.exit_code, 0);

  const TestCertificate ci = authority_.Issue("URI:spiffe://example.org/ci");
  std::vector<std::string> with_certificate = ls;
  with_certificate.insert(with_certificate.end(), {"--tls-cert", folder_.Write("ci.crt", ci.certificate), "--tls-key",
                                                   folder_.Write("ci.key", ci.key)});
  EXPECT_EQ(Pivot(with_certificate).end.exit_code, 0);
  with_certificate[0] = "cancel";
  with_certificate.insert(with_certificate.begin() + 1, std::string(absl::StripAsciiWhitespace(submitted.output)));
  EXPECT_EQ(Pivot(with_certificate).end.exit_code, 3) << "a viewer";
}

TEST_F(SecureProgramsTest, FollowAndFetchWithAToken) {
  const json made = json::parse(Pivot({"token", "anna", "--json"}).output);
  WriteIdentity({made["entry"]});
  SetScript({{{"print", "words of the worker"}}, {{"pivot", json::object()}}, {{"send", "Done"}}});
  PivotdProcess pivotd(Secured());
  const std::vector<std::string> addresses = pivotd.AwaitReady();
  ASSERT_THAT(addresses, SizeIs(1));
  const auto run = [&](const std::vector<std::string>& arguments) {
    const Captured captured = Pivot(There(arguments, addresses[0]), made["token"]);
    EXPECT_EQ(captured.end.exit_code, 0) << arguments[0] << ": " << captured.error_tail;
    return captured.output;
  };
  const std::string job(absl::StripAsciiWhitespace(run({"submit", folder_ / "model"})));
  run({"watch", job});
  run({"logs", job});
  run({"pull", job, folder_ / "pulled"});
  EXPECT_TRUE(std::filesystem::exists(folder_ / "pulled/config.json"));
}

TEST_F(SecureProgramsTest, TellTheOthersApartByExitCodes) {
  PivotdProcess pivotd(Secured());
  const std::vector<std::string> addresses = pivotd.AwaitReady();
  ASSERT_THAT(addresses, SizeIs(1));
  const Captured nothing = Pivot(There({"ls"}, addresses[0]));
  EXPECT_EQ(nothing.end.exit_code, 3);
  EXPECT_THAT(nothing.error_tail, HasSubstr("PIVOT_TOKEN or --token-file"));
  EXPECT_EQ(Pivot(There({"ls"}, addresses[0]), "wrong").end.exit_code, 3);
  const TestAuthority other;
  folder_.Write("ca.crt", other.certificate());
  EXPECT_EQ(Pivot(There({"ls"}, addresses[0]), "wrong").end.exit_code, 4) << "it does not trust the server";
  EXPECT_EQ(Pivot({"ls", "--server", addresses[0]}, "wrong").end.exit_code, 4) << "without TLS";
}

TEST_F(SecureProgramsTest, ReadTheIdentityFileAgainOnSighup) {
  PivotdProcess pivotd(Secured());
  const std::vector<std::string> addresses = pivotd.AwaitReady();
  ASSERT_THAT(addresses, SizeIs(1));
  const json made = json::parse(Pivot({"token", "anna", "--json", "--expires-in", "1h"}).output);
  const auto exit_code = [&] { return Pivot(There({"ls"}, addresses[0]), made["token"]).end.exit_code; };
  EXPECT_EQ(exit_code(), 3);
  WriteIdentity({made["entry"]});
  EXPECT_EQ(exit_code(), 3) << "before the signal";
  pivotd.Signal(SIGHUP);
  EXPECT_TRUE(Eventually([&] { return exit_code() == 0; }));
  folder_.Write("identity.json", "{");
  pivotd.Signal(SIGHUP);
  EXPECT_EQ(exit_code(), 0);
  pivotd.Signal(SIGTERM);
  EXPECT_EQ(pivotd.AwaitEnd().exit_code, 0);
  EXPECT_THAT(pivotd.output(), HasSubstr("\"not_reloaded\""));
}

TEST_F(SecureProgramsTest, DoNotStartWithFilesThatOthersMayTouch) {
  chmod((folder_ / "server.key").c_str(), 0644);
  ExpectRefusal(Secured(), 1, "run chmod 0640");
  chmod((folder_ / "server.key").c_str(), 0600);
  chmod((folder_ / "identity.json").c_str(), 0666);
  ExpectRefusal(Secured(), 1, "run chmod 0644");
  ExpectRefusal(Options({"--tls-client-ca", folder_ / "ca.crt"}), 2, "--tls-client-ca requires");
}

}  // namespace
}  // namespace pivot
