// SPDX-License-Identifier: Apache-2.0
// A new token, and the entry by which a server knows it. docs/identity.md.
#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <sys/random.h>

#include "CLI/App.hpp"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"

#include "client/commands/command.h"
#include "client/commands/flags.h"
#include "proto/files/sha256.h"
#include "proto/status/status_macros.h"

namespace pivot::client {
namespace {

struct Flags {
  std::string principal;
  std::string expires_in = "2160h";
  bool json = false;
};

absl::StatusOr<std::string> NewToken() {
  std::array<char, 32> bytes{};
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    return absl::ErrnoToStatus(errno, "the system gives no random bytes");
  }
  return absl::StrCat("pivot_", absl::WebSafeBase64Escape(absl::string_view(bytes.data(), bytes.size())));
}

absl::StatusOr<std::string> ExpiryOf(const std::string& expires_in) {
  if (expires_in == "never") return expires_in;
  PIVOT_ASSIGN_OR_RETURN(const absl::Duration lifetime, ParseTimeLimit("--expires-in", expires_in));
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::Now() + lifetime, absl::UTCTimeZone());
}

absl::Status RunToken(const Flags& flags, const Console& console) {
  nlohmann::ordered_json entry{{"principal", flags.principal}};
  PIVOT_ASSIGN_OR_RETURN(const std::string token, NewToken());
  PIVOT_ASSIGN_OR_RETURN(const std::string expires, ExpiryOf(flags.expires_in));
  entry["sha256"] = Sha256Of(token);
  entry["expires"] = expires;
  if (flags.json) {
    PrintJson({{"token", token}, {"entry", entry}}, console.out);
    return absl::OkStatus();
  }
  *console.err << "Add this to \"tokens\" in the server's identity file, and give the token to whom it is for:\n  "
               << entry.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
  *console.out << token << "\n";
  return absl::OkStatus();
}

}  // namespace

CommandAction DeclareToken(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("principal", flags->principal, "Whose token it is, as roles name him")->required();
  app.add_option("--expires-in", flags->expires_in, "How long it is good for, as 90m or 2160h, or never")
      ->capture_default_str();
  app.add_flag("--json", flags->json, "one JSON object on standard output");
  return [flags](const Console& console) { return RunToken(*flags, console); };
}

}  // namespace pivot::client
