// SPDX-License-Identifier: Apache-2.0
// What every store must do when jobs are listed.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "proto/status/reason.h"
#include "server/store/open_database.h"
#include "tests/server/store_fixture.h"

namespace pivot {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ListJobsTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    Make("low", 10, {{"team", "vision"}});
    Make("mid", 0, {{"team", "text"}, {"quick", ""}});
    Make("high", 90, {});
    Make("high2", 90, {{"odd", "a \"b\" \\ 'c' ; -- %"}});
  }

  std::string Make(const std::string& id, int priority, const std::map<std::string, std::string>& labels) {
    NewJob job = SomeJob(id, priority);
    job.labels = labels;
    return uids_[id] = Create(job);
  }

  /// Ids, in order, over all pages.
  std::vector<std::string> List(const std::string& filter, const std::string& order_by = "", int page_size = 2) {
    std::vector<std::string> ids;
    JobListing listing{.project = "p", .filter = filter, .order_by = order_by, .page_size = page_size};
    do {
      const auto page = store_->ListJobs(listing);
      EXPECT_OK(page);
      if (!page.ok()) return ids;
      for (const v1::Job& job : page->jobs) ids.push_back(job.name().substr(std::string("projects/p/jobs/").size()));
      listing.page_token = page->next_page_token;
    } while (!listing.page_token.empty());
    return ids;
  }

  std::map<std::string, std::string> uids_;
};

/// So many that lists go along their order instead of along a label or state.
class LongListTest : public ListJobsTest {
 protected:
  static constexpr int kJobs = 2500;

  void SetUp() override {
    ListJobsTest::SetUp();
    store_.reset();
    {
      ASSERT_OK_AND_ASSIGN(const auto database, OpenDatabase(folder_ / "pivot.db"));
      ASSERT_OK(database->Execute(absl::StrCat(
          "INSERT INTO job (uid, project, id, state, priority, device, spec_pb, spec_sha256, staging_uid, create_us, "
          "update_us) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ",
          kJobs, ") SELECT printf('%08x-0000-4000-8000-%012x', i, i), 'p', 'copy-' || i, CASE WHEN i % 500 = 0 THEN ",
          int{v1::STATE_FAILED}, " ELSE ", int{v1::STATE_CANCELLED},
          " END, i % 100, 'cpu', spec_pb, '', uid, i, 1000 - i % 1000 FROM n CROSS JOIN (SELECT * FROM job LIMIT 1)")));
      ASSERT_OK(database->Execute("INSERT INTO label SELECT uid, 'many', 'yes' FROM job WHERE id LIKE 'copy-%'"));
    }
    Reopen();
  }
};

TEST_F(LongListTest, GivesTheSameWhereManyHaveALabelOrState) {
  EXPECT_EQ(List("labels.many = yes", "", 1000).size(), size_t{kJobs});
  EXPECT_EQ(List("state = CANCELLED", "priority", 1000).size(), size_t{kJobs} - 5);
  EXPECT_THAT(List("labels:many AND state = FAILED"),
              ElementsAre("copy-2500", "copy-2000", "copy-1500", "copy-1000", "copy-500"));
  EXPECT_THAT(List("state = FAILED", "create_time", 1),
              ElementsAre("copy-500", "copy-1000", "copy-1500", "copy-2000", "copy-2500"));
  EXPECT_THAT(List("labels.many != yes"), ElementsAre("high2", "high", "mid", "low"));
  EXPECT_THAT(List("NOT labels:many AND priority > 50", "priority", 1), ElementsAre("high", "high2"));
  EXPECT_THAT(List("labels.team = text AND state != FAILED", "update_time desc"), ElementsAre("mid"));
  EXPECT_THAT(List("update_time > \"1970-01-01T00:00:00.000998Z\" AND labels:many"),
              ElementsAre("copy-2001", "copy-2000", "copy-1001", "copy-1000", "copy-1"));
  EXPECT_THAT(List("state = CANCELLED AND create_time < \"1970-01-01T00:00:00.000004Z\"", "create_time"),
              ElementsAre("copy-1", "copy-2", "copy-3"));
}

TEST_F(LongListTest, GoesThroughEveryOrderPageByPage) {
  for (const char* order :
       {"create_time", "create_time desc", "priority", "priority desc", "update_time", "update_time desc"}) {
    std::vector<std::string> ids = List("labels:many", order, 700);
    std::sort(ids.begin(), ids.end());
    EXPECT_EQ(std::unique(ids.begin(), ids.end()) - ids.begin(), kJobs) << order;
  }
}

TEST_F(ListJobsTest, FiltersByState) {
  ASSERT_OK(store_->SteerJob(uids_["mid"], Steer::kSuspend));
  Claim(uids_["low"]);
  EXPECT_THAT(List("state = SUSPENDED"), ElementsAre("mid"));
  EXPECT_THAT(List("state = SUSPENDED OR state = RUNNING"), ElementsAre("mid", "low"));
  EXPECT_THAT(List("state != QUEUED AND state != RUNNING"), ElementsAre("mid"));
  EXPECT_THAT(List("state = FAILED"), IsEmpty());
}

TEST_F(ListJobsTest, FiltersByLabel) {
  EXPECT_THAT(List("labels.team = vision"), ElementsAre("low"));
  EXPECT_THAT(List("labels.team != vision"), ElementsAre("high2", "high", "mid")) << "or no such label";
  EXPECT_THAT(List("labels:team"), ElementsAre("mid", "low"));
  EXPECT_THAT(List("labels.quick = \"\""), ElementsAre("mid"));
  EXPECT_THAT(List("labels:team AND labels:quick"), ElementsAre("mid"));
  EXPECT_THAT(List(R"(labels.odd = "a \"b\" \\ 'c' ; -- %")"), ElementsAre("high2"));
  EXPECT_THAT(List("labels.odd = \"' OR 1=1 --\""), IsEmpty());
}

TEST_F(ListJobsTest, FiltersByPriorityAndTime) {
  EXPECT_THAT(List("priority > 50"), ElementsAre("high2", "high"));
  EXPECT_THAT(List("priority = 50"), ElementsAre("mid")) << "the default counts as what it is";
  EXPECT_THAT(List("priority < 50 OR priority > 50 AND labels:team"), ElementsAre("low"));
  const std::string now = absl::FormatTime(absl::RFC3339_full, absl::Now() + absl::Hours(1), absl::UTCTimeZone());
  EXPECT_THAT(List("create_time < \"" + now + "\" AND update_time > \"2020-01-01T00:00:00Z\"", "", 10),
              ElementsAre("high2", "high", "mid", "low"));
  EXPECT_THAT(List("create_time > \"" + now + "\""), IsEmpty());
}

TEST_F(ListJobsTest, FiltersByAnyExpression) {
  EXPECT_THAT(List("NOT labels:team"), ElementsAre("high2", "high"));
  EXPECT_THAT(List("-(priority > 50 OR labels.team = vision)"), ElementsAre("mid"));
  EXPECT_THAT(List("(labels:team AND labels:quick) OR priority = 90 AND NOT labels:odd"), ElementsAre("high", "mid"));
  EXPECT_THAT(List("(priority = 90 AND NOT labels:odd) OR (priority < 50 AND state = QUEUED)"),
              ElementsAre("high", "low"));
  EXPECT_THAT(List("NOT (NOT (labels.team != vision))"), ElementsAre("high2", "high", "mid"));
}

TEST_F(ListJobsTest, OrdersAcrossPages) {
  EXPECT_THAT(List("", "create_time"), ElementsAre("low", "mid", "high", "high2"));
  EXPECT_THAT(List("", "priority desc", 1), ElementsAre("high2", "high", "mid", "low"));
  EXPECT_THAT(List("", "priority", 1), ElementsAre("low", "mid", "high", "high2"));
  ASSERT_OK(store_->UpdateJob(uids_["low"], "", {.priority = 1}));
  EXPECT_THAT(List("", "update_time desc"), ElementsAre("low", "high2", "high", "mid"));
}

TEST_F(ListJobsTest, BindsPageTokensToTheList) {
  const JobListing listing{.project = "p", .filter = "priority > 5", .order_by = "priority", .page_size = 1};
  const std::string token = store_->ListJobs(listing)->next_page_token;
  ASSERT_FALSE(token.empty());
  std::vector<JobListing> others(3, listing);
  others[0].filter = "priority > 6";
  others[1].order_by = "priority desc";
  others[2].project = "other";
  for (JobListing& other : others) {
    other.page_token = token;
    const auto page = store_->ListJobs(other);
    EXPECT_EQ(ReasonOf(page.status()), "INVALID_PAGE_TOKEN");
    EXPECT_THAT(page.status().message(), HasSubstr("another parent, filter or order_by"));
  }
  JobListing same = listing;
  same.page_token = token;
  same.page_size = 7;
  EXPECT_THAT(store_->ListJobs(same)->jobs, ::testing::SizeIs(3)) << "the size may change";
}

TEST_F(ListJobsTest, RefusesWhatItCannotRead) {
  EXPECT_EQ(ReasonOf(store_->ListJobs({.project = "p", .filter = "uid = 1"}).status()), "INVALID_FILTER");
  EXPECT_EQ(FieldOf(store_->ListJobs({.project = "p", .order_by = "uid"}).status()), "order_by");
}

TEST_F(ListJobsTest, TakesAsManyComparisonsAsAFilterMayHave) {
  std::string filter = "labels.team = \"vision\"";
  for (int i = 1; i < 32; ++i) absl::StrAppend(&filter, " OR labels.k", i, " = \"v", i, "\"");
  EXPECT_THAT(List(filter), ElementsAre("low"));
}

}  // namespace
}  // namespace pivot
