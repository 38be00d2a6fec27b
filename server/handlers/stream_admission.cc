// SPDX-License-Identifier: Apache-2.0
#include "server/handlers/stream_admission.h"

#include <utility>

namespace pivot {

StreamAdmission::StreamAdmission(const Gate& gate, Credentials credentials, Verb verb, absl::string_view resource,
                                 StreamKind kind)
    : identity_(gate.identity),
      check_interval_(absl::ToChronoNanoseconds(gate.check_interval)),
      credentials_(std::move(credentials)),
      resource_(resource),
      access_(Authorize(*identity_, credentials_, verb, resource_)) {
  if (!access_.status.ok()) return;
  auto slot = gate.slots->Take(kind, identity_->asks() ? access_.principal : "");
  access_.status = slot.status();
  if (slot.ok()) slot_ = *std::move(slot);
}

absl::Status StreamAdmission::CheckAgain() {
  const auto now = Clock::now();
  if (now < checked_ + check_interval_) return absl::OkStatus();
  checked_ = now;
  return Authorize(*identity_, credentials_, access_.verb, resource_).status;
}

}  // namespace pivot
