// SPDX-License-Identifier: Apache-2.0
#include "server/store/schema.h"

#include <array>

namespace pivot {
namespace {

// Times are microseconds since 1970 UTC. Columns named *_pb hold serialized messages of pivot.v1 (google.rpc.Status for
// error_pb). States are the numbers of pivot.v1.State.
constexpr absl::string_view kVersion1 = R"sql(
CREATE TABLE project (
  id          TEXT PRIMARY KEY,
  create_us   INTEGER NOT NULL,
  last_seq    INTEGER NOT NULL DEFAULT 0          -- newest event.project_seq
) STRICT;

CREATE TABLE job (
  uid           TEXT PRIMARY KEY,
  project       TEXT NOT NULL REFERENCES project(id),
  id            TEXT NOT NULL,
  state         INTEGER NOT NULL,
  state_reason  TEXT NOT NULL DEFAULT '',
  priority      INTEGER NOT NULL,
  device        TEXT NOT NULL,                    -- as asked for: auto, cpu, cuda:0
  spec_pb       BLOB NOT NULL,
  spec_sha256   TEXT NOT NULL,
  plan_pb       BLOB,
  result_pb     BLOB,
  error_pb      BLOB,
  staging_uid   TEXT NOT NULL,                    -- whose staging folder it works in: its own, or the one it resumes
  attempt       INTEGER NOT NULL DEFAULT 0,
  last_seq      INTEGER NOT NULL DEFAULT 0,       -- newest event.seq
  create_us     INTEGER NOT NULL,
  start_us      INTEGER,
  end_us        INTEGER,
  update_us     INTEGER NOT NULL,
  UNIQUE (project, id)
) STRICT;
CREATE INDEX job_by_queue ON job (state, priority DESC, create_us);
CREATE INDEX job_by_age ON job (project, create_us DESC, uid DESC);

CREATE TABLE request (
  project         TEXT NOT NULL REFERENCES project(id),
  id              TEXT NOT NULL,
  content_sha256  TEXT NOT NULL,
  job_uid         TEXT NOT NULL REFERENCES job(uid),
  create_us       INTEGER NOT NULL,
  PRIMARY KEY (project, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE attempt (
  job_uid     TEXT NOT NULL REFERENCES job(uid),
  number      INTEGER NOT NULL,
  device      TEXT NOT NULL,
  token       INTEGER NOT NULL,                   -- the lease's fencing token
  start_us    INTEGER NOT NULL,
  end_us      INTEGER,
  attempt_pb  BLOB NOT NULL,
  PRIMARY KEY (job_uid, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE lease (
  device      TEXT PRIMARY KEY,
  token       INTEGER NOT NULL,                   -- grows with every owner, is never reused
  job_uid     TEXT REFERENCES job(uid),           -- NULL: free
  attempt     INTEGER
) STRICT;

CREATE TABLE event (
  job_uid      TEXT NOT NULL REFERENCES job(uid),
  seq          INTEGER NOT NULL,
  project      TEXT NOT NULL,
  project_seq  INTEGER NOT NULL,
  time_us      INTEGER NOT NULL,
  event_pb     BLOB NOT NULL,
  PRIMARY KEY (job_uid, seq)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX event_by_project ON event (project, project_seq);

CREATE TABLE checkpoint (
  job_uid          TEXT NOT NULL REFERENCES job(uid),
  number           INTEGER NOT NULL,
  attempt          INTEGER NOT NULL,
  object           TEXT NOT NULL UNIQUE,          -- folder below objects/
  manifest_sha256  TEXT NOT NULL,
  create_us        INTEGER NOT NULL,
  checkpoint_pb    BLOB NOT NULL,                 -- CheckpointRef
  PRIMARY KEY (job_uid, number)
) STRICT, WITHOUT ROWID;
)sql";

// Jobs that are tried once more.
constexpr absl::string_view kVersion2 = R"sql(
ALTER TABLE job ADD COLUMN retried_after INTEGER NOT NULL DEFAULT 0;  -- attempts up to this one do not count as crashes
)sql";

// Labels, etags, and requests that outlive their jobs.
constexpr absl::string_view kVersion3 = R"sql(
ALTER TABLE job ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;  -- grows with state and what clients set

CREATE TABLE label (
  job_uid  TEXT NOT NULL REFERENCES job(uid),
  key      TEXT NOT NULL,
  value    TEXT NOT NULL,
  PRIMARY KEY (job_uid, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX label_by_value ON label (key, value);
CREATE INDEX job_by_state ON job (project, state, create_us DESC, uid DESC);

CREATE TABLE kept_request (
  project         TEXT NOT NULL REFERENCES project(id),
  id              TEXT NOT NULL,
  content_sha256  TEXT NOT NULL,
  job_uid         TEXT REFERENCES job(uid),       -- NULL: deleted
  create_us       INTEGER NOT NULL,
  delete_us       INTEGER,
  PRIMARY KEY (project, id)
) STRICT, WITHOUT ROWID;
INSERT INTO kept_request SELECT project, id, content_sha256, job_uid, create_us, NULL FROM request;
DROP TABLE request;
ALTER TABLE kept_request RENAME TO request;
CREATE INDEX request_by_job ON request (job_uid);
)sql";

// What the scheduler decides by. Estimates of 0 are not known; device_class is 0 for the CPU, 1 for GPUs.
constexpr absl::string_view kVersion4 = R"sql(
ALTER TABLE job ADD COLUMN queue_us INTEGER NOT NULL DEFAULT 0;         -- when it came into the queue, the newest time
ALTER TABLE job ADD COLUMN gpu_bytes INTEGER NOT NULL DEFAULT 0;        -- estimates of its plan
ALTER TABLE job ADD COLUMN least_gpu_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN host_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN disk_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN run_us INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN most_us INTEGER;                             -- NULL: it may run for as long as it likes
ALTER TABLE job ADD COLUMN keeps_work INTEGER NOT NULL DEFAULT 0;       -- 1: goes on where it was stopped
ALTER TABLE job ADD COLUMN preemptions INTEGER NOT NULL DEFAULT 0;
UPDATE job SET queue_us = create_us;

ALTER TABLE lease ADD COLUMN host_bytes INTEGER NOT NULL DEFAULT 0;     -- reserved for its owner
ALTER TABLE lease ADD COLUMN disk_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lease ADD COLUMN run_us INTEGER NOT NULL DEFAULT 0;

CREATE TABLE usage (
  project       TEXT NOT NULL REFERENCES project(id),
  device_class  INTEGER NOT NULL,
  device_us     INTEGER NOT NULL,                 -- of attempts that have ended, decayed to as_of_us
  as_of_us      INTEGER NOT NULL,
  PRIMARY KEY (project, device_class)
) STRICT, WITHOUT ROWID;

CREATE TABLE lane (
  project   TEXT NOT NULL REFERENCES project(id),
  device    TEXT NOT NULL,                        -- as jobs ask for it
  claim_us  INTEGER NOT NULL,                     -- when such a job last got one
  PRIMARY KEY (project, device)
) STRICT, WITHOUT ROWID;

CREATE TABLE score (
  device_class  INTEGER NOT NULL,
  measure       INTEGER NOT NULL,                 -- 0 seconds, 1 GPU memory, 2 host memory
  end_us        INTEGER NOT NULL,
  permille      INTEGER NOT NULL,                 -- observed / estimated
  PRIMARY KEY (device_class, measure, end_us)
) STRICT, WITHOUT ROWID;
)sql";

// Jobs that wait, and are kept, for so long only. 1 is QUEUED.
constexpr absl::string_view kVersion5 = R"sql(
ALTER TABLE job ADD COLUMN queue_timeout_us INTEGER;              -- NULL: none
ALTER TABLE job ADD COLUMN ttl_us INTEGER;                        -- NULL: none
CREATE INDEX job_by_queue_end ON job (queue_us + queue_timeout_us) WHERE state = 1 AND queue_timeout_us IS NOT NULL;
CREATE INDEX job_by_expiry ON job (end_us + ttl_us) WHERE end_us IS NOT NULL AND ttl_us IS NOT NULL;
)sql";

// Who made a job.
constexpr absl::string_view kVersion6 = R"sql(
ALTER TABLE job ADD COLUMN creator TEXT NOT NULL DEFAULT '';      -- a principal; empty: not known
)sql";

// Long lists of jobs. Each order has an index that also holds what filters look at most, so that a scan of all jobs of
// a project reads nothing else; job.plan_pb is short from now on (a row that was written before has all of its plan
// there).
constexpr absl::string_view kVersion7 = R"sql(
CREATE TABLE plan_modules (
  job_uid     TEXT PRIMARY KEY REFERENCES job(uid),
  modules_pb  BLOB NOT NULL                         -- a Plan with its modules alone
) STRICT;

DROP INDEX job_by_age;
CREATE INDEX job_by_age ON job (project, create_us DESC, uid DESC, state, priority);
CREATE INDEX job_by_priority ON job (project, priority DESC, create_us DESC, uid DESC, state);
CREATE INDEX job_by_update ON job (project, update_us DESC, create_us DESC, uid DESC, state, priority);
DROP INDEX job_by_state;
CREATE INDEX job_by_state ON job (project, state, create_us DESC, uid DESC, priority);

-- Jobs that were deleted, in the order of their project's events. Kept as long as their requests.
CREATE TABLE deletion (
  project      TEXT NOT NULL REFERENCES project(id),
  project_seq  INTEGER NOT NULL,
  time_us      INTEGER NOT NULL,
  job_id       TEXT NOT NULL,
  job_uid      TEXT NOT NULL,
  PRIMARY KEY (project, project_seq)
) STRICT, WITHOUT ROWID;
)sql";

constexpr std::array<absl::string_view, 7> kMigrations = {kVersion1, kVersion2, kVersion3, kVersion4,
                                                          kVersion5, kVersion6, kVersion7};

}  // namespace

absl::Span<const absl::string_view> StoreMigrations() { return kMigrations; }

}  // namespace pivot
