// SPDX-License-Identifier: Apache-2.0
#include "sources/http/transfer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "sources/http/url.h"

#include "proto/status/reason.h"

namespace pivot::http {
namespace {

constexpr size_t kMaxFields = 200;
constexpr size_t kMaxFieldBytes = 16384;
constexpr long kReceiveBytes = 256L * 1024;  // NOLINT(google-runtime-int): libcurl's type

bool IsTrustFault(CURLcode code) {
  return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE || code == CURLE_SSL_ISSUER_ERROR;
}

}  // namespace

std::string Head::Field(absl::string_view name) const {
  const auto found = fields.find(name);
  return found == fields.end() ? "" : found->second;
}

void StartHttp() { curl_global_init(CURL_GLOBAL_DEFAULT); }

Transfer::Transfer(Request request, const Settings& settings, OnBody on_body)
    : request_(std::move(request)), on_body_(std::move(on_body)), handle_(curl_easy_init()) {
  Configure(settings);
}

Transfer::~Transfer() {
  curl_easy_cleanup(handle_);
  curl_slist_free_all(fields_);
}

void Transfer::Configure(const Settings& settings) {
  fields_ = curl_slist_append(fields_, "Accept-Encoding: identity");
  if (!request_.token.empty()) {
    fields_ = curl_slist_append(fields_, absl::StrCat("Authorization: Bearer ", request_.token).c_str());
  }
  const auto set = [this](CURLoption option, auto value) { curl_easy_setopt(handle_, option, value); };
  set(CURLOPT_URL, request_.url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_HTTPHEADER, fields_);
  set(CURLOPT_USERAGENT, "pivot/" PIVOT_VERSION);
  set(CURLOPT_NOBODY, request_.method == Method::kHead ? 1L : 0L);
  // A connection each: several streams of one TCP connection are no faster than one.
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));  // NOLINT(google-runtime-int)
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_TCP_KEEPALIVE, 1L);
  set(CURLOPT_BUFFERSIZE, kReceiveBytes);
  set(CURLOPT_CONNECTTIMEOUT_MS, absl::ToInt64Milliseconds(settings.connect_timeout));
  set(CURLOPT_LOW_SPEED_LIMIT, 1L);
  set(CURLOPT_LOW_SPEED_TIME, std::max<int64_t>(absl::ToInt64Seconds(settings.stall_timeout), 1));
  if (request_.range.has_value()) {
    set(CURLOPT_RANGE, absl::StrCat(request_.range->begin, "-", request_.range->end - 1).c_str());
  }
  if (!settings.ca_file.empty()) set(CURLOPT_CAINFO, settings.ca_file.c_str());
  if (!settings.ca_folder.empty()) set(CURLOPT_CAPATH, settings.ca_folder.c_str());
  set(CURLOPT_ERRORBUFFER, static_cast<char*>(error_));
  set(CURLOPT_HEADERFUNCTION, &Transfer::OnHeaderLine);
  set(CURLOPT_HEADERDATA, static_cast<void*>(this));
  set(CURLOPT_WRITEFUNCTION, &Transfer::OnBytes);
  set(CURLOPT_WRITEDATA, static_cast<void*>(this));
}

size_t Transfer::OnHeaderLine(char* data, size_t size, size_t count, void* self) {
  static_cast<Transfer*>(self)->TakeHeaderLine({data, size * count});
  return size * count;
}

size_t Transfer::OnBytes(char* data, size_t size, size_t count, void* self) {
  auto* transfer = static_cast<Transfer*>(self);
  transfer->refused_ = transfer->on_body_(transfer->head_, {data, size * count});
  return transfer->refused_.ok() ? size * count : 0;
}

void Transfer::TakeHeaderLine(absl::string_view line) {
  if (absl::StartsWith(line, "HTTP/")) {  // also of an answer that only says "100 Continue", or of a proxy's
    head_ = {};
    const std::vector<absl::string_view> words = absl::StrSplit(line, absl::MaxSplits(' ', 2));
    if (words.size() < 2 || !absl::SimpleAtoi(words[1], &head_.status)) head_.status = 0;
    return;
  }
  const size_t colon = line.find(':');
  if (colon == absl::string_view::npos || head_.fields.size() >= kMaxFields || line.size() > kMaxFieldBytes) return;
  head_.fields[absl::AsciiStrToLower(line.substr(0, colon))] =
      std::string(absl::StripAsciiWhitespace(line.substr(colon + 1)));
}

absl::Status Transfer::Outcome(CURLcode code) const {
  if (code == CURLE_OK) return absl::OkStatus();
  if (!refused_.ok()) return refused_;
  const std::string host = HostOf(request_.url);
  const char* words = error_[0] != '\0' ? static_cast<const char*>(error_) : curl_easy_strerror(code);
  if (IsTrustFault(code)) {
    return WithReason(absl::FailedPreconditionError(absl::StrCat(
                          "the certificate of ", host, " is not to be trusted: ", words,
                          "; if the network has a certificate authority of its own, name its file in SSL_CERT_FILE")),
                      "HUB_UNREACHABLE");
  }
  if (code == CURLE_OPERATION_TIMEDOUT) {
    return WithReason(absl::UnavailableError(absl::StrCat(host, " fell silent: ", words)), "HUB_UNREACHABLE");
  }
  return WithReason(absl::UnavailableError(absl::StrCat("the connection to ", host, " failed: ", words)),
                    "HUB_UNREACHABLE");
}

}  // namespace pivot::http
