// SPDX-License-Identifier: Apache-2.0
#include "server/convert.h"

#include "absl/strings/strip.h"

namespace pivot {
namespace {

bool IsContinuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

/// Length of the character that begins `text`, or 0 when these bytes are not valid UTF-8.
size_t CharacterLength(absl::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return 1;
  const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if (!IsContinuation(text[i])) return 0;
  }
  // Overlong forms, surrogates and what lies beyond U+10FFFF show in the second byte.
  const auto second = static_cast<unsigned char>(text[1]);
  const bool overlong = (lead == 0xE0 && second < 0xA0) || (lead == 0xF0 && second < 0x90);
  const bool outside = (lead == 0xED && second >= 0xA0) || (lead == 0xF4 && second >= 0x90);
  return overlong || outside ? 0 : length;
}

}  // namespace

google::protobuf::Timestamp ToTimestamp(int64_t microseconds) {
  google::protobuf::Timestamp stamp;
  stamp.set_seconds(microseconds / 1000000);
  stamp.set_nanos(static_cast<int32_t>(microseconds % 1000000) * 1000);
  return stamp;
}

absl::Duration FromDuration(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

google::protobuf::Duration ToDuration(int64_t microseconds) {
  google::protobuf::Duration duration;
  duration.set_seconds(microseconds / 1000000);
  duration.set_nanos(static_cast<int32_t>(microseconds % 1000000) * 1000);
  return duration;
}

std::string StateText(v1::State state) {
  const std::string& name = v1::State_Name(state);
  return name.empty() ? "UNSPECIFIED" : std::string(absl::StripPrefix(name, "STATE_"));
}

std::string Utf8Tail(absl::string_view bytes, size_t max_bytes) {
  if (bytes.size() > max_bytes) {
    bytes.remove_prefix(bytes.size() - max_bytes);
    while (!bytes.empty() && IsContinuation(bytes[0])) bytes.remove_prefix(1);
  }
  std::string text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    const size_t length = CharacterLength(bytes);
    if (length == 0 || bytes[0] == '\0') {
      text += '?';
    } else {
      text.append(bytes.data(), length);
    }
    bytes.remove_prefix(length == 0 ? 1 : length);
  }
  return text;
}

std::string Utf8Head(absl::string_view text, size_t max_bytes) {
  size_t length = text.size() < max_bytes ? text.size() : max_bytes;
  while (length > 0 && length < text.size() && IsContinuation(text[length])) --length;
  return std::string(text.substr(0, length));
}

}  // namespace pivot
