// SPDX-License-Identifier: Apache-2.0
#include "proto/json.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
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

/// A value that this program does not know counts as its type's first, the unspecified one.
std::string EnumName(const Message& message, const FieldDescriptor& field) {
  const int number = message.GetReflection()->GetEnumValue(message, &field);
  const EnumValueDescriptor* known = field.enum_type()->FindValueByNumber(number);
  return ShortEnumName(known == nullptr ? *field.enum_type()->value(0) : *known);
}

/// Text as it is, bytes in base64.
std::string TextValue(const FieldDescriptor& field, const std::string& value) {
  return field.type() == FieldDescriptor::TYPE_BYTES ? absl::Base64Escape(value) : value;
}

absl::Time FromTimestamp(const google::protobuf::Timestamp& stamp) {
  return absl::FromUnixSeconds(stamp.seconds()) + absl::Nanoseconds(stamp.nanos());
}

json MessageValue(const Message& message) {
  if (const auto* stamp = dynamic_cast<const google::protobuf::Timestamp*>(&message)) {
    return absl::FormatTime(absl::RFC3339_full, FromTimestamp(*stamp), absl::UTCTimeZone());
  }
  if (const auto* duration = dynamic_cast<const google::protobuf::Duration*>(&message)) {
    return static_cast<double>(duration->seconds()) + duration->nanos() / 1e9;
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
      return TextValue(field, reflection.GetString(message, &field));
    case FieldDescriptor::CPPTYPE_ENUM:
      return EnumName(message, field);
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
        array.push_back(TextValue(field, reflection.GetRepeatedString(message, &field, i)));
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

absl::Status SetTimestamp(const json& value, const FieldDescriptor& field, google::protobuf::Timestamp* stamp) {
  absl::Time time;
  std::string error;
  // The years 1 to 9999, as Timestamp has them; "infinite-future", which absl reads too, is not among them.
  if (!value.is_string() || !absl::ParseTime(absl::RFC3339_full, value.get<std::string>(), &time, &error) ||
      time < absl::FromUnixSeconds(-62'135'596'800) || time >= absl::FromUnixSeconds(253'402'300'800)) {
    return WrongType(field, "a time like 2026-01-31T12:00:00Z");
  }
  stamp->set_seconds(absl::ToUnixSeconds(time));
  stamp->set_nanos(static_cast<int32_t>((time - absl::FromUnixSeconds(stamp->seconds())) / absl::Nanoseconds(1)));
  return absl::OkStatus();
}

absl::Status SetDuration(const json& value, const FieldDescriptor& field, google::protobuf::Duration* duration) {
  constexpr double kMaxSeconds = 315'576'000'000;  // Duration's own limit
  if (!value.is_number() || std::abs(value.get<double>()) > kMaxSeconds) return WrongType(field, "a number of seconds");
  const absl::Duration time =
      absl::Seconds(value.get<double>()) + absl::Nanoseconds(value.get<double>() < 0 ? -0.5 : 0.5);
  duration->set_seconds(absl::ToInt64Seconds(time));
  duration->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::Seconds(duration->seconds()))));
  return absl::OkStatus();
}

absl::Status SetMessage(const json& value, const FieldDescriptor& field, Message* message) {
  const Descriptor* const type = message->GetDescriptor();
  if (type == google::protobuf::Timestamp::descriptor()) {
    return SetTimestamp(value, field, static_cast<google::protobuf::Timestamp*>(message));
  }
  if (type == google::protobuf::Duration::descriptor()) {
    return SetDuration(value, field, static_cast<google::protobuf::Duration*>(message));
  }
  if (!value.is_object()) return WrongType(field, "an object");
  return FromJson(value, message);
}

absl::StatusOr<std::string> GetText(const json& value, const FieldDescriptor& field) {
  if (!value.is_string()) return WrongType(field, "a string");
  std::string text = value.get<std::string>();
  if (field.type() != FieldDescriptor::TYPE_BYTES) return text;
  std::string bytes;
  if (!absl::Base64Unescape(text, &bytes)) return WrongType(field, "base64");
  return bytes;
}

/// The number, if it is whole and one of `Integer`.
template <typename Integer>
absl::StatusOr<Integer> GetInteger(const json& value, const FieldDescriptor& field) {
  if (!value.is_number_integer()) return WrongType(field, "a whole number");
  const bool fits = value.is_number_unsigned() ? std::in_range<Integer>(value.get<uint64_t>())
                                               : std::in_range<Integer>(value.get<int64_t>());
  if (!fits)
    return WrongType(field, absl::StrCat("a whole number from ", std::numeric_limits<Integer>::min(), " to ",
                                         std::numeric_limits<Integer>::max()));
  return value.get<Integer>();
}

/// Hands the value to `set` if there is one.
template <typename T, typename Set>
absl::Status Store(absl::StatusOr<T> value, Set set) {
  if (!value.ok()) return value.status();
  set(*std::move(value));
  return absl::OkStatus();
}

absl::Status SetScalar(const json& value, const FieldDescriptor& field, Message* message) {
  const Reflection& reflection = *message->GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return Store(GetInteger<int32_t>(value, field), [&](int32_t n) { reflection.SetInt32(message, &field, n); });
    case FieldDescriptor::CPPTYPE_INT64:
      return Store(GetInteger<int64_t>(value, field), [&](int64_t n) { reflection.SetInt64(message, &field, n); });
    case FieldDescriptor::CPPTYPE_UINT64:
      return Store(GetInteger<uint64_t>(value, field), [&](uint64_t n) { reflection.SetUInt64(message, &field, n); });
    case FieldDescriptor::CPPTYPE_DOUBLE:
      if (!value.is_number()) return WrongType(field, "a number");
      reflection.SetDouble(message, &field, value.get<double>());
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_BOOL:
      if (!value.is_boolean()) return WrongType(field, "true or false");
      reflection.SetBool(message, &field, value.get<bool>());
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_STRING:
      return Store(GetText(value, field),
                   [&](std::string text) { reflection.SetString(message, &field, std::move(text)); });
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
      return Store(GetText(value, field),
                   [&](std::string text) { reflection.AddString(message, &field, std::move(text)); });
    case FieldDescriptor::CPPTYPE_INT32:
      return Store(GetInteger<int32_t>(value, field), [&](int32_t n) { reflection.AddInt32(message, &field, n); });
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
  const Descriptor& descriptor = *message->GetDescriptor();
  if (!json.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(descriptor.full_name(), " must be an object"));
  }
  for (const auto& [name, value] : json.items()) {
    const FieldDescriptor* field = descriptor.FindFieldByName(name);
    if (field == nullptr || value.is_null()) continue;
    if (absl::Status status = SetField(value, *field, message); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace pivot
