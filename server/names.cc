// SPDX-License-Identifier: Apache-2.0
#include "server/names.h"

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

#include "proto/status/status_macros.h"
#include "server/errors.h"

namespace pivot {
namespace {

constexpr int kMaxCheckpointDigits = 6;

bool IsIdCharacter(char c) {
  return absl::ascii_islower(static_cast<unsigned char>(c)) || absl::ascii_isdigit(static_cast<unsigned char>(c)) ||
         c == '-';
}

uint64_t RandomBits() {
  thread_local std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

/// `literals` and ids by turns: projects/{id}/jobs/{id}. Empty when `name` does not have this form.
std::vector<std::string> IdsOf(absl::string_view name, std::initializer_list<absl::string_view> literals) {
  const std::vector<absl::string_view> parts = absl::StrSplit(name, '/');
  if (parts.size() != 2 * literals.size()) return {};
  std::vector<std::string> ids;
  for (const absl::string_view literal : literals) {
    const size_t at = 2 * ids.size();
    if (parts[at] != literal) return {};
    ids.emplace_back(parts[at + 1]);
  }
  return ids;
}

absl::Status WrongName(absl::string_view name, absl::string_view form, absl::string_view field) {
  return InvalidName(field,
                     absl::StrCat(field, " must have the form ", form, " with ids of lower-case letters, digits ",
                                  "and dashes, not \"", name.substr(0, 200), "\""));
}

}  // namespace

bool IsResourceId(absl::string_view id) {
  return !id.empty() && id.size() <= 63 && absl::ascii_islower(static_cast<unsigned char>(id[0])) && id.back() != '-' &&
         std::all_of(id.begin(), id.end(), IsIdCharacter);
}

bool IsUuid(absl::string_view text) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !absl::ascii_isxdigit(static_cast<unsigned char>(text[i]))) return false;
  }
  return true;
}

absl::StatusOr<std::string> ParseProjectName(absl::string_view name, absl::string_view field) {
  const std::vector<std::string> ids = IdsOf(name, {"projects"});
  if (ids.empty() || !IsResourceId(ids[0])) return WrongName(name, "projects/{project}", field);
  return ids[0];
}

absl::StatusOr<JobName> ParseJobName(absl::string_view name, absl::string_view field) {
  const std::vector<std::string> ids = IdsOf(name, {"projects", "jobs"});
  if (ids.empty() || !IsResourceId(ids[0]) || !IsResourceId(ids[1])) {
    return WrongName(name, "projects/{project}/jobs/{job}", field);
  }
  return JobName{ids[0], ids[1]};
}

absl::StatusOr<CheckpointName> ParseCheckpointName(absl::string_view name, absl::string_view field) {
  const std::vector<std::string> ids = IdsOf(name, {"projects", "jobs", "checkpoints"});
  int number = 0;
  const bool valid = !ids.empty() && IsResourceId(ids[0]) && IsResourceId(ids[1]) &&
                     ids[2].size() <= kMaxCheckpointDigits &&
                     std::all_of(ids[2].begin(), ids[2].end(), absl::ascii_isdigit) &&
                     absl::SimpleAtoi(ids[2], &number) && absl::StrCat(number) == ids[2];
  if (!valid) return WrongName(name, "projects/{project}/jobs/{job}/checkpoints/{number}", field);
  return CheckpointName{{ids[0], ids[1]}, number};
}

absl::string_view ProjectOfJob(absl::string_view job_name) { return job_name.substr(0, job_name.find("/jobs/")); }

std::string FormatJobName(absl::string_view project, absl::string_view job) {
  return absl::StrCat("projects/", project, "/jobs/", job);
}

std::string FormatCheckpointName(absl::string_view job_name, int number) {
  return absl::StrCat(job_name, "/checkpoints/", number);
}

std::string NewUid() {
  const auto milliseconds = static_cast<uint64_t>(absl::ToUnixMillis(absl::Now()));
  const uint64_t high = RandomBits();
  const uint64_t low = RandomBits();
  return absl::StrFormat("%08x-%04x-7%03x-%04x-%012x", milliseconds >> 16, milliseconds & 0xFFFF, high & 0xFFF,
                         0x8000 | ((high >> 12) & 0x3FFF), low & 0xFFFFFFFFFFFF);
}

std::string NewJobId() {
  constexpr absl::string_view kLetters = "0123456789abcdefghjkmnpqrstvwxyz";
  std::string id = "job-";
  uint64_t bits = RandomBits();
  for (int i = 0; i < 10; ++i, bits >>= 5) id += kLetters[bits & 31];
  return id;
}

}  // namespace pivot
