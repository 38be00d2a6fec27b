// SPDX-License-Identifier: Apache-2.0
#include "server/handlers/labels.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

#include "server/convert.h"
#include "server/errors.h"
#include "server/store/comparison.h"

namespace pivot {
namespace {

constexpr size_t kMaxLabels = 64;
constexpr size_t kMaxValueBytes = 63;
constexpr size_t kMaxShownBytes = 80;

absl::Status Fault(absl::string_view message) {
  return InvalidRequest("job.labels", absl::StrCat("job.labels: ", message));
}

}  // namespace

absl::StatusOr<std::map<std::string, std::string>> ReadLabels(const v1::Job& job) {
  if (job.labels().size() > kMaxLabels) {
    return Fault(absl::StrCat("there are ", job.labels().size(), "; allowed: ", kMaxLabels));
  }
  std::map<std::string, std::string> labels(job.labels().begin(), job.labels().end());
  for (const auto& [key, value] : labels) {
    if (!IsLabelKey(key)) {
      return Fault(absl::StrCat("the key \"", absl::CHexEscape(Utf8Head(key, kMaxShownBytes)),
                                "\" is not 1 to 63 characters of a-z, 0-9, _ . / -"));
    }
    const bool printable = std::none_of(value.begin(), value.end(),
                                        [](char c) { return absl::ascii_iscntrl(static_cast<unsigned char>(c)); });
    if (value.size() > kMaxValueBytes || !printable) {
      return Fault(absl::StrCat("the value of ", key, " is not 0 to 63 bytes without control characters"));
    }
  }
  return labels;
}

}  // namespace pivot
