// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "engine/page/report_page.h"
#include "proto/files/durable_file.h"
#include "tests/client/cli_fixture.h"

namespace pivot::client {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kReport[] = R"({"schema": 1, "job": "j", "plan": {"bits": 4}})";
constexpr char kPlan[] = R"({"schema": 1, "architecture": "llama", "modules": [{"name": "l.0.q", "bits": 4}]})";

/// PATH and TMPDIR are the test's own, so that no browser of this machine is started.
class ReportTest : public CliTest {
 protected:
  ReportTest() {
    setenv("PATH", (folder_ / "bin").c_str(), 1);
    std::filesystem::create_directory(folder_ / "temporary");
    setenv("TMPDIR", (folder_ / "temporary").c_str(), 1);
  }
  ~ReportTest() override {
    setenv("PATH", path_.c_str(), 1);
    unsetenv("TMPDIR");
  }

  void WriteReport() const {
    folder_.Write("model/pivot/report.json", kReport);
    folder_.Write("model/pivot/plan.json", kPlan);
  }

  /// Writes what it is told to open into a file.
  void WriteBrowser() { WriteProgram("xdg-open", absl::StrCat("echo \"$1\" >", folder_ / "opened")); }
  std::string Opened() const { return Content(folder_ / "opened"); }

  static std::string Content(const std::string& path) { return ReadSmallFile(path, 1 << 24).value_or("no file"); }
  static std::string Page() { return ReportPage(nlohmann::json::parse(kReport), nlohmann::json::parse(kPlan)); }

  std::string path_ = std::getenv("PATH");
};

TEST_F(ReportTest, PrintsTextOrJson) {
  EXPECT_EQ(Run({"report", model_}), ExitCode::kFailed);
  EXPECT_THAT(err_, HasSubstr("has no pivot/report.json"));
  WriteReport();
  EXPECT_EQ(Run({"report", model_}), ExitCode::kDone);
  EXPECT_EQ(out_, "job   j\nbits  4\n");
  EXPECT_EQ(Run({"report", model_, "--json"}), ExitCode::kDone);
  EXPECT_EQ(out_, "{\"schema\":1,\"job\":\"j\",\"plan\":{\"bits\":4}}\n");
}

TEST_F(ReportTest, PrintsThePage) {
  WriteReport();
  EXPECT_EQ(Run({"report", model_, "--html"}), ExitCode::kDone);
  EXPECT_EQ(out_, Page());
  EXPECT_THAT(out_, StartsWith("<!DOCTYPE html>"));
  EXPECT_THAT(out_, HasSubstr("l.0.q: 4 bits"));
}

TEST_F(ReportTest, PrintsAPageWithoutAPlan) {
  folder_.Write("model/pivot/report.json", kReport);
  for (const char* plan : {"", "{not JSON"}) {
    if (plan[0] != '\0') folder_.Write("model/pivot/plan.json", plan);
    EXPECT_EQ(Run({"report", model_, "--html"}), ExitCode::kDone);
    EXPECT_THAT(out_, Not(HasSubstr("l.0.q")));
  }
}

TEST_F(ReportTest, RefusesAReportThatIsNone) {
  folder_.Write("model/pivot/report.json", "[1]");
  for (const char* flag : {"--html", "--open", "--json"})
    EXPECT_EQ(Run({"report", model_, flag}), ExitCode::kDamaged) << flag;
}

TEST_F(ReportTest, OpensTheFoldersPage) {
  WriteReport();
  WriteBrowser();
  const std::string page = folder_.Write("model/pivot/report.html", Page());
  ASSERT_EQ(Run({"report", model_, "--open"}), ExitCode::kDone) << err_;
  EXPECT_EQ(out_, page + "\n");
  EXPECT_EQ(Opened(), page + "\n");
}

TEST_F(ReportTest, OpensNoPageOfSomebodyElse) {
  WriteReport();
  WriteBrowser();
  for (const bool has_page : {false, true}) {
    if (has_page) folder_.Write("model/pivot/report.html", Page() + "<script>alert(1)</script>");
    ASSERT_EQ(Run({"report", model_, "--open"}), ExitCode::kDone) << err_;
    EXPECT_THAT(Opened(), StartsWith(folder_ / "temporary/"));
    EXPECT_EQ(Opened(), out_);
    EXPECT_EQ(Content(std::string(absl::StripSuffix(out_, "\n"))), Page());
  }
}

TEST_F(ReportTest, SaysThatThereIsNoBrowser) {
  WriteReport();
  const std::string page = folder_.Write("model/pivot/report.html", Page());
  EXPECT_EQ(Run({"report", model_, "--open"}), ExitCode::kFailed);
  EXPECT_THAT(err_, HasSubstr("there is no xdg-open on PATH; open " + page));
  WriteProgram("xdg-open", "exit 3");
  EXPECT_EQ(Run({"report", model_, "--open"}), ExitCode::kFailed);
  EXPECT_THAT(err_, HasSubstr("xdg-open ended with exit code 3; open " + page));
  EXPECT_THAT(out_, IsEmpty());
}

TEST_F(ReportTest, TakesOneFormAtATime) {
  WriteReport();
  for (const auto& [one, other] : std::vector<std::pair<std::string, std::string>>{
           {"--html", "--open"}, {"--html", "--json"}, {"--open", "--json"}}) {
    EXPECT_EQ(Run({"report", model_, one, other}), ExitCode::kUsage) << one << other;
    EXPECT_THAT(err_, HasSubstr("leave out")) << err_;
  }
}

}  // namespace
}  // namespace pivot::client
