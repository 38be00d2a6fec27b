// SPDX-License-Identifier: Apache-2.0
#include "client/credentials.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "client/exit_code.h"
#include "proto/status/status_macros.h"

namespace pivot::client {
namespace {

constexpr size_t kMaxTokenBytes = 4096;

absl::StatusOr<std::string> ReadSmallFile(const std::string& path, absl::string_view flag) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (file) text << file.rdbuf();
  if (file && !text.str().empty()) return text.str();
  return UsageError(absl::StrCat(flag, " ", path, " cannot be read, or is empty"), flag);
}

absl::StatusOr<std::string> ReadPem(const std::string& path, absl::string_view flag) {
  if (path.empty()) return "";
  PIVOT_ASSIGN_OR_RETURN(std::string pem, ReadSmallFile(path, flag));
  if (absl::StrContains(pem, "-----BEGIN ")) return pem;
  return UsageError(absl::StrCat(flag, " ", path, " is not in PEM form (-----BEGIN ...)"), flag);
}

absl::StatusOr<std::string> ReadToken(const std::string& path) {
  const absl::string_view source = path.empty() ? "PIVOT_TOKEN" : "--token-file";
  std::string text;
  if (!path.empty()) {
    PIVOT_ASSIGN_OR_RETURN(text, ReadSmallFile(path, source));
  } else if (const char* value = std::getenv("PIVOT_TOKEN")) {
    text = value;
  }
  std::string token(absl::StripAsciiWhitespace(text));
  const bool printable =
      std::all_of(token.begin(), token.end(), [](unsigned char c) { return absl::ascii_isgraph(c); });
  if (printable && token.size() <= kMaxTokenBytes && (path.empty() || !token.empty())) return token;
  return UsageError(absl::StrCat(source, " holds no token: one word of printable ASCII characters is expected"),
                    source);
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeTls(const ServerAddress& server) {
  if (server.tls_cert.empty() != server.tls_key.empty()) {
    return UsageError("--tls-cert and --tls-key go together: a certificate and its key", "--tls-cert");
  }
  grpc::SslCredentialsOptions options;
  PIVOT_ASSIGN_OR_RETURN(options.pem_root_certs, ReadPem(server.tls_ca, "--tls-ca"));
  PIVOT_ASSIGN_OR_RETURN(options.pem_cert_chain, ReadPem(server.tls_cert, "--tls-cert"));
  PIVOT_ASSIGN_OR_RETURN(options.pem_private_key, ReadPem(server.tls_key, "--tls-key"));
  return grpc::SslCredentials(options);
}

}  // namespace

bool IsLoopback(absl::string_view address) {
  const absl::string_view host = address.substr(0, address.rfind(':'));
  in_addr ipv4{};
  if (inet_pton(AF_INET, std::string(host).c_str(), &ipv4) == 1) return (ntohl(ipv4.s_addr) >> 24) == 127;
  return host == "localhost" || host == "[::1]";
}

absl::StatusOr<ClientCredentials> MakeCredentials(const ServerAddress& server) {
  ClientCredentials credentials;
  PIVOT_ASSIGN_OR_RETURN(credentials.token, ReadToken(server.token_file));
  const bool is_unix = absl::StartsWith(server.address, "unix:");
  if (is_unix && !(server.tls_cert.empty() && server.tls_key.empty())) {
    return UsageError("a Unix socket has no TLS: leave out --tls-cert and --tls-key", "--tls-cert");
  }
  if (is_unix || (IsLoopback(server.address) && !server.has_tls_files())) {
    credentials.channel = grpc::InsecureChannelCredentials();
    return credentials;
  }
  PIVOT_ASSIGN_OR_RETURN(credentials.channel, MakeTls(server));
  return credentials;
}

}  // namespace pivot::client
