// SPDX-License-Identifier: Apache-2.0
#include "server/names.h"

#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

TEST(NamesTest, AcceptsResourceIds) {
  for (const std::string& id : {std::string("a"), std::string("a-1"), std::string(63, 'x')})
    EXPECT_TRUE(IsResourceId(id)) << id;
}

TEST(NamesTest, RefusesWhatIsNoResourceId) {
  for (const std::string& id :
       {std::string(), std::string("A"), std::string("1a"), std::string("a-"), std::string("-a"), std::string("a_b"),
        std::string("a/b"), std::string(".."), std::string("a\0b", 3), std::string(64, 'x')}) {
    EXPECT_FALSE(IsResourceId(id)) << id;
  }
}

TEST(NamesTest, TakesNamesApart) {
  ASSERT_OK_AND_ASSIGN(const JobName job, ParseJobName("projects/p/jobs/j-1", "name"));
  EXPECT_EQ(job.project, "p");
  EXPECT_EQ(job.job, "j-1");
  ASSERT_OK_AND_ASSIGN(const CheckpointName checkpoint,
                       ParseCheckpointName("projects/p/jobs/j/checkpoints/12", "name"));
  EXPECT_EQ(checkpoint.number, 12);
  EXPECT_EQ(FormatCheckpointName(FormatJobName("p", "j"), 12), "projects/p/jobs/j/checkpoints/12");
  EXPECT_EQ(ParseProjectName("projects/p", "parent").value(), "p");
}

TEST(NamesTest, RefusesOtherForms) {
  for (const char* name :
       {"", "projects", "projects/", "projects/p/jobs", "projects/p/jobs/", "projects/p/jobs/J", "jobs/j",
        "projects/p/jobs/../x", "/projects/p/jobs/j", "projects/p/jobs/j/", "projects/p/jobs/j/checkpoints/0"}) {
    const auto parsed = ParseJobName(name, "name");
    EXPECT_THAT(parsed,
                StatusIs(absl::StatusCode::kInvalidArgument, ::testing::HasSubstr("projects/{project}/jobs/{job}")))
        << name;
    EXPECT_EQ(FieldOf(parsed.status()), "name");
    EXPECT_EQ(ReasonOf(parsed.status()), "INVALID_NAME");
  }
}

TEST(NamesTest, RefusesCheckpointNumbersThatAreNotPlain) {
  for (const char* number : {"", "-1", "+1", "01", "1x", "99999999999", "0x1", " 1"}) {
    EXPECT_FALSE(ParseCheckpointName(std::string("projects/p/jobs/j/checkpoints/") + number, "name").ok()) << number;
  }
}

TEST(NamesTest, MakesUidsThatDifferAndAreSafe) {
  std::set<std::string> uids;
  for (int i = 0; i < 1000; ++i) uids.insert(NewUid());
  EXPECT_EQ(uids.size(), 1000U);
  for (const std::string& uid : uids) EXPECT_TRUE(IsUuid(uid)) << uid;
}

TEST(NamesTest, MakesJobIdsThatAreResourceIds) {
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(IsResourceId(NewJobId()));
}

TEST(NamesTest, KnowsUuids) {
  EXPECT_TRUE(IsUuid("6F1c2a58-7d1e-4b0a-9b9e-2f6f6d0c3a11"));
  EXPECT_FALSE(IsUuid("6f1c2a58-7d1e-4b0a-9b9e-2f6f6d0c3a1"));
  EXPECT_FALSE(IsUuid("6f1c2a58-7d1e-4b0a-9b9e-2f6f6d0c3a1g"));
  EXPECT_FALSE(IsUuid("6f1c2a58x7d1e-4b0a-9b9e-2f6f6d0c3a11"));
}

}  // namespace
}  // namespace pivot
