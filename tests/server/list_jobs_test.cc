// SPDX-License-Identifier: Apache-2.0
// What every store must do when jobs are listed.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "proto/status/reason.h"
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
