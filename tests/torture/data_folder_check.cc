// SPDX-License-Identifier: Apache-2.0
// CheckDataFolder: a data folder that nobody uses.
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include "proto/files/durable_file.h"
#include "proto/files/manifest.h"
#include "proto/files/sha256.h"
#include "server/store/sqlite.h"
#include "tests/support/status_matchers.h"
#include "tests/torture/checker.h"

namespace pivot {
namespace {

namespace fs = std::filesystem;

struct Rule {
  const char* fault;  // what a row of the query is
  const char* query;
};

const Rule kRules[] = {
    {"events of a job without a gap",
     "SELECT uid FROM job WHERE last_seq != (SELECT count(*) FROM event WHERE job_uid = uid) OR last_seq != "
     "(SELECT coalesce(max(seq), 0) FROM event WHERE job_uid = uid)"},
    {"project_seq at least that of the newest event",
     "SELECT id FROM project WHERE last_seq < (SELECT coalesce(max(project_seq), 0) FROM event WHERE project = id)"},
    {"attempts of a job without a gap",
     "SELECT uid FROM job WHERE attempt != (SELECT count(*) FROM attempt WHERE job_uid = uid)"},
    {"a lease for an attempt that is its job's newest",
     "SELECT device FROM lease WHERE job_uid IS NOT NULL AND NOT EXISTS "
     "(SELECT 1 FROM job WHERE uid = lease.job_uid AND job.attempt = lease.attempt)"},
    {"one lease a job", "SELECT job_uid FROM lease WHERE job_uid IS NOT NULL GROUP BY job_uid HAVING count(*) > 1"},
    {"an end for every attempt but the newest",
     "SELECT job_uid FROM attempt JOIN job ON uid = job_uid WHERE attempt.end_us IS NULL AND number != job.attempt"},
    {"a request for one job",
     "SELECT job_uid FROM request WHERE job_uid IS NOT NULL GROUP BY job_uid HAVING count(*) > 1"},
    {"rows of jobs that are there",
     "SELECT job_uid FROM event UNION SELECT job_uid FROM attempt UNION SELECT job_uid FROM checkpoint UNION "
     "SELECT job_uid FROM label EXCEPT SELECT uid FROM job"},
};

std::vector<std::string> Rows(Database& database, const char* query) {
  std::vector<std::string> rows;
  Statement statement = database.Query(query);
  while (true) {
    const auto row = statement.Step();
    EXPECT_OK(row);
    if (!row.ok() || !*row) return rows;
    rows.push_back(statement.Bytes(0));
  }
}

void CheckObject(const std::string& folder, const std::string& manifest_sha256) {
  const auto text = ReadSmallFile(absl::StrCat(folder, "/", kManifestPath), size_t{1} << 20);
  ASSERT_OK(text);
  EXPECT_EQ(Sha256Of(*text), manifest_sha256) << folder;
  const auto manifest = ManifestFromJson(*text);
  ASSERT_OK(manifest);
  EXPECT_OK(CompareFolder(folder, *manifest, [&](const std::string& path, const std::string& fault) {
    ADD_FAILURE() << folder << "/" << path << " " << fault;
  }));
}

}  // namespace

void CheckDataFolder(const std::string& data) {
  auto database = Database::Open(data + "/pivot.db", Database::Mode::kReadWrite);
  ASSERT_OK(database);
  EXPECT_EQ(Rows(**database, "PRAGMA integrity_check"), std::vector<std::string>{"ok"});
  EXPECT_TRUE(Rows(**database, "PRAGMA foreign_key_check").empty());
  for (const Rule& rule : kRules) {
    for (const std::string& row : Rows(**database, rule.query)) ADD_FAILURE() << row << ": not " << rule.fault;
  }
  std::set<std::string> objects;
  Statement rows = (*database)->Query("SELECT object, manifest_sha256 FROM checkpoint");
  for (auto row = rows.Step(); row.ok() && *row; row = rows.Step()) {
    objects.insert(rows.Bytes(0));
    CheckObject(absl::StrCat(data, "/objects/", rows.Bytes(0)), rows.Bytes(1));
  }
  for (const auto& entry : fs::directory_iterator(data + "/objects")) {
    EXPECT_TRUE(objects.contains(entry.path().filename().string())) << entry.path() << " belongs to nothing";
  }
}

}  // namespace pivot
