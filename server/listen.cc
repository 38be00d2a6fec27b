// SPDX-License-Identifier: Apache-2.0
#include "server/listen.h"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "proto/files/durable_file.h"
#include "proto/status/reason.h"
#include "server/process/unique_fd.h"

namespace pivot {
namespace {

constexpr int kMaxPort = 65535;

absl::Status Malformed(absl::string_view text) {
  return absl::InvalidArgumentError(
      absl::StrCat("an address must be unix:PATH, localhost:PORT, or a numeric HOST:PORT like 127.0.0.1:50051, ",
                   "0.0.0.0:50051 or [::1]:50051, not \"", text, "\""));
}

absl::Status Taken(const ListenAddress& address) {
  return WithReason(absl::FailedPreconditionError(
                        absl::StrCat("cannot listen on ", address.Text(address.port),
                                     ": another program listens there; stop it, or choose another address")),
                    "ADDRESS_IN_USE");
}

absl::StatusOr<ListenAddress> ParseUnix(absl::string_view path, absl::string_view text) {
  if (path.empty() || path.find('\0') != path.npos) return Malformed(text);
  std::error_code error;
  ListenAddress address{.path = std::filesystem::absolute(std::string(path), error).lexically_normal().string()};
  if (address.path.size() >= sizeof(sockaddr_un::sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat("the socket's path ", address.path, " is too long: at most ",
                                                   sizeof(sockaddr_un::sun_path) - 1,
                                                   " bytes; choose a shorter one with --listen unix:PATH"));
  }
  return address;
}

bool IsNumeric(const ListenAddress& address) {
  in6_addr bytes{};
  return inet_pton(address.kind == ListenAddress::Kind::kIpv6 ? AF_INET6 : AF_INET, address.host.c_str(), &bytes) == 1;
}

absl::Status CheckUnixFree(const ListenAddress& address) {
  struct stat info{};
  if (lstat(address.path.c_str(), &info) != 0) {
    return errno == ENOENT ? absl::OkStatus() : StatusFromErrno(errno, "cannot listen on", address.path);
  }
  if (!S_ISSOCK(info.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat("cannot listen on ", address.path,
                                                      ": something else than a socket is there; choose another path"));
  }
  const UniqueFd client(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!client.valid()) return StatusFromErrno(errno, "cannot listen on", address.path);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, address.path.c_str(), address.path.size() + 1);
  if (connect(client.get(), reinterpret_cast<const sockaddr*>(&name), sizeof(name)) == 0) return Taken(address);
  if (errno != ECONNREFUSED) return StatusFromErrno(errno, "cannot listen on", address.path);
  // Nobody is behind it: its server was killed.
  if (unlink(address.path.c_str()) != 0 && errno != ENOENT)
    return StatusFromErrno(errno, "cannot replace", address.path);
  return absl::OkStatus();
}

absl::Status CheckTcpFree(const ListenAddress& address) {
  const bool ipv6 = address.kind == ListenAddress::Kind::kIpv6;
  sockaddr_storage storage{};
  socklen_t size = 0;
  if (ipv6) {
    auto* name = reinterpret_cast<sockaddr_in6*>(&storage);
    *name = {.sin6_family = AF_INET6, .sin6_port = htons(static_cast<uint16_t>(address.port))};
    inet_pton(AF_INET6, address.host.c_str(), &name->sin6_addr);
    size = sizeof(*name);
  } else {
    auto* name = reinterpret_cast<sockaddr_in*>(&storage);
    *name = {.sin_family = AF_INET, .sin_port = htons(static_cast<uint16_t>(address.port))};
    inet_pton(AF_INET, address.host.c_str(), &name->sin_addr);
    size = sizeof(*name);
  }
  const UniqueFd server(socket(ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!server.valid()) return StatusFromErrno(errno, "cannot listen on", address.Text(address.port));
  const int on = 1;
  // As gRPC does it: connections of an earlier server that linger do not hold the port.
  setsockopt(server.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (bind(server.get(), reinterpret_cast<const sockaddr*>(&storage), size) == 0) return absl::OkStatus();
  if (errno == EADDRINUSE) return Taken(address);
  return StatusFromErrno(errno, "cannot listen on", address.Text(address.port));
}

}  // namespace

bool ListenAddress::is_local() const {
  if (kind == Kind::kUnix) return true;
  if (kind == Kind::kIpv6) return host == "::1";
  in_addr ipv4{};
  return inet_pton(AF_INET, host.c_str(), &ipv4) == 1 && (ntohl(ipv4.s_addr) >> 24) == 127;
}

std::string ListenAddress::Text(int bound_port) const {
  if (kind == Kind::kUnix) return absl::StrCat("unix:", path);
  return kind == Kind::kIpv6 ? absl::StrCat("[", host, "]:", bound_port) : absl::StrCat(host, ":", bound_port);
}

absl::StatusOr<ListenAddress> ParseListenAddress(absl::string_view text) {
  absl::string_view rest = text;
  if (absl::ConsumePrefix(&rest, "unix:")) return ParseUnix(rest, text);
  const size_t colon = text.rfind(':');
  ListenAddress address;
  const bool port = colon != text.npos && absl::SimpleAtoi(text.substr(colon + 1), &address.port) &&
                    address.port >= 0 && address.port <= kMaxPort;
  if (!port || colon == 0) return Malformed(text);
  absl::string_view host = text.substr(0, colon);
  const bool bracketed = absl::ConsumePrefix(&host, "[") && absl::ConsumeSuffix(&host, "]");
  address.kind = bracketed ? ListenAddress::Kind::kIpv6 : ListenAddress::Kind::kIpv4;
  address.host = host == "localhost" ? "127.0.0.1" : std::string(host);
  if (IsNumeric(address)) return address;
  return Malformed(text);
}

absl::Status CheckFree(const ListenAddress& address) {
  return address.kind == ListenAddress::Kind::kUnix ? CheckUnixFree(address) : CheckTcpFree(address);
}

}  // namespace pivot
