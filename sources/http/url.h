// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SOURCES_HTTP_URL_H_
#define PIVOT_SOURCES_HTTP_URL_H_

// Addresses: what two of them have in common, and where a redirect leads.

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pivot::http {

/// kInvalidArgument unless it is an http or https address with a host and without a user name.
absl::Status CheckUrl(const std::string& url);

/// True when scheme, host and port are the same: what a secret for one of them may be sent to.
bool HaveSameOrigin(const std::string& a, const std::string& b);

/// The absolute address that a reply from `url` with the field Location means. kFailedPrecondition when it leaves
/// https for http, or is no address.
absl::StatusOr<std::string> FollowLocation(const std::string& url, const std::string& location);

/// Everything but letters, digits and "-._~", and the characters of `keep`, as %XX.
std::string Escape(absl::string_view text, absl::string_view keep = "");

/// The host, with the port where one is given: for messages. Addresses themselves may carry signatures.
std::string HostOf(const std::string& url);

}  // namespace pivot::http

#endif  // PIVOT_SOURCES_HTTP_URL_H_
