// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "proto/worker/frame.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

using ::nlohmann::json;
using ::testing::HasSubstr;

constexpr int kSoon = 5000;  // milliseconds; what is waited for is there already

std::pair<int, int> SocketPair() {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) std::abort();
  return {ends[0], ends[1]};
}

std::pair<int, int> Pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) std::abort();
  return {ends[0], ends[1]};
}

int OpenDescriptors() {
  const std::filesystem::directory_iterator entries("/proc/self/fd");
  return static_cast<int>(std::distance(begin(entries), end(entries)));
}

/// Sends bytes as they are, with these descriptors.
void SendRaw(int socket, std::string bytes, const std::vector<int>& descriptors = {}) {
  iovec part{bytes.data(), bytes.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(8 * sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    const size_t size = descriptors.size() * sizeof(int);
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(size);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(size);
    std::memcpy(CMSG_DATA(header), descriptors.data(), size);
  }
  ASSERT_EQ(sendmsg(socket, &message, MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
}

/// The next frame, which must be there.
absl::StatusOr<Frame> NextFrame(WorkerSocket& socket) {
  auto frame = socket.Receive(kSoon);
  if (!frame.ok()) return frame.status();
  if (!frame->has_value()) return absl::DeadlineExceededError("no frame came");
  return **frame;
}

/// Our end of the pair, and the peer's as a bare descriptor.
class WorkerSocketTest : public ::testing::Test {
 protected:
  WorkerSocketTest() : WorkerSocketTest(SocketPair()) {}
  ~WorkerSocketTest() override { ClosePeer(); }

  void ClosePeer() {
    if (peer_ >= 0) close(peer_);
    peer_ = -1;
  }

  WorkerSocket socket_;
  int peer_;

 private:
  explicit WorkerSocketTest(std::pair<int, int> ends) : socket_(ends.first), peer_(ends.second) {}
};

TEST_F(WorkerSocketTest, NumbersItsFramesFromOne) {
  ASSERT_OK(socket_.Send(FrameType::kHello, {{"pid", 7}}));
  ASSERT_OK(socket_.Send(FrameType::kDone, json::object()));
  std::array<char, 64> buffer{};
  const ssize_t first = recv(peer_, buffer.data(), buffer.size(), 0);
  EXPECT_EQ(std::string(buffer.data(), static_cast<size_t>(first)), EncodeFrame(FrameType::kHello, 1, R"({"pid":7})"));
  const ssize_t second = recv(peer_, buffer.data(), buffer.size(), 0);
  EXPECT_EQ(std::string(buffer.data(), static_cast<size_t>(second)), EncodeFrame(FrameType::kDone, 2, "{}"));
}

TEST_F(WorkerSocketTest, ReceivesFramesInOrder) {
  WorkerSocket peer(std::exchange(peer_, -1));
  for (int i = 0; i < 3; ++i) ASSERT_OK(peer.Send(FrameType::kHeartbeat, {{"phase", i}}));
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK_AND_ASSIGN(const Frame frame, NextFrame(socket_));
    EXPECT_EQ(frame.seq, static_cast<uint64_t>(i + 1));
    EXPECT_EQ(json::parse(frame.payload), json({{"phase", i}}));
  }
}

TEST_F(WorkerSocketTest, CountsEachDirectionByItself) {
  WorkerSocket peer(std::exchange(peer_, -1));
  ASSERT_OK(peer.Send(FrameType::kHello, json::object()));
  ASSERT_OK(socket_.Receive(kSoon));
  ASSERT_OK(socket_.Send(FrameType::kStart, json::object()));
  ASSERT_OK_AND_ASSIGN(const Frame frame, NextFrame(peer));
  EXPECT_EQ(frame.seq, 1U);
}

TEST_F(WorkerSocketTest, GivesNothingWhenNothingCame) {
  ASSERT_OK_AND_ASSIGN(const auto at_once, socket_.Receive(0));
  EXPECT_FALSE(at_once.has_value());
  ASSERT_OK_AND_ASSIGN(const auto later, socket_.Receive(1));
  EXPECT_FALSE(later.has_value());
}

TEST_F(WorkerSocketTest, SaysThatThePeerIsGone) {
  ClosePeer();
  EXPECT_THAT(socket_.Receive(kSoon), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("closed")));
  EXPECT_THAT(socket_.Send(FrameType::kHello, json::object()),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("cannot send")));
}

TEST_F(WorkerSocketTest, DeliversWhatWasSentBeforeThePeerClosed) {
  SendRaw(peer_, EncodeFrame(FrameType::kDone, 1, "{}"));
  ClosePeer();
  ASSERT_OK_AND_ASSIGN(const Frame frame, NextFrame(socket_));
  EXPECT_EQ(frame.type, FrameType::kDone);
  EXPECT_THAT(socket_.Receive(kSoon), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("closed")));
}

TEST_F(WorkerSocketTest, RefusesAGapInTheNumbers) {
  SendRaw(peer_, EncodeFrame(FrameType::kHello, 1, "{}"));
  ASSERT_OK(socket_.Receive(kSoon));
  SendRaw(peer_, EncodeFrame(FrameType::kHello, 3, "{}"));
  EXPECT_THAT(socket_.Receive(kSoon), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("missing")));
}

TEST_F(WorkerSocketTest, RefusesANumberTwice) {
  SendRaw(peer_, EncodeFrame(FrameType::kHello, 1, "{}"));
  SendRaw(peer_, EncodeFrame(FrameType::kHello, 1, "{}"));
  ASSERT_OK(socket_.Receive(kSoon));
  EXPECT_THAT(socket_.Receive(kSoon), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("missing")));
}

TEST_F(WorkerSocketTest, RefusesADatagramThatIsNoFrame) {
  SendRaw(peer_, "hello");
  EXPECT_THAT(socket_.Receive(kSoon), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("shorter")));
}

TEST_F(WorkerSocketTest, RefusesADatagramThatIsTooLongEvenIfItsBeginningIsAFrame) {
  SendRaw(peer_, EncodeFrame(FrameType::kHello, 1, "{}" + std::string(kMaxFrameBytes - kFrameHeaderBytes - 1, ' ')));
  EXPECT_THAT(socket_.Receive(kSoon), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("too long")));
}

TEST_F(WorkerSocketTest, SendsTheLongestFrameAndNoLongerOne) {
  WorkerSocket peer(std::exchange(peer_, -1));
  const size_t room = kMaxFrameBytes - kFrameHeaderBytes - std::string(R"({"a":""})").size();
  EXPECT_THAT(socket_.Send(FrameType::kDone, {{"a", std::string(room + 1, 'x')}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("too long")));
  ASSERT_OK(socket_.Send(FrameType::kDone, {{"a", std::string(room, 'x')}}));
  ASSERT_OK_AND_ASSIGN(const Frame frame, NextFrame(peer));
  EXPECT_EQ(frame.payload.size(), kMaxFrameBytes - kFrameHeaderBytes);
  EXPECT_EQ(frame.seq, 1U) << "a refused frame takes no number";
}

TEST_F(WorkerSocketTest, SendsTextThatIsNotUtf8) {
  WorkerSocket peer(std::exchange(peer_, -1));
  ASSERT_OK(socket_.Send(FrameType::kError, {{"message", "no file a\xFF"}}));
  ASSERT_OK_AND_ASSIGN(const Frame frame, NextFrame(peer));
  EXPECT_EQ(json::parse(frame.payload)["message"], "no file a\xEF\xBF\xBD");
}

TEST_F(WorkerSocketTest, PassesADescriptorThatProgramsStartedLaterDoNotGet) {
  WorkerSocket peer(std::exchange(peer_, -1));
  const auto [read_end, write_end] = Pipe();
  ASSERT_OK(socket_.Send(FrameType::kStart, json::object(), read_end));
  close(read_end);
  ASSERT_OK_AND_ASSIGN(const Frame frame, NextFrame(peer));
  ASSERT_GE(frame.fd, 0);
  EXPECT_NE(fcntl(frame.fd, F_GETFD) & FD_CLOEXEC, 0);
  ASSERT_EQ(write(write_end, "x", 1), 1);
  char byte = 0;
  EXPECT_EQ(read(frame.fd, &byte, 1), 1);
  EXPECT_EQ(byte, 'x');
  close(frame.fd);
  close(write_end);
}

TEST_F(WorkerSocketTest, KeepsTheFirstDescriptorAndClosesTheOthers) {
  for (const size_t count : {2U, 4U, 8U}) {
    SCOPED_TRACE(count);
    auto [end, peer_end] = SocketPair();
    WorkerSocket socket(end);
    const auto [read_end, write_end] = Pipe();
    std::vector<int> passed(count, write_end);
    passed[0] = read_end;
    const int before = OpenDescriptors();
    SendRaw(peer_end, EncodeFrame(FrameType::kStart, 1, "{}"), passed);
    ASSERT_OK_AND_ASSIGN(const Frame frame, NextFrame(socket));
    EXPECT_EQ(OpenDescriptors(), before + 1);
    close(write_end);
    char byte = 0;
    EXPECT_EQ(read(frame.fd, &byte, 1), 0) << "nobody holds the other end any more";
    close(frame.fd);
    close(read_end);
    close(peer_end);
  }
}

TEST_F(WorkerSocketTest, ClosesTheDescriptorOfAFrameThatItRefuses) {
  const auto [read_end, write_end] = Pipe();
  const int before = OpenDescriptors();
  SendRaw(peer_, "no frame", {read_end});
  EXPECT_THAT(socket_.Receive(kSoon), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("shorter")));
  SendRaw(peer_, EncodeFrame(FrameType::kStart, 9, "{}"), {read_end, write_end});
  EXPECT_THAT(socket_.Receive(kSoon), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("missing")));
  SendRaw(peer_, "", {read_end});
  EXPECT_THAT(socket_.Receive(kSoon), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("shorter")));
  EXPECT_EQ(OpenDescriptors(), before);
  close(read_end);
  close(write_end);
}

TEST_F(WorkerSocketTest, ClosesItsDescriptorOnceHoweverItIsMoved) {
  const int before = OpenDescriptors();
  {
    const auto [first, second] = SocketPair();
    WorkerSocket moved(WorkerSocket{first});
    WorkerSocket assigned(-1);
    assigned = std::move(moved);
    EXPECT_EQ(assigned.fd(), first);
    ASSERT_OK(assigned.Send(FrameType::kHello, json::object()));
    WorkerSocket after(std::move(assigned));
    ASSERT_OK(after.Send(FrameType::kHello, json::object()));
    WorkerSocket peer(second);
    ASSERT_OK(peer.Receive(kSoon));
    ASSERT_OK_AND_ASSIGN(const Frame frame, NextFrame(peer));
    EXPECT_EQ(frame.seq, 2U) << "the count moves along";
  }
  EXPECT_EQ(OpenDescriptors(), before);
}

}  // namespace
}  // namespace pivot
