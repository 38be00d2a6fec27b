// SPDX-License-Identifier: Apache-2.0
// Every method of every service, called without the right to: what has no Authorize() fails here.
#include <algorithm>
#include <filesystem>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/dynamic_message.h>
#include <grpcpp/generic/generic_stub.h>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/server/identity_fixture.h"

namespace pivot {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::MethodDescriptor;

/// All that viewers may call. A method that changes something must never be added here.
const std::set<std::string> kForViewers = {"GetJob",     "ListJobs",    "WatchJob", "WatchJobs",
                                           "StreamLogs", "GetManifest", "ReadFile", "GetCapabilities"};

std::vector<const MethodDescriptor*> AllMethods() {
  std::vector<const MethodDescriptor*> methods;
  for (const auto& entry : std::filesystem::directory_iterator(PIVOT_PROTO_FOLDER "/pivot/v1")) {
    const auto* file = google::protobuf::DescriptorPool::generated_pool()->FindFileByName(
        absl::StrCat("pivot/v1/", entry.path().filename().string()));
    EXPECT_NE(file, nullptr) << entry.path();
    for (int i = 0; file != nullptr && i < file->service_count(); ++i) {
      for (int j = 0; j < file->service(i)->method_count(); ++j) methods.push_back(file->service(i)->method(j));
    }
  }
  return methods;
}

/// Names the resource wherever a request of ours does.
void NameResource(const std::string& job, Message* message) {
  for (int i = 0; i < message->GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *message->GetDescriptor()->field(i);
    const auto& reflection = *message->GetReflection();
    if (field.name() == "parent") reflection.SetString(message, &field, kProject);
    if (field.name() == "name" || field.name() == "checkpoint") reflection.SetString(message, &field, job);
    if (field.name() == "job" && field.message_type() != nullptr) {
      NameResource(job, reflection.MutableMessage(message, &field));
    }
  }
}

/// Calls any method, with any number of answers.
grpc::Status Call(const std::shared_ptr<grpc::Channel>& channel, const std::string& path, const std::string& request,
                  grpc::ClientContext* context) {
  grpc::CompletionQueue queue;
  const auto await = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  const grpc::Slice bytes(request);
  grpc::TemplatedGenericStub<grpc::ByteBuffer, grpc::ByteBuffer> stub(channel);
  const auto call = stub.PrepareCall(context, path, &queue);
  call->StartCall(nullptr);
  await();
  call->WriteLast(grpc::ByteBuffer(&bytes, 1), grpc::WriteOptions(), nullptr);
  await();
  grpc::ByteBuffer answer;
  do {
    call->Read(&answer, nullptr);
  } while (await());
  grpc::Status status;
  call->Finish(&status, nullptr);
  await();
  return status;
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
    google::protobuf::DynamicMessageFactory factory;
    const std::unique_ptr<Message> request(factory.GetPrototype(method.input_type())->New());
    NameResource(absl::StrCat(kProject, "/jobs/", job), request.get());
    return Call(server_.channel(), absl::StrCat("/", method.service()->full_name(), "/", method.name()),
                request->SerializeAsString(), As(principal).get());
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

TEST_F(AuthorizationTest, LetsEveryoneAskForHealthAndNobodyForReflection) {
  EXPECT_TRUE(Call(server_.channel(), "/grpc.health.v1.Health/Check", "", As("").get()).ok());
  EXPECT_EQ(Call(server_.channel(), "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "", As("").get())
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
