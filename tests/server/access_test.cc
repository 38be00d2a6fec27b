// SPDX-License-Identifier: Apache-2.0
// What the roles come to in calls, what is written down of them, and what becomes of those whose rights end.
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "tests/server/identity_fixture.h"
#include "tests/support/eventually.h"

namespace pivot {
namespace {

using nlohmann::json;

class AccessTest : public IdentityCallsTest {
 protected:
  AccessTest() {
    SetIdentity(IdentityOf({{"anna", "test", "submitter"},
                            {"ben", "test", "submitter"},
                            {"olga", "test", "operator"},
                            {"root", "*", "admin"},
                            {"guest", "other", "viewer"}}));
    server_.SetScript({{{"hang", true}}});
  }

  std::string Cancel(const std::string& principal, const std::string& name) {
    v1::CancelJobRequest request;
    request.set_name(name);
    v1::Job job;
    return ReasonIn(server_.jobs().CancelJob(As(principal).get(), request, &job));
  }

  std::string Delete(const std::string& principal, const std::string& name) {
    v1::DeleteJobRequest request;
    request.set_name(name);
    google::protobuf::Empty nothing;
    return ReasonIn(server_.jobs().DeleteJob(As(principal).get(), request, &nothing));
  }

  std::string Update(const std::string& principal, const std::string& name) {
    v1::UpdateJobRequest request;
    request.mutable_job()->set_name(name);
    request.mutable_job()->set_priority(7);
    request.mutable_update_mask()->add_paths("priority");
    v1::Job job;
    return ReasonIn(server_.jobs().UpdateJob(As(principal).get(), request, &job));
  }

  /// Lines of the audit log, once there are `count`.
  std::vector<json> AuditLines(size_t count) {
    std::vector<json> lines;
    EXPECT_TRUE(Eventually([&] {
      std::ostringstream text;
      text << std::ifstream(server_.data() + "/audit.jsonl").rdbuf();
      lines.clear();
      for (const absl::string_view line : absl::StrSplit(text.str(), '\n', absl::SkipEmpty())) {
        lines.push_back(json::parse(line, nullptr, false));
      }
      return lines.size() >= count;
    })) << lines.size();
    return lines;
  }
};

TEST_F(AccessTest, SubmittersChangeTheirOwnJobsAlone) {
  server_.Start();
  const std::string name = Create("anna", "hers").name();
  EXPECT_EQ(Cancel("ben", name), "ACCESS_DENIED");
  EXPECT_EQ(Update("ben", name), "ACCESS_DENIED");
  EXPECT_EQ(Delete("ben", name), "ACCESS_DENIED");
  EXPECT_EQ(Cancel("ben", absl::StrCat(kProject, "/jobs/missing")), "JOB_NOT_FOUND") << "he may see the project";
  EXPECT_EQ(Update("anna", name), "");
  EXPECT_EQ(Cancel("anna", name), "");
}

TEST_F(AccessTest, OperatorsChangeAllJobsAndAdminsDeleteThem) {
  server_.Start();
  Create("anna", "on-the-device");
  const std::string name = Create("anna", "in-the-queue").name();
  EXPECT_EQ(Update("olga", name), "");
  EXPECT_EQ(Cancel("olga", name), "");
  EXPECT_EQ(Delete("olga", name), "ACCESS_DENIED");
  EXPECT_EQ(Delete("root", name), "");
}

TEST_F(AccessTest, CapabilitiesNameNoJobOfAProjectThatTheCallerMayNotRead) {
  server_.Start();
  const std::string name = Create("anna", "hers").name();
  const auto shown = [&](const std::string& principal) {
    v1::ServerCapabilities capabilities;
    EXPECT_TRUE(server_.capabilities().GetCapabilities(As(principal).get(), {}, &capabilities).ok());
    return capabilities.devices(0).job();
  };
  EXPECT_TRUE(Eventually([&] { return shown("anna") == name; }));
  EXPECT_EQ(shown("guest"), "");
}

TEST_F(AccessTest, AStreamEndsWhenItsCallersTokenIsTakenAway) {
  server_.options.heartbeat_interval = absl::Milliseconds(20);
  server_.Start();
  const auto context = As("anna");
  v1::WatchJobsRequest request;
  request.set_parent(kProject);
  const auto reader = server_.jobs().WatchJobs(context.get(), request);
  v1::JobEvent event;
  ASSERT_TRUE(reader->Read(&event));
  SetIdentity(IdentityOf({{"ben", "test", "submitter"}}));
  server_.server().Reload();
  while (reader->Read(&event)) {
  }
  EXPECT_EQ(ReasonIn(reader->Finish()), "CREDENTIAL_INVALID");
}

TEST_F(AccessTest, WritesDownWhoChangedOrFetchedWhat) {
  constexpr char kRequestId[] = "6f1c2a58-7d1e-4b0a-9b9e-2f6f6d0c3a11";
  server_.Start();
  v1::CreateJobRequest request = server_.CompressRequest("hers");
  request.set_request_id(kRequestId);
  v1::Job job;
  ASSERT_TRUE(server_.jobs().CreateJob(As("anna").get(), request, &job).ok());
  v1::GetJobRequest get;
  get.set_name(job.name());
  ASSERT_TRUE(server_.jobs().GetJob(As("anna").get(), get, &job).ok());
  Cancel("ben", job.name());
  Cancel("", job.name());
  const std::vector<json> lines = AuditLines(3);
  ASSERT_EQ(lines.size(), 3U) << "looking is not written down";
  EXPECT_EQ(lines[0]["principal"], "anna");
  EXPECT_EQ(lines[0]["method"], "CreateJob");
  EXPECT_EQ(lines[0]["resource"], job.name());
  EXPECT_EQ(lines[0]["request_id"], kRequestId);
  EXPECT_EQ(lines[0]["code"], "OK");
  EXPECT_EQ(lines[1]["principal"], "ben");
  EXPECT_EQ(lines[1]["method"], "CancelJob");
  EXPECT_EQ(lines[1]["code"], "PERMISSION_DENIED");
  EXPECT_EQ(lines[1]["reason"], "ACCESS_DENIED");
  EXPECT_EQ(lines[2]["principal"], "");
  EXPECT_EQ(lines[2]["reason"], "CREDENTIAL_MISSING");
}

TEST_F(AccessTest, WritesDownHowManyBytesAReaderGot) {
  server_.options.identity_file = "";
  server_.SetScript({{{"pivot", json::object()}}, {{"send", "Done"}}});
  server_.Start();
  const std::string name = server_.Create(server_.CompressRequest("j")).name();
  const v1::Job job = server_.AwaitEnd(name);
  ASSERT_EQ(job.checkpoints_size(), 1) << job.DebugString();
  const auto read = server_.ReadFile(job.checkpoints(0).name(), "config.json");
  ASSERT_TRUE(read.status.ok()) << read.status.error_message();
  const std::vector<json> lines = AuditLines(2);
  EXPECT_EQ(lines.back()["principal"], "local");
  EXPECT_EQ(lines.back()["method"], "ReadFile");
  EXPECT_EQ(lines.back()["resource"], absl::StrCat(job.checkpoints(0).name(), "/config.json"));
  EXPECT_EQ(lines.back()["bytes"], read.bytes.size());
  EXPECT_GT(read.bytes.size(), 0U);
}

}  // namespace
}  // namespace pivot
