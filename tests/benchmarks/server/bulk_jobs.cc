// SPDX-License-Identifier: Apache-2.0
#include "tests/benchmarks/server/bulk_jobs.h"

#include <filesystem>
#include <map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nlohmann/json.hpp"
#include "pivot/v1/job.pb.h"

#include "proto/json.h"
#include "proto/status/status_macros.h"
#include "server/store/open_database.h"
#include "server/store/store.h"

namespace pivot {
namespace {

constexpr int kBlocks = 30;
constexpr absl::string_view kUid = "printf('%08x-0000-4000-8000-%012x', i, i)";

/// Expressions over i, the copy's number from 1, for the columns of job that differ from copy to copy.
std::map<std::string, std::string> Differences(const BulkJobs& bulk) {
  const bool queued = bulk.states == BulkJobs::States::kQueued;
  const std::string state =
      queued ? absl::StrCat(int{v1::STATE_QUEUED})
             : absl::StrCat("CASE WHEN i % 100 < 90 THEN ", int{v1::STATE_SUCCEEDED}, " WHEN i % 100 < 95 THEN ",
                            int{v1::STATE_CANCELLED}, " WHEN i % 100 < 99 THEN ", int{v1::STATE_FAILED}, " ELSE ",
                            int{v1::STATE_SUSPENDED}, " END");
  return {{"uid", std::string(kUid)},
          {"staging_uid", std::string(kUid)},
          {"id", "'bulk-' || i"},
          {"state", state},
          {"priority", "i * 7919 % 101"},
          {"create_us", "create_us - i * 1000"},
          {"update_us", "update_us - (i * 7919 % 1000003) * 1000"},
          {"queue_us", "queue_us - i * 1000"},
          {"end_us", queued ? "NULL" : "create_us - i * 1000 + 500"},
          {"last_seq", absl::StrCat(bulk.events_each)}};
}

absl::StatusOr<std::vector<std::string>> ColumnsOf(Database& database, const std::string& table) {
  std::vector<std::string> columns;
  Statement rows = database.Query("SELECT name FROM pragma_table_info(?)", table);
  while (true) {
    PIVOT_ASSIGN_OR_RETURN(const bool row, rows.Step());
    if (!row) return columns;
    columns.push_back(rows.Bytes(0));
  }
}

/// INSERT INTO table (columns) SELECT, for each number from 1 to `count`.
absl::Status CopyRows(Database& database, const std::string& table,
                      const std::map<std::string, std::string>& differences, int count) {
  PIVOT_ASSIGN_OR_RETURN(const std::vector<std::string> columns, ColumnsOf(database, table));
  const std::string values = absl::StrJoin(columns, ", ", [&](std::string* out, const std::string& column) {
    const auto found = differences.find(column);
    out->append(found == differences.end() ? column : found->second);
  });
  return database.Execute(absl::StrCat("INSERT INTO ", table, " (", absl::StrJoin(columns, ", "),
                                       ") WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ",
                                       count, ") SELECT ", values, " FROM n CROSS JOIN (SELECT * FROM ", table,
                                       " LIMIT 1)"));
}

absl::Status CopyEvents(Database& database, const BulkJobs& bulk) {
  return database.Execute(absl::StrCat(
      "INSERT INTO event (job_uid, seq, project, project_seq, time_us, event_pb) WITH RECURSIVE n (i) AS (SELECT 1 "
      "UNION ALL SELECT i + 1 FROM n WHERE i < ",
      bulk.jobs, "), s (k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM s WHERE k < ", bulk.events_each, ") SELECT ", kUid,
      ", k, project, i * ", bulk.events_each, " + k, time_us, event_pb FROM n CROSS JOIN s CROSS JOIN (SELECT * FROM ",
      "event LIMIT 1); UPDATE project SET last_seq = (SELECT max(project_seq) FROM event)"));
}

absl::Status AddLabels(Database& database) {
  return database.Execute(absl::StrCat("INSERT INTO label SELECT uid, '", kCommonLabel,
                                       "', 'a' FROM job WHERE rowid % 10 = 3; INSERT INTO label SELECT uid, '",
                                       kRareLabel, "', 'x' FROM job WHERE rowid % 10000 = 7"));
}

absl::Status CreateOne(const std::string& path) {
  PIVOT_ASSIGN_OR_RETURN(const std::unique_ptr<Store> store, Store::Open(path));
  NewJob job{.project = kLoadProject, .id = "first", .max_queued = 1};
  job.spec.mutable_compress()->mutable_source()->set_path("/models/a");
  job.spec.set_device("cpu");
  v1::Plan plan;
  PIVOT_RETURN_IF_ERROR(FromJson(nlohmann::json::parse(LargePlanJson()), &plan));
  job.plan = plan;
  return store->CreateJob(job).status();
}

}  // namespace

std::string LargePlanJson() {
  nlohmann::json modules = nlohmann::json::array();
  for (int block = 0; block < kBlocks; ++block) {
    for (const char* name : {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
                             "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}) {
      modules.push_back({{"name", absl::StrCat("model.layers.", block, ".", name)},
                         {"bits", 4},
                         {"group_size", 64},
                         {"method", "gptq"},
                         {"bytes", 500000}});
    }
  }
  return nlohmann::json{{"status", "estimated"},      {"architecture", "llama"}, {"num_blocks", kBlocks},
                        {"group_size", 64},           {"total_bytes", 1000},     {"disk_bytes", 3000},
                        {"bits_per_weight", 4.25},    {"source_bytes", 4000},    {"source_digest", "00"},
                        {"peak_host_bytes", 1000000}, {"est_seconds", 60},       {"modules", modules}}
      .dump();
}

absl::Status FillDatabase(const std::string& data, const BulkJobs& bulk) {
  std::filesystem::create_directories(data);
  const std::string path = data + "/pivot.db";
  PIVOT_RETURN_IF_ERROR(CreateOne(path));
  PIVOT_ASSIGN_OR_RETURN(const std::unique_ptr<Database> database, OpenDatabase(path));
  PIVOT_RETURN_IF_ERROR(database->Execute("PRAGMA synchronous = OFF; PRAGMA cache_size = -200000"));
  PIVOT_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(*database, Transaction::Kind::kWrite));
  PIVOT_RETURN_IF_ERROR(CopyRows(*database, "job", Differences(bulk), bulk.jobs));
  PIVOT_RETURN_IF_ERROR(CopyRows(*database, "plan_modules", {{"job_uid", std::string(kUid)}}, bulk.jobs));
  PIVOT_RETURN_IF_ERROR(CopyEvents(*database, bulk));
  PIVOT_RETURN_IF_ERROR(AddLabels(*database));
  PIVOT_RETURN_IF_ERROR(transaction.Commit());
  return database->Execute("PRAGMA wal_checkpoint(TRUNCATE)");
}

}  // namespace pivot
