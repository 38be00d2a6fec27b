// SPDX-License-Identifier: Apache-2.0
#include "sources/hub/hub_settings.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "sources/http/url.h"

#include "proto/files/durable_file.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot::hub {
namespace {

constexpr char kPublicEndpoint[] = "https://huggingface.co";
constexpr size_t kMaxTokenBytes = 4096;
constexpr int kMaxTimeoutSeconds = 3600;

absl::Status Invalid(absl::string_view name, absl::string_view fault) {
  return WithReason(absl::InvalidArgumentError(absl::StrCat("the environment variable ", name, ": ", fault)),
                    "INVALID_HUB_SETTING");
}

/// Reads variables; an empty one counts as not set.
class Reader {
 public:
  explicit Reader(const Variables& variables) : variables_(variables) {}

  std::string First(std::initializer_list<const char*> names) const {
    for (const char* name : names) {
      const std::optional<std::string> value = variables_(name);
      if (value.has_value() && !value->empty()) return *value;
    }
    return "";
  }

  bool IsTrue(const char* name) const {
    const std::string value = absl::AsciiStrToUpper(First({name}));
    return value == "1" || value == "ON" || value == "YES" || value == "TRUE";
  }

  /// With a leading ~ as the home folder, absolute.
  std::string Path(std::string path) const {
    if (path == "~" || absl::StartsWith(path, "~/")) path = First({"HOME"}) + path.substr(1);
    std::error_code error;
    std::string absolute = std::filesystem::absolute(path, error).lexically_normal().string();
    while (absolute.size() > 1 && absolute.back() == '/') absolute.pop_back();
    return absolute;
  }

 private:
  const Variables& variables_;
};

std::string HomeOf(const Reader& reader) {
  const std::string home = reader.First({"HF_HOME"});
  if (!home.empty()) return reader.Path(home);
  const std::string cache = reader.First({"XDG_CACHE_HOME"});
  return reader.Path(cache.empty() ? "~/.cache/huggingface" : cache + "/huggingface");
}

absl::Status ReadToken(const Reader& reader, const std::string& home, HubSettings* settings) {
  for (const char* name : {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}) {
    settings->token = std::string(absl::StripAsciiWhitespace(reader.First({name})));
    settings->token_source = name;
    if (!settings->token.empty()) break;
  }
  const std::string named = reader.First({"HF_TOKEN_PATH"});
  const std::string path = named.empty() ? home + "/token" : reader.Path(named);
  if (settings->token.empty() && !reader.IsTrue("HF_HUB_DISABLE_IMPLICIT_TOKEN")) {
    const auto text = ReadSmallFile(path, kMaxTokenBytes);
    if (!text.ok() && !absl::IsNotFound(text.status())) return text.status();
    settings->token = std::string(absl::StripAsciiWhitespace(text.value_or("")));
    settings->token_source = path;
  }
  // It becomes a line of a request.
  const bool is_printable = std::all_of(settings->token.begin(), settings->token.end(), absl::ascii_isgraph);
  if (is_printable) return absl::OkStatus();
  return Invalid(settings->token_source, "the token has characters that no token has");
}

absl::Status ReadTimeout(const Reader& reader, http::Settings* settings) {
  const std::string text = reader.First({"HF_HUB_DOWNLOAD_TIMEOUT"});
  if (text.empty()) return absl::OkStatus();
  int seconds = 0;
  if (!absl::SimpleAtoi(text, &seconds) || seconds < 1 || seconds > kMaxTimeoutSeconds) {
    return Invalid("HF_HUB_DOWNLOAD_TIMEOUT",
                   absl::StrCat("\"", text, "\" must be a number of seconds from 1 to ", kMaxTimeoutSeconds));
  }
  settings->stall_timeout = absl::Seconds(seconds);
  settings->connect_timeout = absl::Seconds(seconds);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<HubSettings> SettingsFrom(const Variables& variables) {
  const Reader reader(variables);
  HubSettings settings;
  settings.endpoint = reader.First({"HF_ENDPOINT"});
  if (settings.endpoint.empty()) settings.endpoint = kPublicEndpoint;
  while (absl::EndsWith(settings.endpoint, "/")) settings.endpoint.pop_back();
  const absl::Status endpoint = http::CheckUrl(settings.endpoint);
  if (!endpoint.ok()) return Invalid("HF_ENDPOINT", endpoint.message());
  const std::string home = HomeOf(reader);
  const std::string cache = reader.First({"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"});
  settings.cache = cache.empty() ? home + "/hub" : reader.Path(cache);
  PIVOT_RETURN_IF_ERROR(ReadToken(reader, home, &settings));
  const bool is_offline = reader.IsTrue("HF_HUB_OFFLINE") || reader.IsTrue("TRANSFORMERS_OFFLINE");
  if (is_offline) settings.network = Network::kOffline;
  PIVOT_RETURN_IF_ERROR(ReadTimeout(reader, &settings.http));
  settings.http.ca_file = reader.First({"CURL_CA_BUNDLE", "SSL_CERT_FILE"});
  settings.http.ca_folder = reader.First({"SSL_CERT_DIR"});
  return settings;
}

absl::StatusOr<HubSettings> SettingsFromEnvironment() {
  return SettingsFrom([](const std::string& name) -> std::optional<std::string> {
    const char* value = getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe): before other threads
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  });
}

}  // namespace pivot::hub
