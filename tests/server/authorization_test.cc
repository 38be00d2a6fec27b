// SPDX-License-Identifier: Apache-2.0
// Every method of every service, called without the right to: what has no Authorize() fails here.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/server/any_method.h"
#include "tests/server/identity_fixture.h"

namespace pivot {
namespace {

using google::protobuf::MethodDescriptor;

/// All that viewers may call. A method that changes something must never be added here.
const std::set<std::string> kForViewers = {"GetJob",     "ListJobs",    "WatchJob", "WatchJobs",
                                           "StreamLogs", "GetManifest", "ReadFile", "GetCapabilities"};

/// In the times of calls for a job that is there and for one that is not.
constexpr int kPairs = 60;
constexpr int kLooks = 3;

/// How many standard deviations of a single call lie between the medians of two samples. Both by order, since a call
/// that had to wait says nothing.
double Distance(std::vector<double> a, std::vector<double> b) {
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  const auto quantile = [](const std::vector<double>& sorted, double fraction) {
    return sorted[static_cast<size_t>(fraction * static_cast<double>(sorted.size() - 1))];
  };
  const auto deviation = [&](const std::vector<double>& sorted) {
    return (quantile(sorted, 0.8413) - quantile(sorted, 0.1587)) / 2;
  };
  return std::abs(quantile(a, 0.5) - quantile(b, 0.5)) / std::max(deviation(a), deviation(b));
}

class AuthorizationTest : public IdentityCallsTest {
 protected:
  AuthorizationTest() {
    nlohmann::json identity = IdentityOf({{"owner", "test", "admin"},
                                          {"viewer", "test", "viewer"},
                                          {"neighbour", "other", "admin"},
                                          {"late", "test", "admin"}});
    for (nlohmann::json& token : identity["tokens"]) {
      if (token["principal"] == "late") token["expires"] = "2001-01-01T00:00:00Z";
    }
    identity["tokens"].push_back(
        {{"principal", "nobody"}, {"sha256", Sha256Of(TokenOf("nobody"))}, {"expires", "never"}});
    SetIdentity(identity);
    server_.SetScript({{{"hang", true}}});
    server_.Start();
    Create("owner", "there");
  }

  grpc::Status CallAs(const std::string& principal, const MethodDescriptor& method, const std::string& job) {
    const std::string request = RequestNaming(method, kProject, absl::StrCat(kProject, "/jobs/", job));
    return CallPath(server_.channel(), PathOf(method), request, As(principal).get());
  }

  double Microseconds(const std::string& principal, const MethodDescriptor& method, const std::string& job) {
    const auto begin = std::chrono::steady_clock::now();
    CallAs(principal, method, job);
    return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count();
  }

  /// Between the times of calls for the two jobs, which take turns; the least of some looks, since what can be seen is
  /// there each time.
  double DistanceInTime(const std::string& principal, const MethodDescriptor& method) {
    double least = HUGE_VAL;
    for (int look = 0; look < kLooks && least >= 1; ++look) {
      std::vector<double> there;
      std::vector<double> missing;
      for (int i = 0; i < kPairs; ++i) {
        if (i % 2 == 0) there.push_back(Microseconds(principal, method, "there"));
        missing.push_back(Microseconds(principal, method, "missing"));
        if (i % 2 == 1) there.push_back(Microseconds(principal, method, "there"));
      }
      least = std::min(least, Distance(there, missing));
    }
    return least;
  }

  /// With the same words for a job that is there and for one that is not.
  void ExpectDenied(const std::string& principal, const MethodDescriptor& method, grpc::StatusCode code,
                    const std::string& reason) {
    const grpc::Status there = CallAs(principal, method, "there");
    const grpc::Status missing = CallAs(principal, method, "missing");
    EXPECT_EQ(there.error_code(), code) << principal << " " << method.full_name() << ": " << there.error_message();
    EXPECT_EQ(ReasonIn(there), reason) << principal << " " << method.full_name();
    EXPECT_EQ(missing.error_code(), code) << principal << " " << method.full_name();
    EXPECT_EQ(missing.error_message(), there.error_message()) << principal << " " << method.full_name();
    EXPECT_EQ(missing.error_details(), there.error_details()) << principal << " " << method.full_name();
  }
};

TEST_F(AuthorizationTest, KnowsTheMethods) { EXPECT_GE(AllMethods().size(), 15U); }

TEST_F(AuthorizationTest, DeniesWhoShowsNothing) {
  for (const MethodDescriptor* method : AllMethods()) {
    ExpectDenied("", *method, grpc::StatusCode::UNAUTHENTICATED, "CREDENTIAL_MISSING");
  }
}

TEST_F(AuthorizationTest, DeniesAnUnknownToken) {
  for (const MethodDescriptor* method : AllMethods()) {
    ExpectDenied("stranger", *method, grpc::StatusCode::UNAUTHENTICATED, "CREDENTIAL_INVALID");
  }
}

TEST_F(AuthorizationTest, DeniesAnExpiredToken) {
  for (const MethodDescriptor* method : AllMethods()) {
    ExpectDenied("late", *method, grpc::StatusCode::UNAUTHENTICATED, "CREDENTIAL_EXPIRED");
  }
}

TEST_F(AuthorizationTest, DeniesWhoHasNoRole) {
  for (const MethodDescriptor* method : AllMethods()) {
    ExpectDenied("nobody", *method, grpc::StatusCode::PERMISSION_DENIED, "ACCESS_DENIED");
  }
}

TEST_F(AuthorizationTest, DeniesTheAdminOfAnotherProject) {
  for (const MethodDescriptor* method : AllMethods()) {
    if (method->name() == "GetCapabilities") continue;  // of no project
    ExpectDenied("neighbour", *method, grpc::StatusCode::PERMISSION_DENIED, "ACCESS_DENIED");
  }
}

TEST_F(AuthorizationTest, DeniesViewersAllButLooking) {
  for (const MethodDescriptor* method : AllMethods()) {
    if (kForViewers.contains(method->name())) continue;
    ExpectDenied("viewer", *method, grpc::StatusCode::PERMISSION_DENIED, "ACCESS_DENIED");
  }
}

TEST(DistanceTest, IsOneWhereTheMediansAreADeviationApart) {
  std::vector<double> times;
  for (int i = 0; i < kPairs; ++i) times.push_back(100 + i);
  EXPECT_EQ(Distance(times, times), 0);
  std::vector<double> later = times;
  for (double& time : later) time += 20;
  EXPECT_NEAR(Distance(times, later), 1, 0.03) << "68 % of them span 40";
}

TEST_F(AuthorizationTest, ADenialTakesTheSameTimeForAJobThatIsThereAndOneThatIsNot) {
  for (const MethodDescriptor* method : AllMethods()) {
    for (const char* principal : {"", "late", "nobody", "neighbour", "viewer"}) {
      const bool may = kForViewers.contains(method->name());
      if ((may && principal == std::string("viewer")) || method->name() == "GetCapabilities") continue;
      EXPECT_LT(DistanceInTime(principal, *method), 1) << principal << " " << method->full_name();
    }
  }
}

TEST_F(AuthorizationTest, LetsEveryoneAskForHealthAndNobodyForReflection) {
  EXPECT_TRUE(CallPath(server_.channel(), "/grpc.health.v1.Health/Check", "", As("").get()).ok());
  EXPECT_EQ(
      CallPath(server_.channel(), "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "", As("").get())
          .error_code(),
      grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(AuthorizationTest, LetsViewersLook) {
  v1::Job job;
  v1::GetJobRequest get;
  get.set_name(absl::StrCat(kProject, "/jobs/there"));
  EXPECT_TRUE(server_.jobs().GetJob(As("viewer").get(), get, &job).ok());
  EXPECT_EQ(job.creator(), "owner");
  get.set_name(absl::StrCat(kProject, "/jobs/missing"));
  EXPECT_EQ(server_.jobs().GetJob(As("viewer").get(), get, &job).error_code(), grpc::StatusCode::NOT_FOUND);
  get.set_name("nonsense");
  EXPECT_EQ(ReasonIn(server_.jobs().GetJob(As("viewer").get(), get, &job)), "INVALID_NAME");
}

}  // namespace
}  // namespace pivot
