// SPDX-License-Identifier: Apache-2.0
#include "server/listen.h"

#include <cstring>
#include <filesystem>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "proto/status/reason.h"
#include "server/process/unique_fd.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace pivot {
namespace {

using ::testing::HasSubstr;

TEST(ListenTest, AcceptsUnixSocketsAndLoopback) {
  EXPECT_EQ(ParseListenAddress("unix:/run/pivot.sock")->Text(0), "unix:/run/pivot.sock");
  EXPECT_EQ(ParseListenAddress("unix:a/../b")->path, std::filesystem::current_path().string() + "/b");
  EXPECT_EQ(ParseListenAddress("127.0.0.1:0")->Text(5000), "127.0.0.1:5000");
  EXPECT_EQ(ParseListenAddress("127.8.8.8:80")->Text(80), "127.8.8.8:80");
  EXPECT_EQ(ParseListenAddress("localhost:50051")->Text(50051), "127.0.0.1:50051");
  EXPECT_EQ(ParseListenAddress("[::1]:50051")->Text(50051), "[::1]:50051");
}

TEST(ListenTest, KnowsWhatOthersCanReach) {
  for (const char* text : {"0.0.0.0:50051", "[::]:50051", "192.168.1.1:1", "[2001:db8::1]:5"}) {
    EXPECT_FALSE(ParseListenAddress(text)->is_local()) << text;
    EXPECT_EQ(ParseListenAddress(text)->Text(ParseListenAddress(text)->port), text);
  }
  for (const char* text : {"unix:/s", "127.0.0.1:1", "127.8.8.8:1", "localhost:1", "[::1]:1"}) {
    EXPECT_TRUE(ParseListenAddress(text)->is_local()) << text;
  }
}

TEST(ListenTest, RefusesWhatIsNoAddress) {
  for (const char* text : {"", "x", ":80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:-1",
                           "unix:", "example.com:80", "*:80", "::1:80", "[127.0.0.1]:80"}) {
    EXPECT_THAT(ParseListenAddress(text), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("unix:PATH"))) << text;
  }
  EXPECT_THAT(ParseListenAddress("unix:/" + std::string(200, 'x')),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("too long")));
}

UniqueFd ListenOn(const std::string& path) {
  UniqueFd server(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::strncpy(name.sun_path, path.c_str(), sizeof(name.sun_path) - 1);
  EXPECT_EQ(bind(server.get(), reinterpret_cast<sockaddr*>(&name), sizeof(name)), 0);
  EXPECT_EQ(listen(server.get(), 1), 0);
  return server;
}

TEST(ListenTest, ReplacesTheSocketOfADeadServerOnly) {
  const TemporaryFolder folder;
  const ListenAddress address = ParseListenAddress("unix:" + folder / "s").value();
  EXPECT_OK(CheckFree(address));
  UniqueFd living = ListenOn(folder / "s");
  const absl::Status taken = CheckFree(address);
  EXPECT_THAT(taken, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(folder / "s")));
  EXPECT_EQ(ReasonOf(taken), "ADDRESS_IN_USE");
  living.Close();
  EXPECT_TRUE(std::filesystem::exists(folder / "s"));
  EXPECT_OK(CheckFree(address));
  EXPECT_FALSE(std::filesystem::exists(folder / "s"));
}

TEST(ListenTest, LeavesAFileThatIsNoSocketAlone) {
  const TemporaryFolder folder;
  folder.Write("s", "precious");
  EXPECT_FALSE(CheckFree(ParseListenAddress("unix:" + folder / "s").value()).ok());
  EXPECT_TRUE(std::filesystem::exists(folder / "s"));
}

TEST(ListenTest, FindsATakenPort) {
  const UniqueFd server(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in name{.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof(name);
  ASSERT_EQ(bind(server.get(), reinterpret_cast<sockaddr*>(&name), size), 0);
  ASSERT_EQ(listen(server.get(), 1), 0);
  ASSERT_EQ(getsockname(server.get(), reinterpret_cast<sockaddr*>(&name), &size), 0);
  const std::string text = "127.0.0.1:" + std::to_string(ntohs(name.sin_port));
  EXPECT_THAT(CheckFree(ParseListenAddress(text).value()),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(text)));
  EXPECT_OK(CheckFree(ParseListenAddress("127.0.0.1:0").value()));
}

}  // namespace
}  // namespace pivot
