// SPDX-License-Identifier: Apache-2.0
#include "proto/status/reason.h"

#include <algorithm>
#include <utility>

#include "absl/strings/cord.h"
#include "nlohmann/json.hpp"

namespace pivot {
namespace {

constexpr absl::string_view kReasonUrl = "pivot/reason";
constexpr absl::string_view kFieldUrl = "pivot/field";
constexpr size_t kMaxMessageBytes = 4096;

std::string Payload(const absl::Status& status, absl::string_view url) {
  const auto payload = status.GetPayload(url);
  return payload.has_value() ? std::string(*payload) : std::string();
}

std::string StringOr(const nlohmann::json& json, const char* key, std::string fallback) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::move(fallback);
}

}  // namespace

absl::Status WithReason(absl::Status status, absl::string_view reason, absl::string_view field) {
  status.SetPayload(kReasonUrl, absl::Cord(reason));
  if (!field.empty()) status.SetPayload(kFieldUrl, absl::Cord(field));
  return status;
}

std::string ReasonOf(const absl::Status& status) {
  const std::string reason = Payload(status, kReasonUrl);
  return reason.empty() ? CodeName(status.code()) : reason;
}

std::string FieldOf(const absl::Status& status) { return Payload(status, kFieldUrl); }

nlohmann::json StatusToJson(const absl::Status& status) {
  const absl::string_view message = status.message().substr(0, kMaxMessageBytes);
  nlohmann::json json{
      {"code", CodeName(status.code())}, {"reason", ReasonOf(status)}, {"message", std::string(message)}};
  const std::string field = FieldOf(status);
  if (!field.empty()) json["field"] = field;
  return json;
}

absl::Status StatusFromJson(const nlohmann::json& json) {
  if (!json.is_object()) return absl::InternalError("an error without a description");
  const std::string code_name = StringOr(json, "code", "INTERNAL");
  absl::StatusCode code = absl::StatusCode::kInternal;
  for (int i = 1; i <= static_cast<int>(absl::StatusCode::kUnauthenticated); ++i) {
    if (CodeName(static_cast<absl::StatusCode>(i)) == code_name) code = static_cast<absl::StatusCode>(i);
  }
  return WithReason(absl::Status(code, StringOr(json, "message", "no message")), StringOr(json, "reason", code_name),
                    StringOr(json, "field", ""));
}

std::string CodeName(absl::StatusCode code) { return absl::StatusCodeToString(code); }

}  // namespace pivot
