// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_PROTO_TEXT_QUANTITY_H_
#define PIVOT_PROTO_TEXT_QUANTITY_H_

// Quantities as people read them.

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace pivot {

/// "512 B", "89.6 MB", "1.25 GB": powers of 1000, three digits.
std::string FormatBytes(int64_t bytes);

/// "0.42 s", "12 s", "3m 05s", "2h 07m".
std::string FormatSeconds(double seconds);

/// "12,345,678".
std::string FormatCount(int64_t count);

/// "4.16"; "-" for what is not finite.
std::string FormatNumber(double value, int decimals);

/// Four significant digits, for errors and divergences: "0.01234", "1.234e-07".
std::string FormatSmall(double value);

/// "91.2 %" for 0.912.
std::string FormatShare(double fraction);

/// `text` with every control character as "?": what a server or a file says must not steer the terminal.
std::string Printable(absl::string_view text);

}  // namespace pivot

#endif  // PIVOT_PROTO_TEXT_QUANTITY_H_
