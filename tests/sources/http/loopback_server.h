// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_SOURCES_HTTP_LOOPBACK_SERVER_H_
#define PIVOT_TESTS_SOURCES_HTTP_LOOPBACK_SERVER_H_

// An HTTP server on the loopback interface that says exactly what it is told to, well-formed or not.

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/string_view.h"

namespace pivot::http {

struct LoopbackRequest {
  std::string method;
  std::string path;
  std::map<std::string, std::string> fields;  // names in lower case
};

/// One connection a request. For several threads.
class LoopbackServer {
 public:
  /// The bytes to send before the connection is closed. Called for one request at a time.
  using Handler = std::function<std::string(const LoopbackRequest& request)>;

  explicit LoopbackServer(Handler handler);
  LoopbackServer(const LoopbackServer&) = delete;
  LoopbackServer& operator=(const LoopbackServer&) = delete;
  ~LoopbackServer();

  /// "http://127.0.0.1:PORT".
  const std::string& address() const { return address_; }
  /// So far.
  std::vector<LoopbackRequest> requests() const;

 private:
  void Listen();
  void Serve(int connection);

  const Handler handler_;
  int listener_ = -1;
  std::string address_;
  mutable std::mutex mutex_;
  std::vector<LoopbackRequest> requests_;
  std::thread thread_;
};

/// An answer with these fields, Content-Length and body.
std::string Reply(int status, const std::map<std::string, std::string>& fields, absl::string_view body);

/// The file, or the part of it that the request asks for.
std::string FileReply(const LoopbackRequest& request, absl::string_view file);

}  // namespace pivot::http

#endif  // PIVOT_TESTS_SOURCES_HTTP_LOOPBACK_SERVER_H_
