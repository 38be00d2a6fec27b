// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_CONVERT_H_
#define PIVOT_SERVER_CONVERT_H_

// Between what the server keeps and what the API shows.

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "pivot/v1/job.pb.h"

namespace pivot {

/// Microseconds since 1970 UTC, the store's form of a time.
google::protobuf::Timestamp ToTimestamp(int64_t microseconds);

/// Of any value that a client may have sent.
absl::Duration FromDuration(const google::protobuf::Duration& duration);

google::protobuf::Duration ToDuration(int64_t microseconds);

/// "QUEUED" for STATE_QUEUED; "UNSPECIFIED" for a value that is not known.
std::string StateText(v1::State state);

/// The end of `bytes`, at most `max_bytes` long, as valid UTF-8: bytes that are not are replaced by '?', and a
/// character cut in two at the beginning is left out.
std::string Utf8Tail(absl::string_view bytes, size_t max_bytes);

/// The beginning of a valid UTF-8 text, at most `max_bytes` long, no character cut in two.
std::string Utf8Head(absl::string_view text, size_t max_bytes);

}  // namespace pivot

#endif  // PIVOT_SERVER_CONVERT_H_
