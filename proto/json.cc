// SPDX-License-Identifier: Apache-2.0
#include "proto/json.h"

#include <cstdint>
#include <limits>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "nlohmann/json.hpp"

namespace pivot {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using nlohmann::json;

/// The enum type's name in UPPER_SNAKE with a trailing underscore: "ComputeDtype" -> "COMPUTE_DTYPE_".
std::string EnumPrefix(absl::string_view type_name) {
  std::string prefix;
  for (size_t i = 0; i < type_name.size(); ++i) {
    if (i > 0 && absl::ascii_isupper(static_cast<unsigned char>(type_name[i]))) prefix += '_';
    prefix += absl::ascii_toupper(static_cast<unsigned char>(type_name[i]));
  }
  return prefix + "_";
}

std::string ShortEnumName(const EnumValueDescriptor& value) {
  const std::string prefix = EnumPrefix(value.type()->name());
  return absl::AsciiStrToLower(absl::StripPrefix(value.name(), prefix));
}

absl::Time FromTimestamp(const google::protobuf::Timestamp& stamp) {
  return absl::FromUnixSeconds(stamp.seconds()) + absl::Nanoseconds(stamp.nanos());
}

json MessageValue(const Message& message) {
  if (const auto* stamp = dynamic_cast<const google::protobuf::Timestamp*>(&message)) {
    return absl::FormatTime(absl::RFC3339_full, FromTimestamp(*stamp), absl::UTCTimeZone());
  }
  if (const auto* duration = dynamic_cast<const google::protobuf::Duration*>(&message)) {
    return static_cast<double>(duration->seconds()) + 1e-9 * duration->nanos();
  }
  return ToJson(message);
}

json ScalarValue(const Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return reflection.GetInt32(message, &field);
    case FieldDescriptor::CPPTYPE_INT64:
      return reflection.GetInt64(message, &field);
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection.GetUInt32(message, &field);
    case FieldDescriptor::CPPTYPE_UINT64:
      return reflection.GetUInt64(message, &field);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return reflection.GetDouble(message, &field);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return reflection.GetFloat(message, &field);
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.GetBool(message, &field);
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection.GetString(message, &field);
    case FieldDescriptor::CPPTYPE_ENUM:
      return ShortEnumName(*reflection.GetEnum(message, &field));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return MessageValue(reflection.GetMessage(message, &field));
  }
  return nullptr;
}

json RepeatedValue(const Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  json array = json::array();
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE:
        array.push_back(MessageValue(reflection.GetRepeatedMessage(message, &field, i)));
        break;
      case FieldDescriptor::CPPTYPE_STRING:
        array.push_back(reflection.GetRepeatedString(message, &field, i));
        break;
      case FieldDescriptor::CPPTYPE_INT32:
        array.push_back(reflection.GetRepeatedInt32(message, &field, i));
        break;
      default:
        array.push_back(nullptr);  // no other repeated type is in the API; a test walks the descriptors
    }
  }
  return array;
}

bool IsWritten(const Message& message, const FieldDescriptor& field) {
  return !field.has_presence() || message.GetReflection()->HasField(message, &field);
}

absl::Status WrongType(const FieldDescriptor& field, absl::string_view expected) {
  return absl::InvalidArgumentError(absl::StrCat(field.full_name(), " must be ", expected));
}

absl::Status SetEnum(const json& value, const FieldDescriptor& field, Message* message) {
  if (!value.is_string()) return WrongType(field, "a name");
  const std::string name = value.get<std::string>();
  for (int i = 0; i < field.enum_type()->value_count(); ++i) {
    const EnumValueDescriptor* candidate = field.enum_type()->value(i);
    if (ShortEnumName(*candidate) == name) {
      message->GetReflection()->SetEnum(message, &field, candidate);
      return absl::OkStatus();
    }
  }
  return WrongType(field, absl::StrCat("a known name, not \"", name, "\""));
}

absl::Status SetMessage(const json& value, const FieldDescriptor& field, Message* message) {
  if (auto* stamp = dynamic_cast<google::protobuf::Timestamp*>(message)) {
    absl::Time time;
    std::string error;
    if (!value.is_string() || !absl::ParseTime(absl::RFC3339_full, value.get<std::string>(), &time, &error)) {
      return WrongType(field, "a time like 2026-01-31T12:00:00Z");
    }
    stamp->set_seconds(absl::ToUnixSeconds(time));
    stamp->set_nanos(static_cast<int32_t>((time - absl::FromUnixSeconds(stamp->seconds())) / absl::Nanoseconds(1)));
    return absl::OkStatus();
  }
  if (auto* duration = dynamic_cast<google::protobuf::Duration*>(message)) {
    if (!value.is_number()) return WrongType(field, "a number of seconds");
    const double seconds = value.get<double>();
    duration->set_seconds(static_cast<int64_t>(seconds));
    duration->set_nanos(static_cast<int32_t>((seconds - static_cast<double>(duration->seconds())) * 1e9));
    return absl::OkStatus();
  }
  if (!value.is_object()) return WrongType(field, "an object");
  return FromJson(value, message);
}

absl::Status SetInteger(const json& value, const FieldDescriptor& field, Message* message) {
  const Reflection& reflection = *message->GetReflection();
  if (!value.is_number_integer()) return WrongType(field, "a whole number");
  const bool is_unsigned = field.cpp_type() == FieldDescriptor::CPPTYPE_UINT64;
  const auto number = value.get<int64_t>();
  if (is_unsigned) {
    if (number < 0 && !value.is_number_unsigned()) return WrongType(field, "0 or more");
    reflection.SetUInt64(message, &field, value.get<uint64_t>());
  } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_INT64) {
    reflection.SetInt64(message, &field, number);
  } else {
    if (number < std::numeric_limits<int32_t>::min() || number > std::numeric_limits<int32_t>::max()) {
      return WrongType(field, "a number of 32 bits");
    }
    reflection.SetInt32(message, &field, static_cast<int32_t>(number));
  }
  return absl::OkStatus();
}

absl::Status SetScalar(const json& value, const FieldDescriptor& field, Message* message) {
  const Reflection& reflection = *message->GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
    case FieldDescriptor::CPPTYPE_INT64:
    case FieldDescriptor::CPPTYPE_UINT64:
      return SetInteger(value, field, message);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      if (!value.is_number()) return WrongType(field, "a number");
      reflection.SetDouble(message, &field, value.get<double>());
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_BOOL:
      if (!value.is_boolean()) return WrongType(field, "true or false");
      reflection.SetBool(message, &field, value.get<bool>());
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_STRING:
      if (!value.is_string()) return WrongType(field, "a string");
      reflection.SetString(message, &field, value.get<std::string>());
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_ENUM:
      return SetEnum(value, field, message);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return SetMessage(value, field, reflection.MutableMessage(message, &field));
    default:
      return WrongType(field, "of a type that has a JSON form");
  }
}

absl::Status AddElement(const json& value, const FieldDescriptor& field, Message* message) {
  const Reflection& reflection = *message->GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return SetMessage(value, field, reflection.AddMessage(message, &field));
    case FieldDescriptor::CPPTYPE_STRING:
      if (!value.is_string()) return WrongType(field, "a list of strings");
      reflection.AddString(message, &field, value.get<std::string>());
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_INT32:
      if (!value.is_number_integer()) return WrongType(field, "a list of whole numbers");
      reflection.AddInt32(message, &field, value.get<int32_t>());
      return absl::OkStatus();
    default:
      return WrongType(field, "of a type that has a JSON form");
  }
}

absl::Status SetField(const json& value, const FieldDescriptor& field, Message* message) {
  if (!field.is_repeated()) return SetScalar(value, field, message);
  if (!value.is_array()) return WrongType(field, "a list");
  for (const json& element : value) {
    if (absl::Status status = AddElement(element, field, message); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

nlohmann::json ToJson(const Message& message) {
  json object = json::object();
  const Descriptor& descriptor = *message.GetDescriptor();
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const FieldDescriptor& field = *descriptor.field(i);
    if (field.is_repeated()) {
      object[field.name()] = RepeatedValue(message, field);
    } else if (IsWritten(message, field)) {
      object[field.name()] = ScalarValue(message, field);
    }
  }
  return object;
}

absl::Status FromJson(const nlohmann::json& json, Message* message) {
  if (!json.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(message->GetDescriptor()->full_name(), " must be an object"));
  }
  for (const auto& [name, value] : json.items()) {
    const FieldDescriptor* field = message->GetDescriptor()->FindFieldByName(name);
    if (field == nullptr || value.is_null()) continue;
    if (absl::Status status = SetField(value, *field, message); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace pivot
