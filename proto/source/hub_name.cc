// SPDX-License-Identifier: Apache-2.0
#include "proto/source/hub_name.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

#include "proto/files/manifest.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

constexpr size_t kMaxPartBytes = 96;
constexpr size_t kMaxRevisionBytes = 255;
constexpr size_t kCommitDigits = 40;
constexpr absl::string_view kDefaultRevision = "main";

bool IsWordCharacter(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_'; }
bool IsNameCharacter(char c) { return IsWordCharacter(c) || c == '-' || c == '.'; }

absl::Status Invalid(absl::string_view text, absl::string_view fault) {
  return WithReason(
      absl::InvalidArgumentError(absl::StrCat(text, " is not a model of the hub: ", fault,
                                              "; it is written hf://ORG/NAME, hf://ORG/NAME@REVISION or, for one GGUF "
                                              "file, hf://ORG/NAME/FILE.gguf")),
      "INVALID_HUB_NAME");
}

bool IsPartOfName(absl::string_view part) {
  const bool fits = !part.empty() && part.size() <= kMaxPartBytes;
  return fits && IsWordCharacter(part.front()) && IsWordCharacter(part.back()) &&
         std::all_of(part.begin(), part.end(), IsNameCharacter) && !absl::StrContains(part, "--") &&
         !absl::StrContains(part, "..") && !absl::EndsWith(part, ".git");
}

/// It becomes a path below refs/ and a part of addresses.
bool IsRevision(absl::string_view revision) {
  const bool is_plain = std::all_of(revision.begin(), revision.end(),
                                    [](char c) { return IsNameCharacter(c) || c == '/' || c == '+' || c == '='; });
  if (!is_plain || revision.empty() || revision.size() > kMaxRevisionBytes || !IsSafeRelativePath(revision)) {
    return false;
  }
  const std::vector<absl::string_view> parts = absl::StrSplit(revision, '/');
  return std::all_of(parts.begin(), parts.end(), [](absl::string_view part) {
    return part.front() != '.' && part.front() != '-' && part.back() != '.' && !absl::StrContains(part, "..") &&
           !absl::EndsWith(part, ".lock");
  });
}

/// Length of refs/pr/N or refs/convert/NAME at the front, else 0.
size_t LengthOfSpecialRef(absl::string_view text) {
  for (const absl::string_view prefix : {"refs/pr/", "refs/convert/"}) {
    if (absl::StartsWith(text, prefix)) return std::min(text.find('/', prefix.size()), text.size());
  }
  return 0;
}

absl::StatusOr<HubName> Parse(absl::string_view whole, absl::string_view body) {
  HubName name;
  // The repository's name has no '@', so the first one begins the revision.
  const size_t at = body.find('@');
  std::vector<absl::string_view> parts = absl::StrSplit(body.substr(0, at), '/');
  const size_t name_parts = at != absl::string_view::npos ? parts.size() : std::min<size_t>(parts.size(), 2);
  if (name_parts > 2) return Invalid(whole, "a name has at most two parts, ORG/NAME");
  for (size_t i = 0; i < name_parts; ++i) {
    if (!IsPartOfName(parts[i])) {
      return Invalid(whole, absl::StrCat("\"", parts[i],
                                         "\" must be 1 to 96 letters, digits, '-', '_' and '.', begin and end with a "
                                         "letter or digit, and have no \"--\" and no \"..\""));
    }
    absl::StrAppend(&name.repo, i == 0 ? "" : "/", parts[i]);
  }
  absl::string_view rest;
  if (at == absl::string_view::npos) {
    rest = parts.size() > 2 ? body.substr(name.repo.size() + 1) : "";
    if (parts.size() > 2 && rest.empty()) return Invalid(whole, "it ends in '/'");
  } else {
    const absl::string_view tail = body.substr(at + 1);
    const size_t special = LengthOfSpecialRef(tail);
    const size_t length = special > 0 ? special : std::min(tail.find('/'), tail.size());
    name.revision = absl::StrReplaceAll(tail.substr(0, length), {{"%2F", "/"}, {"%2f", "/"}});
    if (name.revision.empty()) return Invalid(whole, "nothing follows the '@'");
    if (!IsRevision(name.revision)) return Invalid(whole, absl::StrCat(name.revision, " cannot be a revision"));
    if (length < tail.size()) rest = tail.substr(length + 1);
    if (length < tail.size() && rest.empty()) return Invalid(whole, "it ends in '/'");
  }
  if (rest.empty()) return name;
  if (!absl::EndsWithIgnoreCase(rest, ".gguf") || !IsSafeRelativePath(rest)) {
    return Invalid(whole, absl::StrCat("\"", rest, "\" is not the path of a GGUF file"));
  }
  name.file = std::string(rest);
  return name;
}

}  // namespace

bool IsHubUri(absl::string_view text) { return absl::StartsWith(text, kHubScheme); }

absl::StatusOr<HubName> ParseHubUri(absl::string_view text) {
  absl::string_view body = text;
  if (!absl::ConsumePrefix(&body, kHubScheme)) return Invalid(text, "it does not begin with hf://");
  for (const absl::string_view type : {"datasets/", "spaces/", "kernels/", "buckets/"}) {
    if (absl::StartsWith(body, type)) {
      return Invalid(text, absl::StrCat("it names one of the hub's ", absl::StripSuffix(type, "/")));
    }
  }
  absl::ConsumePrefix(&body, "models/");
  return Parse(text, body);
}

absl::StatusOr<HubName> ParseBareHubName(absl::string_view text) {
  const absl::string_view repo = text.substr(0, text.find('@'));
  if (std::count(repo.begin(), repo.end(), '/') != 1) return Invalid(text, "without hf:// it must be ORG/NAME");
  return Parse(text, text);
}

std::string HubUri(const HubName& name) {
  std::string uri = absl::StrCat(kHubScheme, name.repo);
  if (name.revision != kDefaultRevision) {
    const bool is_special = LengthOfSpecialRef(name.revision) == name.revision.size();
    absl::StrAppend(&uri, "@", is_special ? name.revision : absl::StrReplaceAll(name.revision, {{"/", "%2F"}}));
  }
  if (!name.file.empty()) absl::StrAppend(&uri, "/", name.file);
  return uri;
}

bool IsCommit(absl::string_view revision) {
  return revision.size() == kCommitDigits && std::all_of(revision.begin(), revision.end(), [](unsigned char c) {
           return absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f');
         });
}

}  // namespace pivot
