// SPDX-License-Identifier: Apache-2.0
#include "client/private_server.h"

#include <filesystem>
#include <fstream>
#include <signal.h>
#include <string>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "client/backoff.h"
#include "client/process.h"
#include "client/session.h"
#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace pivot::client {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string Content(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// A pivotd that is a shell script. What each does is seen from the files it leaves in its data folder.
class PrivateServerTest : public ::testing::Test {
 protected:
  PrivateServerOptions OptionsFor(const std::string& script) {
    PrivateServerOptions options{.data_folder = folder_ / "data",
                                 .allow_paths = {"/a b", "/c"},
                                 .program = folder_.Write("pivotd", "#!/bin/sh\n" + script)};
    chmod(options.program.c_str(), 0755);
    return options;
  }

  /// Says ready, then waits for the end of the lifeline.
  static constexpr char kGood[] =
      "echo $$ > \"$2/pid\"; echo \"$@\" > \"$2/arguments\"\n"
      "echo \"ready unix:/some/socket\" >&4; exec 4>&-\n"
      "cat <&3 >/dev/null; echo gone > \"$2/ended\"\n";

  std::string data(const std::string& name) const { return folder_ / ("data/" + name); }

  TemporaryFolder folder_;
};

bool IsRunning(const std::string& pid_file) {
  int pid = 0;
  return absl::SimpleAtoi(Content(pid_file), &pid) && kill(pid, 0) == 0;
}

TEST_F(PrivateServerTest, IsStartedWithItsFoldersAndStopsWhenTheLifelineCloses) {
  auto server = PrivateServer::Start(OptionsFor(kGood));
  ASSERT_OK(server);
  EXPECT_EQ((*server)->address(), "unix:/some/socket");
  EXPECT_OK((*server)->CheckAlive());
  EXPECT_EQ(Content(data("arguments")),
            absl::StrCat("--data ", folder_ / "data", " --listen unix:", folder_ / "data",
                         "/pivotd.sock --lifeline-fd 3 ", "--ready-fd 4 --allow-path /a b --allow-path /c\n"));
  (*server)->Stop();
  EXPECT_EQ(Content(data("ended")), "gone\n");
  EXPECT_FALSE(IsRunning(data("pid")));
}

TEST_F(PrivateServerTest, GivesTheSentenceOfAServerThatDoesNotStart) {
  auto server = PrivateServer::Start(OptionsFor("echo 'pivotd: the port is taken' >&2; exit 1"));
  EXPECT_THAT(server, StatusIs(absl::StatusCode::kInternal, "the port is taken"));
  EXPECT_EQ(ReasonOf(server.status()), "SERVER_NOT_STARTED");
}

TEST_F(PrivateServerTest, GivesTheMessageOfALastLogLineThatIsJson) {
  std::filesystem::create_directories(folder_ / "data");
  std::ofstream(data("pivotd.log")) << "of an earlier run\n";
  auto server = PrivateServer::Start(OptionsFor(R"(echo '{"event":"failed","error":"no space left"}' >&2; exit 1)"));
  EXPECT_THAT(server, StatusIs(absl::StatusCode::kInternal, "no space left"));
}

TEST_F(PrivateServerTest, SaysHowASilentServerEnded) {
  EXPECT_THAT(PrivateServer::Start(OptionsFor("exit 7")),
              StatusIs(absl::StatusCode::kInternal, AllOf(HasSubstr("exit code 7"), HasSubstr("pivotd.log"))));
  EXPECT_THAT(PrivateServer::Start(OptionsFor("kill -9 $$")),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("signal 9 (Killed)")));
}

TEST_F(PrivateServerTest, SaysThatPivotdIsMissing) {
  PrivateServerOptions options = OptionsFor("");
  options.program = folder_ / "nowhere";
  EXPECT_THAT(PrivateServer::Start(options), StatusIs(absl::StatusCode::kNotFound, HasSubstr("pivotd is not at")));
}

TEST_F(PrivateServerTest, DoesNotWaitForEverForAServerThatIsNeverReady) {
  PrivateServerOptions options = OptionsFor("echo $$ > \"$2/pid\"; cat <&3 >/dev/null");
  options.ready_timeout = absl::Milliseconds(300);
  EXPECT_THAT(PrivateServer::Start(options),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("was not ready within 300ms")));
  EXPECT_FALSE(IsRunning(data("pid")));
}

TEST_F(PrivateServerTest, StopsWaitingWhenInterrupted) {
  PrivateServerOptions options = OptionsFor("cat <&3 >/dev/null");
  std::stop_source stop;
  stop.request_stop();
  options.stop = stop.get_token();
  EXPECT_TRUE(IsInterrupted(PrivateServer::Start(options).status()));
}

TEST_F(PrivateServerTest, NoticesThatTheServerDied) {
  auto server = PrivateServer::Start(OptionsFor("echo 'ready unix:/s' >&4; exec 4>&-; kill -11 $$"));
  ASSERT_OK(server);
  absl::Status status = (*server)->CheckAlive();
  for (int i = 0; i < 200 && status.ok(); ++i) {
    usleep(10'000);
    status = (*server)->CheckAlive();
  }
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInternal, HasSubstr("was ended by signal 11")));
}

TEST_F(PrivateServerTest, TerminatesThenKillsAServerThatDoesNotStop) {
  PrivateServerOptions options = OptionsFor(
      "trap 'echo told > \"$2/told\"' TERM; echo $$ > \"$2/pid\"\n"
      "echo 'ready unix:/s' >&4; exec 4>&-; while :; do sleep 0.02; done");
  options.terminate_after = absl::Milliseconds(100);
  options.kill_after = absl::Milliseconds(600);
  auto server = PrivateServer::Start(options);
  ASSERT_OK(server);
  (*server)->Stop();
  EXPECT_EQ(Content(data("told")), "told\n");
  EXPECT_FALSE(IsRunning(data("pid")));
}

TEST_F(PrivateServerTest, DiesWithItsClientHoweverThatDies) {
  const PrivateServerOptions options = OptionsFor(kGood);
  const pid_t client = fork();
  if (client == 0) {
    const auto server = PrivateServer::Start(options);
    raise(SIGKILL);
  }
  int wait_status = 0;
  waitpid(client, &wait_status, 0);
  ASSERT_TRUE(WIFSIGNALED(wait_status));
  for (int i = 0; i < 500 && Content(data("ended")).empty(); ++i) usleep(10'000);
  EXPECT_EQ(Content(data("ended")), "gone\n");
}

TEST_F(PrivateServerTest, PutsTheSocketElsewhereWhenThePathIsTooLongOrStrange) {
  for (const std::string& name : {std::string(100, 'x'), std::string("with space"), std::string("100%")}) {
    PrivateServerOptions options = OptionsFor(kGood);
    options.data_folder = folder_ / name;
    auto server = PrivateServer::Start(options);
    ASSERT_OK(server) << name;
    const std::string arguments = Content(options.data_folder + "/arguments");
    const size_t begin = arguments.find("unix:") + 5;
    const std::string socket = arguments.substr(begin, arguments.find(' ', begin) - begin);
    const std::string parent = std::filesystem::path(socket).parent_path();
    EXPECT_LE(socket.size(), 107U);
    EXPECT_THAT(socket, StartsWith(std::filesystem::temp_directory_path().string()));
    struct stat info{};
    ASSERT_EQ(stat(parent.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777U, 0700U);
    server->reset();
    EXPECT_FALSE(std::filesystem::exists(parent));
  }
}

TEST_F(PrivateServerTest, LeavesNothingOfATemporarySession) {
  const std::string parent = folder_ / "parent";
  std::filesystem::create_directories(parent);
  auto session = Session::Temporary(OptionsFor(kGood), parent);
  ASSERT_OK(session);
  EXPECT_TRUE((*session)->is_private());
  EXPECT_FALSE(std::filesystem::is_empty(parent));
  session->reset();
  EXPECT_TRUE(std::filesystem::is_empty(parent));
  EXPECT_FALSE(Session::Temporary(OptionsFor("exit 1"), parent).ok());
  EXPECT_TRUE(std::filesystem::is_empty(parent));
}

TEST(RunProgramTest, PassesTextThroughAProgram) {
  const auto output = RunProgram("/bin/sh", {"-c", "cat; echo words >&2; exit 3"}, std::string(200'000, 'x'), {});
  ASSERT_OK(output);
  EXPECT_EQ(output->standard_output, std::string(200'000, 'x'));
  EXPECT_EQ(output->standard_error, "words\n");
  EXPECT_EQ(DescribeExit(output->wait_status), "ended with exit code 3");
}

TEST(RunProgramTest, EndsAProgramThatPassesALimit) {
  EXPECT_THAT(RunProgram("/bin/sleep", {"100"}, "", {.timeout = absl::Milliseconds(200)}),
              StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("no answer within 200ms")));
  EXPECT_THAT(RunProgram("/bin/sh", {"-c", "while :; do echo xxxxxxxxxxxxxxx; done"}, "", {.max_output_bytes = 1000}),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("more than 1000 bytes")));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_TRUE(IsInterrupted(RunProgram("/bin/sleep", {"100"}, "", {.stop = stop.get_token()}).status()));
}

TEST(RunProgramTest, GivesNoOtherDescriptorsToTheProgram) {
  const auto output = RunProgram("/bin/sh", {"-c", "ls /proc/self/fd | tr '\\n' ' '"}, "", {});
  ASSERT_OK(output);
  EXPECT_EQ(output->standard_output, "0 1 2 3 ");  // 3 is ls's own
}

}  // namespace
}  // namespace pivot::client
