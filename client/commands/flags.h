// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_COMMANDS_FLAGS_H_
#define PIVOT_CLIENT_COMMANDS_FLAGS_H_

// Flags that several commands share, and reading their values.

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "pivot/v1/job.pb.h"

#include "client/server_address.h"
#include "client/session.h"
#include "client/view/reporter.h"

namespace CLI {
class App;
}

namespace pivot::client {

void AddOutputFlags(CLI::App& app, OutputFlags* flags);
/// --server, and what goes with it.
void AddServerFlag(CLI::App& app, ServerAddress* server);
void AddDeviceFlag(CLI::App& app, std::string* device);
void AddDtypeFlag(CLI::App& app, std::string* dtype);

/// 0 for "auto", else a whole number from 1 up to `max`; a usage error names the flag.
absl::StatusOr<int64_t> ParseAutoOr(absl::string_view flag, const std::string& text, int64_t max);

/// A usage error unless min <= value <= max.
absl::Status CheckRange(absl::string_view flag, double value, double min, double max);

template <typename Value>
using Choices = std::initializer_list<std::pair<absl::string_view, Value>>;

/// The usage error for a text that is none of the names.
absl::Status NoSuchChoice(absl::string_view flag, absl::string_view text, const std::string& allowed);

template <typename Value>
absl::StatusOr<Value> ParseChoice(absl::string_view flag, absl::string_view text, Choices<Value> choices) {
  std::string allowed;
  for (const auto& [name, value] : choices) {
    if (name == text) return value;
    allowed += (allowed.empty() ? "" : ", ") + std::string(name);
  }
  return NoSuchChoice(flag, text, allowed);
}

absl::StatusOr<v1::ComputeDtype> ParseDtype(const std::string& text);

/// "compressed-tensors", "gptq", "gptq_v2", "bf16", "both", "gguf", "fp8", "nvfp4", "mxfp4" or "mixed_gptq".
absl::StatusOr<v1::Format> ParseFormat(const std::string& text);

/// Bytes: a whole number, alone or with B, kB, MB, GB, TB (powers of 1000), KiB, MiB, GiB or TiB.
absl::StatusOr<int64_t> ParseSize(absl::string_view flag, const std::string& text);

/// A time above 0 up to 8760h: "90m", "1h30m".
absl::StatusOr<absl::Duration> ParseTimeLimit(absl::string_view flag, const std::string& text);

/// The device itself, "" for "auto".
absl::StatusOr<std::string> ParseDevice(const std::string& text);

/// The path from the root, with its links.
std::string AbsoluteAsItIs(const std::string& path);

/// A path as the server of the job sees it: one that exists here for a private server (server == ""), else absolute as
/// it is.
absl::StatusOr<std::string> TextPathFor(const std::string& server, const std::string& path, absl::string_view what);

/// A usage error for a key of a file that was not named.
absl::Status CheckTextKey(absl::string_view flag, const std::string& key, const std::string& path);

/// A usage error when no server was named.
absl::StatusOr<std::unique_ptr<Session>> RemoteSession(const ServerAddress& server, absl::string_view command);

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_COMMANDS_FLAGS_H_
