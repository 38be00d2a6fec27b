// SPDX-License-Identifier: Apache-2.0
#include "server/store/job_filter.h"

#include <random>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "pivot/v1/job.pb.h"

#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

using ::testing::HasSubstr;
using Field = Comparison::Field;
using Operator = Comparison::Operator;

using Kind = JobFilter::Kind;

Comparison Only(absl::string_view text) {
  const auto filter = ParseJobFilter(text);
  EXPECT_OK(filter);
  if (!filter.ok() || filter->kind != Kind::kComparison) {
    ADD_FAILURE() << text << " is not one comparison";
    return {};
  }
  return filter->comparison;
}

/// With all parentheses: "(a & (b | !c))", where a comparison is its label's key.
std::string Shape(const JobFilter& filter) {
  if (filter.kind == Kind::kComparison) return filter.comparison.key;
  if (filter.kind == Kind::kNot) return "!" + Shape(filter.operands.at(0));
  std::string shape = "(";
  for (const JobFilter& operand : filter.operands) {
    if (shape.size() > 1) shape += filter.kind == Kind::kAnd ? " & " : " | ";
    shape += Shape(operand);
  }
  return shape + ")";
}

std::string ShapeOf(absl::string_view text) {
  const auto filter = ParseJobFilter(text);
  return filter.ok() ? Shape(*filter) : std::string(filter.status().message());
}

TEST(JobFilterTest, TakesEveryJobWhenEmpty) {
  EXPECT_EQ(ParseJobFilter("")->kind, Kind::kAll);
  EXPECT_EQ(ParseJobFilter(" \t ")->kind, Kind::kAll);
}

TEST(JobFilterTest, ReadsEveryField) {
  EXPECT_EQ(Only("state = RUNNING").number, v1::STATE_RUNNING);
  EXPECT_EQ(Only("state != SUSPENDED").op, Operator::kNotEqual);
  EXPECT_EQ(Only("priority>=50").number, 50);
  EXPECT_EQ(Only("priority>=50").op, Operator::kGreaterOrEqual);
  EXPECT_EQ(Only("create_time < \"1970-01-01T00:00:01.5Z\"").number, 1'500'000);
  EXPECT_EQ(Only("update_time > \"1970-01-01T01:00:00+01:00\"").number, 0);
  EXPECT_EQ(Only("update_time > \"1970-01-01T01:00:00+01:00\"").field, Field::kUpdateTime);
  const Comparison label = Only("labels.a/b.c-d_9 = vision");
  EXPECT_EQ(label.key, "a/b.c-d_9");
  EXPECT_EQ(label.text, "vision");
  const Comparison has = Only("labels:team");
  EXPECT_EQ(has.op, Operator::kHas);
  EXPECT_EQ(has.key, "team");
}

TEST(JobFilterTest, ReadsQuotedValues) {
  EXPECT_EQ(Only(R"(labels.k = "a \"b\" \\ AND c")").text, R"(a "b" \ AND c)");
  EXPECT_EQ(Only(R"(labels.k != "")").text, "");
  EXPECT_EQ(Only("labels.k = \"π\"").text, "π");
}

TEST(JobFilterTest, BindsOrCloserThanAnd) {
  EXPECT_EQ(ShapeOf("labels:a AND labels:b OR labels:c AND labels:d"), "(a & (b | c) & d)");
  EXPECT_EQ(ShapeOf("labels:a OR labels:b AND labels:c"), "((a | b) & c)");
}

TEST(JobFilterTest, ReadsParentheses) {
  EXPECT_EQ(ShapeOf("(labels:a)"), "a");
  EXPECT_EQ(ShapeOf("((labels:a AND labels:b)) OR labels:c"), "((a & b) | c)");
  EXPECT_EQ(ShapeOf("(labels:a OR(labels:b AND labels:c))AND labels:d"), "((a | (b & c)) & d)");
  EXPECT_EQ(ShapeOf("( labels:a\tOR labels:b ) AND ( labels:c )"), "((a | b) & c)");
  EXPECT_EQ(Only("labels.k = \"(a) OR NOT b\"").text, "(a) OR NOT b");
}

TEST(JobFilterTest, BindsNotToOneComparisonOrParentheses) {
  EXPECT_EQ(ShapeOf("NOT labels:a AND labels:b"), "(!a & b)");
  EXPECT_EQ(ShapeOf("labels:a OR NOT labels:b AND -labels:c"), "((a | !b) & !c)");
  EXPECT_EQ(ShapeOf("NOT (labels:a OR labels:b)"), "!(a | b)");
  EXPECT_EQ(ShapeOf("NOT(-(labels:a AND NOT labels:b))"), "!!(a & !b)");
}

struct Fault {
  const char* text;
  const char* message;
};

class JobFilterFaultTest : public ::testing::TestWithParam<Fault> {};

TEST_P(JobFilterFaultTest, IsNamedWithItsPlace) {
  const auto filter = ParseJobFilter(GetParam().text);
  EXPECT_THAT(filter, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(GetParam().message))) << GetParam().text;
  EXPECT_EQ(ReasonOf(filter.status()), "INVALID_FILTER");
  EXPECT_EQ(FieldOf(filter.status()), "filter");
}

INSTANTIATE_TEST_SUITE_P(
    All, JobFilterFaultTest,
    ::testing::Values(
        Fault{"name = x", "character 1: 'name' is no field; allowed: state"},
        Fault{"state = QUEUED AND uid = 3", "character 20: 'uid' is no field"},
        Fault{"state = SLEEPING", "character 9: 'SLEEPING' is no state; allowed: QUEUED, RUNNING, CANCELLING"},
        Fault{"state = UNSPECIFIED", "'UNSPECIFIED' is no state"}, Fault{"state = queued", "'queued' is no state"},
        Fault{"state > QUEUED", "character 7: a state is compared with = or !="},
        Fault{"state", "character 6: an operator was expected, not the end"},
        Fault{"state =", "character 8: a value was expected, not the end"},
        Fault{"state = (QUEUED)", "character 9: a value was expected, not '('"},
        Fault{"(state = QUEUED",
              "character 16: AND, OR or the ')' to the '(' of character 1 was expected, not the end"},
        Fault{"labels:a AND (labels:b labels:c)", "character 24: AND, OR or the ')' to the '(' of character 14"},
        Fault{"(state = QUEUED))", "character 17: AND, OR or the end was expected, not ')'"},
        Fault{"()", "character 2: ')' is no field"}, Fault{"(", "character 2: the end is no field"},
        Fault{"NOT", "character 4: the end is no field"}, Fault{"NOT NOT labels:a", "character 5: 'NOT' is no field"},
        Fault{"--labels:a", "character 2: '-labels' is no field"},
        Fault{"not labels:a", "character 1: 'not' is no field"},
        Fault{"NOTlabels:a", "character 1: 'NOTlabels' is no field"},
        Fault{"labels:a AND OR labels:b", "character 14: 'OR' is no field"},
        Fault{"labels:a or labels:b", "character 10: AND, OR or the end was expected, not 'or'"},
        Fault{"state = QUEUED state = RUNNING", "character 16: AND, OR or the end was expected, not 'state'"},
        Fault{"state = QUEUED and labels:x", "AND, OR or the end was expected, not 'and'"},
        Fault{"state = QUEUED AND", "character 19: the end is no field"},
        Fault{"priority = high", "character 12: 'high' is not a whole number"},
        Fault{"priority = 99999999999999999999", "is not a whole number"},
        Fault{"priority : 5", "a priority is compared with"},
        Fault{"create_time = \"2026-01-31T12:00:00Z\"", "character 13: a time is compared with <, <=, > or >="},
        Fault{"create_time > yesterday", "'yesterday' is not a time like"},
        Fault{"create_time > \"infinite-future\"", "is not a time like"},
        Fault{"labels = x", "character 8: a label is written labels.KEY"},
        Fault{"labels.a < x", "character 10: a label is written labels.KEY"},
        Fault{"labels.a:x", "a label is written labels.KEY"}, Fault{"labels. = x", "character 1: 'labels.' has no key"},
        Fault{"labels.Team = x", "character 1: 'labels.Team' has no key"}, Fault{"labels:\"a b\"", "has no key"},
        Fault{"labels.k = \"open", "character 12: the quoted value has no end"},
        Fault{"labels.k = \"open\\", "the quoted value has no end"}),
    [](const auto& parameter) { return "fault_" + std::to_string(parameter.index); });

TEST(JobFilterTest, HasBounds) {
  EXPECT_THAT(ParseJobFilter(std::string(2049, ' ')).status().message(), HasSubstr("2049 bytes; allowed: 2048"));
  EXPECT_OK(ParseJobFilter(std::string(2048, ' ')));
  std::string many = "labels:k";
  for (int i = 1; i < 32; ++i) many += " OR labels:k";
  EXPECT_OK(ParseJobFilter(many));
  EXPECT_THAT(ParseJobFilter(many + " AND labels:k").status().message(), HasSubstr("more than 32 comparisons"));
  const auto nested = [](size_t depth) { return std::string(depth, '(') + "labels:k" + std::string(depth, ')'); };
  EXPECT_OK(ParseJobFilter(nested(16)));
  EXPECT_OK(ParseJobFilter(nested(16) + " AND " + nested(16))) << "one beside the other";
  EXPECT_THAT(ParseJobFilter(nested(17)).status().message(),
              HasSubstr("character 17: parentheses are more than 16 deep"));
  EXPECT_OK(ParseJobFilter("labels." + std::string(63, 'k') + " = x"));
  EXPECT_FALSE(ParseJobFilter("labels." + std::string(64, 'k') + " = x").ok());
}

/// Of pieces that it knows, put together at random: it must come to an answer, and refuse by the one reason.
TEST(JobFilterTest, AnswersToAnything) {
  const char* const pieces[] = {"state",       "priority",
                                "create_time", "labels.a",
                                "labels",      ":",
                                "=",           "!=",
                                "<=",          "\"",
                                "\\",          " ",
                                " AND ",       " OR ",
                                "(",           ")",
                                "\xff",        "7",
                                "QUEUED",      "\"x\"",
                                "-",           ".",
                                "NOT ",        "\t",
                                "<>",          "\"2026-01-31T12:00:00Z\""};
  std::mt19937 random(7);
  int accepted = 0;
  for (int i = 0; i < 100'000; ++i) {
    std::string text;
    for (unsigned n = random() % 9; n > 0; --n) text += pieces[random() % std::size(pieces)];
    const auto filter = ParseJobFilter(text);
    accepted += filter.ok() ? 1 : 0;
    ASSERT_EQ(ReasonOf(filter.status()), filter.ok() ? "OK" : "INVALID_FILTER") << text;
  }
  EXPECT_GT(accepted, 100) << "the pieces make sense now and then";
}

TEST(JobOrderTest, KnowsThreeColumnsBothWays) {
  EXPECT_STREQ(ParseJobOrder("")->column, "create_us");
  EXPECT_TRUE(ParseJobOrder("")->descending);
  EXPECT_FALSE(ParseJobOrder("create_time")->descending);
  EXPECT_STREQ(ParseJobOrder("priority desc")->column, "priority");
  EXPECT_TRUE(ParseJobOrder("  priority   desc ")->descending);
  EXPECT_STREQ(ParseJobOrder("update_time")->column, "update_us");
  for (const char* text : {"name", "priority asc", "priority desc desc", "priority,create_time", "desc", "uid desc"}) {
    const auto order = ParseJobOrder(text);
    EXPECT_THAT(order.status().message(), HasSubstr(text));
    EXPECT_EQ(FieldOf(order.status()), "order_by");
  }
}

}  // namespace
}  // namespace pivot
