// SPDX-License-Identifier: Apache-2.0
#include "client/commands/flags.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <limits>

#include "CLI/App.hpp"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "client/exit_code.h"
#include "client/source_paths.h"

namespace pivot::client {
namespace {

constexpr absl::Duration kMaxTimeLimit = absl::Hours(365 * 24);

struct SizeUnit {
  absl::string_view name;
  int64_t bytes;
};
constexpr std::array<SizeUnit, 10> kSizeUnits = {{{"", 1},
                                                  {"B", 1},
                                                  {"kB", 1'000},
                                                  {"MB", 1'000'000},
                                                  {"GB", 1'000'000'000},
                                                  {"TB", 1'000'000'000'000},
                                                  {"KiB", int64_t{1} << 10},
                                                  {"MiB", int64_t{1} << 20},
                                                  {"GiB", int64_t{1} << 30},
                                                  {"TiB", int64_t{1} << 40}}};

}  // namespace

void AddOutputFlags(CLI::App& app, OutputFlags* flags) {
  app.add_flag("--json", flags->json, "one JSON object a line on standard output");
  app.add_flag("-q,--quiet", flags->quiet, "no progress, no messages but errors");
  app.add_flag("-v,--verbose", flags->verbose, "more of both");
}

void AddServerFlag(CLI::App& app, ServerAddress* server) {
  app.add_option("--server", server->address, "a running server: HOST:PORT or unix:PATH")->envname("PIVOT_SERVER");
  app.add_option("--token-file", server->token_file, "file with the token to show it (default: the one in PIVOT_TOKEN)")
      ->envname("PIVOT_TOKEN_FILE");
  app.add_option("--tls-ca", server->tls_ca, "PEM file of what signs its certificate (default: what the system trusts)")
      ->envname("PIVOT_TLS_CA");
  app.add_option("--tls-cert", server->tls_cert, "PEM file of your own certificate, with --tls-key")
      ->envname("PIVOT_TLS_CERT");
  app.add_option("--tls-key", server->tls_key, "PEM file of its private key")->envname("PIVOT_TLS_KEY");
}

void AddDeviceFlag(CLI::App& app, std::string* device) {
  app.add_option("--device", *device, "auto, cpu or cuda:N (auto: a GPU where there is one)");
}

void AddDtypeFlag(CLI::App& app, std::string* dtype) {
  app.add_option("--dtype", *dtype, "arithmetic of the forward passes: auto, float32 or bfloat16");
}

absl::StatusOr<int64_t> ParseAutoOr(absl::string_view flag, const std::string& text, int64_t max) {
  if (text == "auto") return 0;
  int64_t value = 0;
  if (absl::SimpleAtoi(text, &value) && value >= 1 && value <= max) return value;
  return UsageError(absl::StrCat(flag, " is \"", text, "\"; allowed: auto, or a whole number from 1 to ", max), flag);
}

absl::Status CheckRange(absl::string_view flag, double value, double min, double max) {
  if (value >= min && value <= max) return absl::OkStatus();
  return UsageError(absl::StrCat(flag, " is ", value, "; allowed: ", min, " to ", max), flag);
}

absl::Status NoSuchChoice(absl::string_view flag, absl::string_view text, const std::string& allowed) {
  return UsageError(absl::StrCat(flag, " is \"", text, "\"; allowed: ", allowed), flag);
}

absl::StatusOr<v1::ComputeDtype> ParseDtype(const std::string& text) {
  return ParseChoice<v1::ComputeDtype>("--dtype", text,
                                       {{"auto", v1::COMPUTE_DTYPE_UNSPECIFIED},
                                        {"float32", v1::COMPUTE_DTYPE_FLOAT32},
                                        {"bfloat16", v1::COMPUTE_DTYPE_BFLOAT16}});
}

absl::StatusOr<v1::Format> ParseFormat(const std::string& text) {
  return ParseChoice<v1::Format>("--format", text,
                                 {{"compressed-tensors", v1::FORMAT_COMPRESSED_TENSORS},
                                  {"gptq", v1::FORMAT_GPTQ},
                                  {"gptq_v2", v1::FORMAT_GPTQ_V2},
                                  {"bf16", v1::FORMAT_BF16},
                                  {"both", v1::FORMAT_BOTH},
                                  {"gguf", v1::FORMAT_GGUF},
                                  {"fp8", v1::FORMAT_FP8},
                                  {"nvfp4", v1::FORMAT_NVFP4},
                                  {"mxfp4", v1::FORMAT_MXFP4},
                                  {"mixed_gptq", v1::FORMAT_MIXED_GPTQ}});
}

absl::StatusOr<int64_t> ParseSize(absl::string_view flag, const std::string& text) {
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  int64_t number = 0;
  const bool is_number = absl::SimpleAtoi(text.substr(0, digits), &number) && number >= 1;
  const auto unit = std::find_if(kSizeUnits.begin(), kSizeUnits.end(),
                                 [&](const SizeUnit& u) { return u.name == text.substr(digits); });
  if (!is_number || unit == kSizeUnits.end() || number > std::numeric_limits<int64_t>::max() / unit->bytes) {
    return UsageError(absl::StrCat(flag, " is \"", text, "\"; allowed: a whole number of bytes, kB, MB, GB, TB, KiB, ",
                                   "MiB, GiB or TiB, as 5GB"),
                      flag);
  }
  return number * unit->bytes;
}

absl::StatusOr<absl::Duration> ParseTimeLimit(absl::string_view flag, const std::string& text) {
  absl::Duration time;
  const bool is_time = absl::ParseDuration(text, &time) && time > absl::ZeroDuration();
  if (is_time && time <= kMaxTimeLimit) return time;
  return UsageError(absl::StrCat(flag, " is \"", text, "\"; allowed: a time above 0 up to 8760h, as 90m or 1h30m"),
                    flag);
}

absl::StatusOr<std::string> ParseDevice(const std::string& text) {
  if (text == "auto") return "";
  absl::string_view number = text;
  const bool is_cuda = absl::ConsumePrefix(&number, "cuda:") && !number.empty() && number.size() <= 3 &&
                       std::all_of(number.begin(), number.end(), absl::ascii_isdigit);
  if (text == "cpu" || is_cuda) return text;
  return NoSuchChoice("--device", text, "auto, cpu, cuda:N");
}

std::string AbsoluteAsItIs(const std::string& path) {
  std::filesystem::path absolute = std::filesystem::absolute(path).lexically_normal();
  if (!absolute.has_filename() && absolute.has_relative_path()) absolute = absolute.parent_path();
  return absolute.string();
}

absl::StatusOr<std::string> TextPathFor(const std::string& server, const std::string& path, absl::string_view what) {
  if (server.empty()) return PlainFile(path, what);
  return AbsoluteAsItIs(path);
}

absl::Status CheckTextKey(absl::string_view flag, const std::string& key, const std::string& path) {
  if (key.empty() || !path.empty()) return absl::OkStatus();
  return UsageError(
      absl::StrCat(flag, " ", key, " is of a file's records, and no file is named: the built-in text has none"),
      std::string(flag));
}

absl::StatusOr<std::unique_ptr<Session>> RemoteSession(const ServerAddress& server, absl::string_view command) {
  if (!server.empty()) return Session::Remote(server);
  return UsageError(
      absl::StrCat("`pivot ", command, "` speaks to a running server: name it with --server HOST:PORT or ",
                   "--server unix:PATH, or set PIVOT_SERVER"),
      "--server");
}

}  // namespace pivot::client
