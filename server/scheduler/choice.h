// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_SCHEDULER_CHOICE_H_
#define PIVOT_SERVER_SCHEDULER_CHOICE_H_

// Which job runs where: pure functions.

#include <optional>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "server/scheduler/device.h"
#include "server/store/records.h"

namespace pivot {

struct Choice {
  QueuedJob job;
  Device device;
};

/// The first job of the queue (highest priority first, then oldest) one of whose devices is free, and that device.
/// "auto" means any GPU, or the CPU where there is no GPU.
std::optional<Choice> ChooseNext(absl::Span<const QueuedJob> queue, absl::Span<const Device> devices,
                                 const absl::flat_hash_set<std::string>& leased);

/// kFailedPrecondition DEVICE_NOT_FOUND when no device answers to a JobSpec's "auto", "cpu" or "cuda:N"; says which
/// there are.
absl::Status CheckDevice(absl::string_view wanted, absl::Span<const Device> devices);

}  // namespace pivot

#endif  // PIVOT_SERVER_SCHEDULER_CHOICE_H_
