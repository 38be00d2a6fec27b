// SPDX-License-Identifier: Apache-2.0
// The part of Store that knows who holds which device, and what lies in which folder.
#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/status/status_macros.h"
#include "server/names.h"
#include "server/store/reader.h"
#include "server/store/rows.h"
#include "server/store/store.h"

namespace pivot {

absl::StatusOr<std::vector<LeasedDevice>> Store::ReadLeases() {
  PIVOT_ASSIGN_OR_RETURN(const Reader reader, BorrowReader());
  std::vector<LeasedDevice> leases;
  Statement rows =
      reader->Query("SELECT lease.device, job.project, job.id FROM lease JOIN job ON job.uid = lease.job_uid");
  while (true) {
    PIVOT_ASSIGN_OR_RETURN(const bool row, rows.Step());
    if (!row) return leases;
    leases.push_back({rows.Bytes(0), FormatJobName(rows.Bytes(1), rows.Bytes(2))});
  }
}

absl::Status Store::AddCheckpoint(const AttemptKey& key, const CheckpointRecord& checkpoint) {
  return Write("add_checkpoint", [&](WriteBatch& batch) -> absl::Status {
    const std::string bytes = checkpoint.ref.SerializeAsString();
    PIVOT_RETURN_IF_ERROR(
        batch.database.Run("INSERT INTO checkpoint (job_uid, number, attempt, object, manifest_sha256, create_us, "
                           "checkpoint_pb) VALUES (?, ?, ?, ?, ?, ?, ?)",
                           key.job_uid, checkpoint.ref.number(), key.number, checkpoint.object,
                           checkpoint.ref.manifest_sha256(), batch.now_us, Blob{bytes}));
    v1::JobEvent event;
    *event.mutable_checkpoint_published()->mutable_checkpoint() = checkpoint.ref;
    return pivot::AppendEvent(batch, key.job_uid, std::move(event), &key);
  });
}

absl::StatusOr<CheckpointRecord> Store::ReadCheckpoint(absl::string_view job_uid, int number) {
  PIVOT_ASSIGN_OR_RETURN(const Reader reader, BorrowReader());
  Statement row =
      reader->Query("SELECT checkpoint_pb, object FROM checkpoint WHERE job_uid = ? AND number = ?", job_uid, number);
  PIVOT_ASSIGN_OR_RETURN(const bool found, row.Step());
  if (!found) return absl::NotFoundError("no such checkpoint");
  CheckpointRecord record{.object = row.Bytes(1)};
  if (!record.ref.ParseFromString(row.Bytes(0)))
    return absl::DataLossError("the database: a stored checkpoint cannot be read");
  return record;
}

absl::StatusOr<std::vector<std::string>> Store::ReadObjects() {
  PIVOT_ASSIGN_OR_RETURN(const Reader reader, BorrowReader());
  std::vector<std::string> objects;
  Statement rows = reader->Query("SELECT object FROM checkpoint");
  while (true) {
    PIVOT_ASSIGN_OR_RETURN(const bool row, rows.Step());
    if (!row) return objects;
    objects.push_back(rows.Bytes(0));
  }
}

absl::Status Store::WithStagingUses(absl::string_view staging_uid,
                                    absl::FunctionRef<absl::Status(const std::vector<StagingUse>&)> body) {
  return Write("read_staging_uses", [&](WriteBatch& batch) -> absl::Status {
    std::vector<StagingUse> uses;
    Statement rows = batch.database.Query("SELECT state, spec_pb FROM job WHERE staging_uid = ?", staging_uid);
    while (true) {
      PIVOT_ASSIGN_OR_RETURN(const bool row, rows.Step());
      if (!row) return body(uses);
      v1::JobSpec spec;
      // A spec that cannot be read counts as resumable: rather keep a folder too many than one too few.
      const bool read = spec.ParseFromString(rows.Bytes(1));
      uses.push_back({static_cast<v1::State>(rows.Integer(0)), !read || spec.has_compress()});
    }
  });
}

}  // namespace pivot
