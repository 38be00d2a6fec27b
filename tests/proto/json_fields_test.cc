// SPDX-License-Identifier: Apache-2.0
// Walks the descriptors of the whole package: a field of a type that the JSON form does not know is found here.
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "gmock/gmock.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/message.h"
#include "google/protobuf/timestamp.pb.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "pivot/v1/capabilities.pb.h"
#include "pivot/v1/checkpoints.pb.h"
#include "pivot/v1/event.pb.h"
#include "pivot/v1/job.pb.h"
#include "pivot/v1/jobs.pb.h"

#include "proto/json.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

using ::google::protobuf::Descriptor;
using ::google::protobuf::EnumDescriptor;
using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::FileDescriptor;
using ::google::protobuf::Message;
using ::google::protobuf::MessageFactory;
using ::google::protobuf::Reflection;
using ::google::protobuf::util::MessageDifferencer;

std::vector<const FileDescriptor*> Files() {
  return {v1::Job::descriptor()->file(), v1::JobEvent::descriptor()->file(), v1::CreateJobRequest::descriptor()->file(),
          v1::Manifest::descriptor()->file(), v1::ServerCapabilities::descriptor()->file()};
}

std::vector<const Descriptor*> Messages() {
  std::vector<const Descriptor*> messages;
  for (const FileDescriptor* file : Files()) {
    for (int i = 0; i < file->message_type_count(); ++i) messages.push_back(file->message_type(i));
  }
  for (size_t i = 0; i < messages.size(); ++i) {
    for (int k = 0; k < messages[i]->nested_type_count(); ++k) messages.push_back(messages[i]->nested_type(k));
  }
  return messages;
}

std::unique_ptr<Message> Make(const Descriptor& descriptor) {
  return std::unique_ptr<Message>(MessageFactory::generated_factory()->GetPrototype(&descriptor)->New());
}

/// A message inside: a time or a duration with a value, any other as it is when it is empty.
void SetSample(Message* message) {
  if (auto* stamp = dynamic_cast<google::protobuf::Timestamp*>(message)) {
    stamp->set_seconds(1769860800);
    stamp->set_nanos(123'456'789);
  }
  if (auto* duration = dynamic_cast<google::protobuf::Duration*>(message)) duration->set_seconds(90);
}

/// Sets the field to something that is not its default; adds two elements if it is a list.
void SetSample(Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  const bool is_list = field.is_repeated();
  for (int i = 0; i < (is_list ? 2 : 1); ++i) {
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        is_list ? reflection.AddInt32(&message, &field, -3) : reflection.SetInt32(&message, &field, -3);
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        is_list ? reflection.AddInt64(&message, &field, -4) : reflection.SetInt64(&message, &field, -4);
        break;
      case FieldDescriptor::CPPTYPE_UINT32:
        is_list ? reflection.AddUInt32(&message, &field, 3) : reflection.SetUInt32(&message, &field, 3);
        break;
      case FieldDescriptor::CPPTYPE_UINT64:
        is_list ? reflection.AddUInt64(&message, &field, 4) : reflection.SetUInt64(&message, &field, 4);
        break;
      case FieldDescriptor::CPPTYPE_DOUBLE:
        is_list ? reflection.AddDouble(&message, &field, 0.1) : reflection.SetDouble(&message, &field, 0.1);
        break;
      case FieldDescriptor::CPPTYPE_FLOAT:
        is_list ? reflection.AddFloat(&message, &field, 0.5F) : reflection.SetFloat(&message, &field, 0.5F);
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        is_list ? reflection.AddBool(&message, &field, true) : reflection.SetBool(&message, &field, true);
        break;
      case FieldDescriptor::CPPTYPE_ENUM:
        is_list ? reflection.AddEnumValue(&message, &field, 1) : reflection.SetEnumValue(&message, &field, 1);
        break;
      case FieldDescriptor::CPPTYPE_STRING:
        is_list ? reflection.AddString(&message, &field, "x\"\n") : reflection.SetString(&message, &field, "x\"\n");
        break;
      case FieldDescriptor::CPPTYPE_MESSAGE:
        SetSample(is_list ? reflection.AddMessage(&message, &field) : reflection.MutableMessage(&message, &field));
        break;
    }
  }
}

TEST(JsonFieldsTest, EveryFieldOfThePackageSurvivesTheWayThroughJson) {
  int num_fields = 0;
  for (const Descriptor* descriptor : Messages()) {
    for (int i = 0; i < descriptor->field_count(); ++i) {
      const FieldDescriptor& field = *descriptor->field(i);
      SCOPED_TRACE(field.full_name());
      const auto message = Make(*descriptor);
      SetSample(*message, field);
      const nlohmann::json object = nlohmann::json::parse(ToJson(*message).dump());
      ASSERT_TRUE(object.contains(field.name()));
      const auto back = Make(*descriptor);
      ASSERT_OK(FromJson(object, back.get()));
      EXPECT_TRUE(MessageDifferencer::Equals(*message, *back)) << object;
      ++num_fields;
    }
  }
  EXPECT_GT(num_fields, 150) << "the walk missed most of the package";
}

TEST(JsonFieldsTest, EveryEnumValueSurvivesTheWayThroughJson) {
  std::set<const EnumDescriptor*> seen;
  for (const Descriptor* descriptor : Messages()) {
    for (int i = 0; i < descriptor->field_count(); ++i) {
      const FieldDescriptor& field = *descriptor->field(i);
      if (field.enum_type() == nullptr) continue;
      seen.insert(field.enum_type());
      std::set<std::string> names;
      for (int k = 0; k < field.enum_type()->value_count(); ++k) {
        const auto& value = *field.enum_type()->value(k);
        SCOPED_TRACE(value.full_name());
        const auto message = Make(*descriptor);
        message->GetReflection()->SetEnum(message.get(), &field, &value);
        const nlohmann::json object = ToJson(*message);
        const auto name = object[field.name()].get<std::string>();
        names.insert(name);
        EXPECT_TRUE(absl::AsciiStrToUpper(name).size() < value.name().size()) << name << " still has its prefix";
        const auto back = Make(*descriptor);
        ASSERT_OK(FromJson(object, back.get()));
        EXPECT_EQ(back->GetReflection()->GetEnumValue(*back, &field), value.number());
      }
      EXPECT_EQ(static_cast<int>(names.size()), field.enum_type()->value_count());
      EXPECT_TRUE(names.contains("unspecified"));
    }
  }
  for (const FileDescriptor* file : Files()) {
    for (int i = 0; i < file->enum_type_count(); ++i) EXPECT_TRUE(seen.contains(file->enum_type(i)));
  }
}

}  // namespace
}  // namespace pivot
