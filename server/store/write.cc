// SPDX-License-Identifier: Apache-2.0
// The part of Store that commits. What several threads write at the same time goes into one transaction: a sync takes
// longer than all that a job's creation writes, and it is as long for one as for ten.
#include <algorithm>
#include <chrono>
#include <utility>

#include "proto/files/crash_point.h"
#include "proto/status/status_macros.h"
#include "server/store/rows.h"
#include "server/store/store.h"

namespace pivot {

struct Store::Writing {
  absl::string_view kind;
  absl::FunctionRef<absl::Status(WriteBatch&)> body;
  absl::Status status;
  std::vector<std::pair<std::string, v1::JobEvent>> events;
  absl::Duration commit_took;
  bool done = false;
};

absl::Status Store::Write(absl::string_view kind, absl::FunctionRef<absl::Status(WriteBatch&)> body) {
  Writing mine{.kind = kind, .body = body};
  {
    std::unique_lock lock(write_mutex_);
    waiting_writes_.push_back(&mine);
    written_.wait(lock, [&] { return mine.done || !is_writing_; });
    if (!mine.done) {
      is_writing_ = true;
      const std::vector<Writing*> group = std::exchange(waiting_writes_, {});
      lock.unlock();
      WriteGroup(group);
      lock.lock();
      is_writing_ = false;
      for (Writing* one : group) one->done = true;
      written_.notify_all();
    }
  }
  if (!mine.status.ok()) return mine.status;
  if (hooks_.commit_took) hooks_.commit_took(mine.commit_took);
  if (hooks_.committed) {
    for (const auto& [uid, event] : mine.events) hooks_.committed(uid, event);
  }
  return absl::OkStatus();
}

void Store::WriteGroup(const std::vector<Writing*>& group) {
  const absl::Status status = WriteTogether(group);
  if (status.ok()) return;
  // A full disk, or a failed sync: nothing of the transaction is there.
  for (Writing* one : group) {
    if (one->status.ok()) one->status = status;
  }
}

absl::Status Store::WriteTogether(const std::vector<Writing*>& group) {
  PIVOT_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(*writer_, Transaction::Kind::kWrite));
  int64_t last_us = last_us_;
  int64_t num_queued = num_queued_;
  bool has_work = false;
  for (Writing* one : group) {
    WriteBatch batch{*writer_, std::max(NowMicros(), last_us + 1), num_queued, {}};
    PIVOT_RETURN_IF_ERROR(group.size() == 1 ? WriteAlone(*one, batch) : WriteBesides(*one, batch));
    if (!one->status.ok()) continue;
    has_work = true;
    last_us = batch.now_us;
    num_queued = batch.num_queued;
    one->events = std::move(batch.events);
  }
  if (!has_work) return absl::OkStatus();
  for (const Writing* one : group) PIVOT_CRASH_POINT_OF("store.before_commit", one->kind);
  const auto begin = std::chrono::steady_clock::now();
  PIVOT_RETURN_IF_ERROR(transaction.Commit());
  for (const Writing* one : group) PIVOT_CRASH_POINT_OF("store.after_commit", one->kind);
  const absl::Duration took = absl::FromChrono(std::chrono::steady_clock::now() - begin);
  for (Writing* one : group) one->commit_took = took;
  last_us_ = last_us;
  num_queued_ = num_queued;
  return absl::OkStatus();
}

absl::Status Store::WriteAlone(Writing& one, WriteBatch& batch) {
  one.status = one.body(batch);
  return absl::OkStatus();
}

absl::Status Store::WriteBesides(Writing& one, WriteBatch& batch) {
  PIVOT_RETURN_IF_ERROR(writer_->Run("SAVEPOINT one"));
  one.status = one.body(batch);
  // Of what failed nothing stays. Where even that cannot be done the transaction is over, for the others too.
  if (!one.status.ok()) PIVOT_RETURN_IF_ERROR(writer_->Run("ROLLBACK TO one"));
  return writer_->Run("RELEASE one");
}

}  // namespace pivot
