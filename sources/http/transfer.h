// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SOURCES_HTTP_TRANSFER_H_
#define PIVOT_SOURCES_HTTP_TRANSFER_H_

// One request over HTTP(S) and what comes back, by libcurl.

#include <cstdint>
#include <curl/curl.h>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace pivot::http {

/// Bytes [begin, end) of a file.
struct Range {
  int64_t begin = 0;
  int64_t end = 0;
};

enum class Method { kGet, kHead };

struct Request {
  std::string url;
  Method method = Method::kGet;
  /// Sent as "Authorization: Bearer"; empty: none. Redirects are not followed, so it goes to the host of `url` only.
  std::string token;
  std::optional<Range> range;
};

struct Settings {
  absl::Duration connect_timeout = absl::Seconds(10);
  /// Of silence in an answer, or before it.
  absl::Duration stall_timeout = absl::Seconds(30);
  /// A file and a folder of certificates; empty: the system's.
  std::string ca_file;
  std::string ca_folder;
};

/// Status line and fields, these with names in lower case.
struct Head {
  int status = 0;
  std::map<std::string, std::string, std::less<>> fields;

  /// "" when there is no such field.
  std::string Field(absl::string_view name) const;
};

/// Once per process, before other threads.
void StartHttp();

/// For one thread. Certificates are checked, compression is not asked for.
class Transfer {
 public:
  /// Called with every part of an answer's body. What is not OK ends the transfer.
  using OnBody = std::function<absl::Status(const Head& head, absl::string_view bytes)>;

  Transfer(Request request, const Settings& settings, OnBody on_body);
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;
  ~Transfer();

  CURL* handle() const { return handle_; }
  const Request& request() const { return request_; }
  /// Of the last answer.
  const Head& head() const { return head_; }

  /// What became of it once libcurl is done with `code`: OK when a whole answer came, of whatever status; what the
  /// callback returned; kUnavailable when the connection failed or fell silent; kFailedPrecondition when the server's
  /// certificate is not to be trusted. Messages name the host only.
  absl::Status Outcome(CURLcode code) const;

 private:
  static size_t OnHeaderLine(char* data, size_t size, size_t count, void* self);
  static size_t OnBytes(char* data, size_t size, size_t count, void* self);
  void Configure(const Settings& settings);
  void TakeHeaderLine(absl::string_view line);

  const Request request_;
  const OnBody on_body_;
  CURL* handle_;
  curl_slist* fields_ = nullptr;
  Head head_;
  absl::Status refused_;
  char error_[CURL_ERROR_SIZE] = {};
};

}  // namespace pivot::http

#endif  // PIVOT_SOURCES_HTTP_TRANSFER_H_
