// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "absl/strings/ascii.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "proto/files/sha256.h"
#include "tests/client/cli_fixture.h"

namespace pivot::client {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

class TokenCommandTest : public CliTest {};

TEST_F(TokenCommandTest, WritesTheTokenApartFromWhatTheServerKeeps) {
  ASSERT_EQ(Run({"token", "anna"}), ExitCode::kDone);
  const std::string token(absl::StripAsciiWhitespace(out_));
  EXPECT_THAT(token, MatchesRegex("pivot_[A-Za-z0-9_-]{43}"));
  EXPECT_EQ(err_.find(token), std::string::npos);
  const json entry = json::parse(err_.substr(err_.find('{')));
  EXPECT_EQ(entry["principal"], "anna");
  EXPECT_EQ(entry["sha256"], Sha256Of(token));
  absl::Time expires;
  ASSERT_TRUE(absl::ParseTime(absl::RFC3339_full, entry["expires"].get<std::string>(), &expires, nullptr));
  EXPECT_GT(expires, absl::Now() + absl::Hours(89 * 24));
  EXPECT_LT(expires, absl::Now() + absl::Hours(91 * 24));
}

TEST_F(TokenCommandTest, NeverMakesTheSameTwice) {
  ASSERT_EQ(Run({"token", "anna"}), ExitCode::kDone);
  const std::string first = out_;
  ASSERT_EQ(Run({"token", "anna"}), ExitCode::kDone);
  EXPECT_NE(out_, first);
}

TEST_F(TokenCommandTest, TakesAnEnd) {
  ASSERT_EQ(Run({"token", "anna", "--expires-in", "never", "--json"}), ExitCode::kDone);
  const json object = Lines().at(0);
  EXPECT_EQ(object["entry"]["expires"], "never");
  EXPECT_EQ(object["entry"]["sha256"], Sha256Of(object["token"].get<std::string>()));
  EXPECT_EQ(Run({"token", "anna", "--expires-in", "soon"}), ExitCode::kUsage);
  EXPECT_THAT(err_, HasSubstr("--expires-in"));
}

}  // namespace
}  // namespace pivot::client
