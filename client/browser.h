// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_BROWSER_H_
#define PIVOT_CLIENT_BROWSER_H_

// Showing a file in the user's browser.

#include <string>

#include "absl/status/status.h"

namespace pivot::client {

/// Hands the file to xdg-open, wherever PATH has it, and waits only until that has failed or seems to work. Otherwise
/// kFailedPrecondition with the path, so that the user can open it.
absl::Status ShowInBrowser(const std::string& path);

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_BROWSER_H_
