// SPDX-License-Identifier: Apache-2.0
#include "server/handlers/stream_slots.h"

#include "absl/strings/str_cat.h"

#include "server/errors.h"

namespace pivot {

absl::StatusOr<StreamSlot> StreamSlots::Take(StreamKind kind, const std::string& principal) {
  const bool watches = kind == StreamKind::kWatch;
  const int64_t of_server = watches ? limits_.watchers : limits_.data_streams;
  const int64_t of_principal = watches ? limits_.watchers_per_principal : limits_.data_streams_per_principal;
  const std::lock_guard lock(mutex_);
  Count& count = CountOf(kind);
  if (count.all >= of_server) return TooManyStreams(of_server);
  if (!principal.empty()) {
    int64_t& own = count.of_principal[principal];
    if (own >= of_principal) {
      return QuotaExceeded(absl::StrCat(principal, " has ", own, watches ? " watches" : " downloads",
                                        " open, the most that one may have; end one, or try again later"));
    }
    ++own;
  }
  ++count.all;
  // The pointer only says that there is a slot.
  return StreamSlot(this, [this, kind, principal](void* /*slots*/) { Free(kind, principal); });
}

void StreamSlots::Free(StreamKind kind, const std::string& principal) {
  const std::lock_guard lock(mutex_);
  Count& count = CountOf(kind);
  --count.all;
  const auto own = count.of_principal.find(principal);
  if (own != count.of_principal.end() && --own->second == 0) count.of_principal.erase(own);
}

}  // namespace pivot
