// SPDX-License-Identifier: Apache-2.0
#include "client/commands/labels.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "pivot/v1/job.pb.h"

#include "client/exit_code.h"
#include "client/jobs.h"
#include "proto/status/status_macros.h"

namespace pivot::client {
namespace {

constexpr size_t kMaxKeyBytes = 63;

bool IsKeyByte(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return absl::ascii_islower(byte) || absl::ascii_isdigit(byte) || absl::StrContains("_./-", c);
}

absl::StatusOr<std::string> StateTerm(const std::string& text) {
  v1::State state = v1::STATE_UNSPECIFIED;
  const std::string name = absl::AsciiStrToUpper(text);
  if (v1::State_Parse(absl::StrCat("STATE_", name), &state) && state != v1::STATE_UNSPECIFIED) {
    return absl::StrCat("state = ", name);
  }
  std::vector<std::string> allowed;
  for (int number = 1; number <= v1::State_MAX; ++number) allowed.push_back(StateName(static_cast<v1::State>(number)));
  return UsageError(absl::StrCat("--state is \"", text, "\"; allowed: ", absl::StrJoin(allowed, ", ")), "--state");
}

absl::StatusOr<std::string> LabelTerm(const std::string& text) {
  const size_t equals = text.find('=');
  const std::string key = text.substr(0, equals);
  PIVOT_RETURN_IF_ERROR(CheckLabelKey("--label", key));
  if (equals == std::string::npos) return absl::StrCat("labels:", key);
  const std::string value = absl::StrReplaceAll(text.substr(equals + 1), {{"\\", "\\\\"}, {"\"", "\\\""}});
  return absl::StrCat("labels.", key, " = \"", value, "\"");
}

}  // namespace

absl::Status CheckLabelKey(absl::string_view flag, absl::string_view key) {
  const bool is_key = !key.empty() && key.size() <= kMaxKeyBytes && std::all_of(key.begin(), key.end(), IsKeyByte);
  if (is_key) return absl::OkStatus();
  return UsageError(absl::StrCat(flag, " has the key \"", key, "\"; allowed: 1 to 63 characters of a-z, 0-9, _ . / -"),
                    flag);
}

absl::StatusOr<std::map<std::string, std::string>> ParseLabels(const std::vector<std::string>& texts) {
  std::map<std::string, std::string> labels;
  for (const std::string& text : texts) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos) {
      return UsageError(absl::StrCat("--label is \"", text, "\"; allowed: KEY=VALUE"), "--label");
    }
    const std::string key = text.substr(0, equals);
    PIVOT_RETURN_IF_ERROR(CheckLabelKey("--label", key));
    if (!labels.emplace(key, text.substr(equals + 1)).second) {
      return UsageError(absl::StrCat("--label gives ", key, " twice"), "--label");
    }
  }
  return labels;
}

absl::StatusOr<std::string> FilterOf(const ListChoice& choice) {
  std::vector<std::string> terms;
  if (!absl::StripAsciiWhitespace(choice.filter).empty()) terms.push_back(choice.filter);
  std::vector<std::string> states;
  for (const std::string& state : choice.states) {
    PIVOT_ASSIGN_OR_RETURN(states.emplace_back(), StateTerm(state));
  }
  if (!states.empty()) terms.push_back(absl::StrJoin(states, " OR "));
  for (const std::string& label : choice.labels) {
    PIVOT_ASSIGN_OR_RETURN(terms.emplace_back(), LabelTerm(label));
  }
  return absl::StrJoin(terms, " AND ");
}

}  // namespace pivot::client
