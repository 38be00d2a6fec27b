// SPDX-License-Identifier: Apache-2.0
#include "tests/server/any_method.h"

#include <filesystem>
#include <google/protobuf/dynamic_message.h>
#include <grpcpp/generic/generic_stub.h>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace pivot {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::MethodDescriptor;

void NameResource(const std::string& project, const std::string& job, Message* message) {
  for (int i = 0; i < message->GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *message->GetDescriptor()->field(i);
    const auto& reflection = *message->GetReflection();
    if (field.name() == "parent") reflection.SetString(message, &field, project);
    if (field.name() == "name" || field.name() == "checkpoint") reflection.SetString(message, &field, job);
    if (field.name() == "job" && field.message_type() != nullptr)
      NameResource(project, job, reflection.MutableMessage(message, &field));
  }
}

}  // namespace

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

std::string RequestNaming(const MethodDescriptor& method, const std::string& project, const std::string& job) {
  google::protobuf::DynamicMessageFactory factory;
  const std::unique_ptr<Message> request(factory.GetPrototype(method.input_type())->New());
  NameResource(project, job, request.get());
  return request->SerializeAsString();
}

std::string PathOf(const MethodDescriptor& method) {
  return absl::StrCat("/", method.service()->full_name(), "/", method.name());
}

grpc::Status CallPath(const std::shared_ptr<grpc::Channel>& channel, const std::string& path,
                      const std::string& request, grpc::ClientContext* context) {
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

}  // namespace pivot
