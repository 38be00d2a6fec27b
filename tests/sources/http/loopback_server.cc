// SPDX-License-Identifier: Apache-2.0
#include "tests/sources/http/loopback_server.h"

#include <arpa/inet.h>
#include <cstdio>
#include <cstdlib>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace pivot::http {
namespace {

LoopbackRequest ParseRequest(const std::string& text) {
  LoopbackRequest request;
  const std::vector<std::string> lines = absl::StrSplit(text, "\r\n");
  const std::vector<std::string> words = absl::StrSplit(lines[0], ' ');
  request.method = words[0];
  if (words.size() > 1) request.path = words[1];
  for (size_t i = 1; i < lines.size(); ++i) {
    const size_t colon = lines[i].find(": ");
    if (colon == std::string::npos) continue;
    request.fields[absl::AsciiStrToLower(lines[i].substr(0, colon))] = lines[i].substr(colon + 2);
  }
  return request;
}

}  // namespace

LoopbackServer::LoopbackServer(Handler handler) : handler_(std::move(handler)) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener_, generic, size) != 0 || listen(listener_, SOMAXCONN) != 0) std::abort();
  getsockname(listener_, generic, &size);
  address_ = absl::StrCat("http://127.0.0.1:", ntohs(address.sin_port));
  thread_ = std::thread([this] { Listen(); });
}

LoopbackServer::~LoopbackServer() {
  shutdown(listener_, SHUT_RDWR);
  thread_.join();
  close(listener_);
}

std::vector<LoopbackRequest> LoopbackServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void LoopbackServer::Listen() {
  std::vector<std::thread> threads;
  while (true) {
    const int connection = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) break;
    threads.emplace_back([this, connection] { Serve(connection); });
  }
  for (std::thread& thread : threads) thread.join();
}

void LoopbackServer::Serve(int connection) {
  std::string text;
  char buffer[4096];
  while (text.find("\r\n\r\n") == std::string::npos) {
    const ssize_t count = recv(connection, buffer, sizeof(buffer), 0);
    if (count <= 0) break;
    text.append(buffer, static_cast<size_t>(count));
  }
  std::string reply;
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back(ParseRequest(text));
    reply = handler_(requests_.back());
  }
  absl::string_view left = reply;
  while (!left.empty()) {
    const ssize_t count = send(connection, left.data(), left.size(), MSG_NOSIGNAL);
    if (count <= 0) break;
    left.remove_prefix(static_cast<size_t>(count));
  }
  shutdown(connection, SHUT_WR);
  while (recv(connection, buffer, sizeof(buffer), 0) > 0) {
  }
  close(connection);
}

std::string Reply(int status, const std::map<std::string, std::string>& fields, absl::string_view body) {
  std::string reply = absl::StrCat("HTTP/1.1 ", status, " Words\r\nConnection: close\r\n");
  for (const auto& [name, value] : fields) absl::StrAppend(&reply, name, ": ", value, "\r\n");
  return absl::StrCat(reply, "Content-Length: ", body.size(), "\r\n\r\n", body);
}

std::string FileReply(const LoopbackRequest& request, absl::string_view file) {
  const auto range = request.fields.find("range");
  long begin = 0;  // NOLINT(google-runtime-int): sscanf's type
  long last = 0;   // NOLINT(google-runtime-int)
  // NOLINTNEXTLINE(cert-err34-c): what cannot be read is no range
  if (range == request.fields.end() || sscanf(range->second.c_str(), "bytes=%ld-%ld", &begin, &last) != 2) {
    return Reply(200, {}, file);
  }
  return Reply(206, {{"Content-Range", absl::StrCat("bytes ", begin, "-", last, "/", file.size())}},
               file.substr(static_cast<size_t>(begin), static_cast<size_t>(last - begin + 1)));
}

}  // namespace pivot::http
