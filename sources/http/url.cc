// SPDX-License-Identifier: Apache-2.0
#include "sources/http/url.h"

#include <curl/curl.h>
#include <memory>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace pivot::http {
namespace {

struct UrlDeleter {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using Url = std::unique_ptr<CURLU, UrlDeleter>;

std::optional<std::string> PartOf(CURLU* url, CURLUPart part, unsigned flags) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK || text == nullptr) return std::nullopt;
  std::string copy = text;
  curl_free(text);
  return copy;
}

/// Null when it is none.
Url Parse(const std::string& text) {
  Url url(curl_url());
  if (curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) return nullptr;
  return url;
}

std::string OriginOf(CURLU* url) {
  return absl::StrCat(PartOf(url, CURLUPART_SCHEME, 0).value_or(""), "://",
                      absl::AsciiStrToLower(PartOf(url, CURLUPART_HOST, 0).value_or("")), ":",
                      PartOf(url, CURLUPART_PORT, CURLU_DEFAULT_PORT).value_or(""));
}

bool IsWeb(CURLU* url) {
  const std::string scheme = PartOf(url, CURLUPART_SCHEME, 0).value_or("");
  return scheme == "http" || scheme == "https";
}

}  // namespace

absl::Status CheckUrl(const std::string& text) {
  const Url url = Parse(text);
  const bool has_scheme = absl::StartsWith(text, "http://") || absl::StartsWith(text, "https://");
  if (url == nullptr || !has_scheme || !PartOf(url.get(), CURLUPART_HOST, 0).has_value()) {
    return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" is not an address as https://HOST"));
  }
  if (PartOf(url.get(), CURLUPART_USER, 0).has_value()) {
    return absl::InvalidArgumentError("an address with a user name in it is not taken: give the token as HF_TOKEN");
  }
  return absl::OkStatus();
}

bool HaveSameOrigin(const std::string& a, const std::string& b) {
  const Url first = Parse(a);
  const Url second = Parse(b);
  return first != nullptr && second != nullptr && OriginOf(first.get()) == OriginOf(second.get());
}

absl::StatusOr<std::string> FollowLocation(const std::string& url, const std::string& location) {
  const Url target = Parse(url);
  const bool was_secure = target != nullptr && PartOf(target.get(), CURLUPART_SCHEME, 0) == "https";
  const bool is_understood =
      target != nullptr && curl_url_set(target.get(), CURLUPART_URL, location.c_str(), 0) == CURLUE_OK;
  if (!is_understood || !IsWeb(target.get())) {
    return absl::FailedPreconditionError(absl::StrCat(HostOf(url), " redirects to something that is no address"));
  }
  if (was_secure && PartOf(target.get(), CURLUPART_SCHEME, 0) != "https") {
    return absl::FailedPreconditionError(
        absl::StrCat(HostOf(url), " redirects from https to http, where anybody could change what is sent"));
  }
  return PartOf(target.get(), CURLUPART_URL, 0).value_or("");
}

std::string Escape(absl::string_view text, absl::string_view keep) {
  std::string escaped;
  for (const char c : text) {
    const bool is_plain = absl::ascii_isalnum(static_cast<unsigned char>(c)) || absl::StrContains("-._~", c) ||
                          absl::StrContains(keep, c);
    if (is_plain) {
      escaped += c;
    } else {
      absl::StrAppendFormat(&escaped, "%%%02X", static_cast<unsigned char>(c));
    }
  }
  return escaped;
}

std::string HostOf(const std::string& text) {
  const Url url = Parse(text);
  if (url == nullptr) return "a server";
  const std::optional<std::string> port = PartOf(url.get(), CURLUPART_PORT, 0);
  return absl::StrCat(PartOf(url.get(), CURLUPART_HOST, 0).value_or("a server"), port.has_value() ? ":" : "",
                      port.value_or(""));
}

}  // namespace pivot::http
