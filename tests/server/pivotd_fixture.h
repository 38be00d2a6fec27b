// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_SERVER_PIVOTD_FIXTURE_H_
#define PIVOT_TESTS_SERVER_PIVOTD_FIXTURE_H_

// A folder for pivotd with a model in it, and short ways to call one.

#include <grpcpp/grpcpp.h>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "pivot/v1/jobs.grpc.pb.h"

#include "tests/server/pivotd_process.h"
#include "tests/support/temporary_folder.h"

namespace pivot {

class PivotdTest : public ::testing::Test {
 protected:
  PivotdTest() { folder_.Write("model/config.json", "{}"); }

  std::string data() const { return folder_ / "data"; }
  PivotdProcess::Options Options(const std::vector<std::string>& more = {}) const {
    PivotdProcess::Options options{.arguments = {"--data", data(), "--allow-path", folder_.path()},
                                   .environment = {absl::StrCat("PIVOT_FAKE_SCRIPT=", folder_ / "script.json")}};
    options.arguments.insert(options.arguments.end(), more.begin(), more.end());
    return options;
  }
  void SetScript(const nlohmann::json& script) { folder_.Write("script.json", script.dump()); }

  static std::unique_ptr<v1::Jobs::Stub> Connect(const std::string& address) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return v1::Jobs::NewStub(grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
  }

  v1::Job Create(v1::Jobs::Stub& stub) const {
    grpc::ClientContext context;
    v1::CreateJobRequest request;
    request.set_parent("projects/test");
    request.mutable_job()->mutable_spec()->mutable_compress()->mutable_source()->set_path(folder_ / "model");
    v1::Job job;
    const grpc::Status status = stub.CreateJob(&context, request, &job);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return job;
  }

  static v1::Job Get(v1::Jobs::Stub& stub, const std::string& name) {
    grpc::ClientContext context;
    v1::GetJobRequest request;
    request.set_name(name);
    v1::Job job;
    const grpc::Status status = stub.GetJob(&context, request, &job);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return job;
  }

  /// Exit code and words of a pivotd that must not start.
  void ExpectRefusal(const PivotdProcess::Options& options, int exit_code, const std::string& words) {
    PivotdProcess pivotd(options);
    EXPECT_THAT(pivotd.AwaitReady(), ::testing::IsEmpty());
    EXPECT_EQ(pivotd.AwaitEnd().exit_code, exit_code);
    EXPECT_THAT(pivotd.output(), ::testing::HasSubstr(words));
  }

  TemporaryFolder folder_;
};

}  // namespace pivot

#endif  // PIVOT_TESTS_SERVER_PIVOTD_FIXTURE_H_
