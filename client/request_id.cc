// SPDX-License-Identifier: Apache-2.0
#include "client/request_id.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <random>
#include <sys/stat.h>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nlohmann/json.hpp"

#include "proto/files/sha256.h"
#include "proto/json.h"

namespace pivot::client {
namespace {

constexpr char kDomain[] = "pivot request 1\n";

/// The first 128 bits of a hash in hex as a UUID of the given version (RFC 9562).
std::string UuidFromHex(std::string hex, char version) {
  constexpr absl::string_view kVariants = "89ab";
  hex[12] = version;
  const int digit = hex[16] <= '9' ? hex[16] - '0' : hex[16] - 'a' + 10;
  hex[16] = kVariants[static_cast<size_t>(digit) % kVariants.size()];
  return absl::StrCat(hex.substr(0, 8), "-", hex.substr(8, 4), "-", hex.substr(12, 4), "-", hex.substr(16, 4), "-",
                      hex.substr(20, 12));
}

/// Name, size and time of every file of a folder that can be seen from here; nothing for one that cannot.
std::string Fingerprint(const std::string& folder) {
  std::vector<std::string> lines;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    struct stat info{};
    if (stat(entry.path().c_str(), &info) != 0 || !S_ISREG(info.st_mode)) continue;
    lines.push_back(absl::StrCat(entry.path().filename().string(), "/", info.st_size, "/", info.st_mtim.tv_sec, "/",
                                 info.st_mtim.tv_nsec));
  }
  std::sort(lines.begin(), lines.end());
  return absl::StrJoin(lines, "\n");
}

}  // namespace

std::string RequestIdOf(const v1::JobSpec& spec, absl::string_view chain) {
  const std::string canonical = ToJson(spec).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  const std::string& source = spec.has_convert() ? spec.convert().source().path() : spec.compress().source().path();
  const std::string fingerprint = Fingerprint(source);
  return UuidFromHex(Sha256Of(absl::StrCat(kDomain, canonical, "\n", fingerprint, "\n", chain)), '5');
}

std::string RandomRequestId() {
  std::random_device device;
  std::string bytes;
  for (int i = 0; i < 8; ++i) absl::StrAppend(&bytes, device(), ".");
  return UuidFromHex(Sha256Of(bytes), '4');
}

}  // namespace pivot::client
