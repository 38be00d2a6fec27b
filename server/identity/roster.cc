// SPDX-License-Identifier: Apache-2.0
#include "server/identity/roster.h"

#include <algorithm>
#include <openssl/crypto.h>
#include <optional>
#include <sys/stat.h>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

#include "proto/files/bounded_json.h"
#include "proto/status/status_macros.h"
#include "server/identity/guarded_file.h"
#include "server/names.h"

namespace pivot {
namespace {

using nlohmann::json;

constexpr int kSchema = 1;
constexpr size_t kMaxFileBytes = size_t{4} << 20;
constexpr size_t kMaxTokens = 4096;
constexpr size_t kMaxPrincipalBytes = 256;
constexpr size_t kSha256Digits = 64;
constexpr char kEverything[] = "*";
constexpr char kLocal[] = "local";

/// One object of the file, and where it is in it.
class Entry {
 public:
  Entry(const json& object, std::string where) : object_(object), where_(std::move(where)) {}

  absl::Status Fault(absl::string_view words) const {
    return absl::InvalidArgumentError(absl::StrCat(where_, " ", words));
  }

  absl::Status CheckKeys(std::initializer_list<absl::string_view> allowed) const {
    if (!object_.is_object()) return Fault("must be an object");
    for (const auto& [key, value] : object_.items()) {
      const bool known = std::find(allowed.begin(), allowed.end(), key) != allowed.end();
      if (!known) return Fault(absl::StrCat("has the key \"", key.substr(0, 80), "\", which means nothing here"));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> Text(const char* key) const {
    const auto found = object_.find(key);
    if (found != object_.end() && found->is_string()) return found->get<std::string>();
    return Fault(absl::StrCat("must have the text \"", key, "\""));
  }

  absl::StatusOr<std::string> Principal() const {
    PIVOT_ASSIGN_OR_RETURN(std::string name, Text("principal"));
    const bool printable =
        std::all_of(name.begin(), name.end(), [](unsigned char c) { return absl::ascii_isgraph(c); });
    if (!name.empty() && name.size() <= kMaxPrincipalBytes && printable && name != kLocal) return name;
    return Fault("must have a principal of 1 to 256 printable ASCII characters without spaces, and not \"local\"");
  }

 private:
  const json& object_;
  const std::string where_;
};

absl::StatusOr<absl::Time> ParseExpiry(const Entry& entry) {
  PIVOT_ASSIGN_OR_RETURN(const std::string text, entry.Text("expires"));
  if (text == "never") return absl::InfiniteFuture();
  absl::Time time;
  std::string error;
  if (absl::ParseTime(absl::RFC3339_full, text, &time, &error)) return time;
  return entry.Fault("must have \"expires\": a time like \"2027-01-31T00:00:00Z\", or \"never\"");
}

absl::StatusOr<Roster::Token> ParseToken(const json& object, std::string where) {
  const Entry entry(object, std::move(where));
  PIVOT_RETURN_IF_ERROR(entry.CheckKeys({"principal", "sha256", "expires"}));
  Roster::Token token;
  PIVOT_ASSIGN_OR_RETURN(token.principal, entry.Principal());
  if (token.principal == kEverything) return entry.Fault("must not belong to \"*\": a token has one principal");
  PIVOT_ASSIGN_OR_RETURN(token.expires, ParseExpiry(entry));
  PIVOT_ASSIGN_OR_RETURN(token.sha256, entry.Text("sha256"));
  const bool hex = std::all_of(token.sha256.begin(), token.sha256.end(),
                               [](unsigned char c) { return absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f'); });
  if (token.sha256.size() == kSha256Digits && hex) return token;
  return entry.Fault("must have a \"sha256\" of 64 lower-case hex digits");
}

/// A list that may be missing.
absl::StatusOr<const json*> FindList(const json& document, const char* key, absl::string_view path) {
  static const json empty = json::array();
  const auto found = document.find(key);
  if (found == document.end()) return &empty;
  if (found->is_array()) return &*found;
  return absl::InvalidArgumentError(absl::StrCat(path, ": \"", key, "\" must be a list"));
}

}  // namespace

absl::StatusOr<Roster> Roster::Parse(absl::string_view text, absl::string_view path) {
  PIVOT_ASSIGN_OR_RETURN(const json document, ParseJson(text, path));
  const Entry whole(document, absl::StrCat(path, ":"));
  PIVOT_RETURN_IF_ERROR(whole.CheckKeys({"schema", "tokens", "bindings"}));
  const auto schema = document.find("schema");
  if (schema == document.end() || *schema != kSchema) return whole.Fault("must have \"schema\": 1");
  PIVOT_ASSIGN_OR_RETURN(const json* tokens, FindList(document, "tokens", path));
  PIVOT_ASSIGN_OR_RETURN(const json* bindings, FindList(document, "bindings", path));
  Roster roster;
  PIVOT_RETURN_IF_ERROR(roster.AddTokens(*tokens, path));
  PIVOT_RETURN_IF_ERROR(roster.AddBindings(*bindings, path));
  return roster;
}

absl::Status Roster::AddTokens(const json& list, absl::string_view path) {
  if (list.size() > kMaxTokens)
    return absl::InvalidArgumentError(absl::StrCat(path, " has more than ", kMaxTokens, " tokens"));
  absl::flat_hash_set<std::string> seen;
  for (const json& object : list) {
    const std::string where = absl::StrCat(path, ": tokens[", tokens_.size(), "]");
    PIVOT_ASSIGN_OR_RETURN(Token token, ParseToken(object, where));
    if (!seen.insert(token.sha256).second) return absl::InvalidArgumentError(absl::StrCat(where, " is there twice"));
    tokens_.push_back(std::move(token));
  }
  return absl::OkStatus();
}

absl::Status Roster::AddBindings(const json& list, absl::string_view path) {
  size_t number = 0;
  for (const json& object : list) {
    const Entry entry(object, absl::StrCat(path, ": bindings[", number++, "]"));
    PIVOT_RETURN_IF_ERROR(entry.CheckKeys({"principal", "project", "role"}));
    PIVOT_ASSIGN_OR_RETURN(const std::string principal, entry.Principal());
    PIVOT_ASSIGN_OR_RETURN(const std::string project, entry.Text("project"));
    if (project != kEverything && !IsResourceId(project)) return entry.Fault("must have a project's id, or \"*\"");
    PIVOT_ASSIGN_OR_RETURN(const std::string name, entry.Text("role"));
    const std::optional<Role> role = ParseRole(name);
    if (!role.has_value()) return entry.Fault("must have the role viewer, submitter, operator or admin");
    grants_[principal].push_back({project, *role});
  }
  return absl::OkStatus();
}

absl::StatusOr<Roster> Roster::Read(const std::string& path) {
  PIVOT_ASSIGN_OR_RETURN(const std::string text,
                         ReadGuardedFile(path, {.forbidden_mode = S_IWGRP | S_IWOTH, .max_bytes = kMaxFileBytes}));
  return Parse(text, path);
}

const Roster::Token* Roster::FindToken(absl::string_view sha256) const {
  if (sha256.size() != kSha256Digits) return nullptr;
  const Token* found = nullptr;
  for (const Token& token : tokens_) {
    if (CRYPTO_memcmp(token.sha256.data(), sha256.data(), kSha256Digits) == 0) found = &token;
  }
  return found;
}

Reach Roster::ReachIn(absl::string_view principal, absl::string_view project, Verb verb) const {
  Reach reach = Reach::kNone;
  for (const absl::string_view name : {principal, absl::string_view(kEverything)}) {
    const auto grants = grants_.find(name);
    if (grants == grants_.end()) continue;
    for (const Grant& grant : grants->second) {
      const bool covers = project.empty() || grant.project == kEverything || grant.project == project;
      if (covers) reach = std::max(reach, ReachOf(grant.role, verb));
    }
  }
  return reach;
}

}  // namespace pivot
