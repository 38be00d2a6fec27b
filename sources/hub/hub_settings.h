// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SOURCES_HUB_HUB_SETTINGS_H_
#define PIVOT_SOURCES_HUB_HUB_SETTINGS_H_

// Where the hub is, where its cache lies, and who asks: the environment variables of huggingface_hub.

#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "sources/http/retry.h"
#include "sources/http/transfer.h"

namespace pivot::hub {

enum class Network { kAllowed, kOffline };

struct HubSettings {
  /// Without a slash at the end. HF_ENDPOINT, else https://huggingface.co.
  std::string endpoint;
  /// HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, $HF_HOME/hub, $XDG_CACHE_HOME/huggingface/hub or
  /// ~/.cache/huggingface/hub.
  std::string cache;
  /// HF_TOKEN, HUGGING_FACE_HUB_TOKEN, else the file HF_TOKEN_PATH or $HF_HOME/token (not with
  /// HF_HUB_DISABLE_IMPLICIT_TOKEN). Empty: none. Never printed.
  std::string token;
  /// "HF_TOKEN" or the file's path: for messages about the token.
  std::string token_source;
  /// HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE.
  Network network = Network::kAllowed;
  /// HF_HUB_DOWNLOAD_TIMEOUT, CURL_CA_BUNDLE, SSL_CERT_FILE, SSL_CERT_DIR.
  http::Settings http;
  http::RetryOptions retry;
};

/// The value of a variable, or nothing.
using Variables = std::function<std::optional<std::string>(const std::string& name)>;

/// kInvalidArgument INVALID_HUB_SETTING, naming the variable, when one makes no sense.
absl::StatusOr<HubSettings> SettingsFrom(const Variables& variables);

/// Of this process.
absl::StatusOr<HubSettings> SettingsFromEnvironment();

}  // namespace pivot::hub

#endif  // PIVOT_SOURCES_HUB_HUB_SETTINGS_H_
