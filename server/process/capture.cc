// SPDX-License-Identifier: Apache-2.0
#include "server/process/capture.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <utility>

#include "absl/strings/string_view.h"

#include "proto/files/durable_file.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kReadBytes = 65536;
constexpr size_t kErrorTailBytes = 4096;
// How long a stop or the timeout may go unnoticed.
constexpr int kPollMilliseconds = 50;

struct Channel {
  UniqueFd ours;
  UniqueFd theirs;
};

/// A socket pair rather than a pipe: writing to a child that has ended must not raise SIGPIPE.
absl::StatusOr<Channel> MakeChannel() {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return StatusFromErrno(errno, "cannot make", "a socket pair");
  Channel channel{UniqueFd(ends[0]), UniqueFd(ends[1])};
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return channel;
}

class Capture {
 public:
  Capture(const std::string& input, const CaptureLimits& limits) : input_(input), limits_(limits) {}

  absl::Status Start(SpawnRequest request) {
    PIVOT_ASSIGN_OR_RETURN(Channel in, MakeChannel());
    PIVOT_ASSIGN_OR_RETURN(Channel out, MakeChannel());
    PIVOT_ASSIGN_OR_RETURN(Channel err, MakeChannel());
    request.descriptors = {{in.theirs.get(), 0}, {out.theirs.get(), 1}, {err.theirs.get(), 2}};
    PIVOT_ASSIGN_OR_RETURN(child_, Spawn(request));
    if (limits_.max_data_bytes > 0) {
      // Before any input: the child has not met the source yet. Not RLIMIT_AS: mapping a large file is no harm.
      const rlimit data{static_cast<rlim_t>(limits_.max_data_bytes), static_cast<rlim_t>(limits_.max_data_bytes)};
      prlimit(child_.pid, RLIMIT_DATA, &data, nullptr);
    }
    in_ = std::move(in.ours);
    out_ = std::move(out.ours);
    err_ = std::move(err.ours);
    return absl::OkStatus();
  }

  /// Until the child has ended, or must.
  void Exchange(const std::atomic<bool>& stop) {
    const auto deadline = Clock::now() + absl::ToChronoNanoseconds(limits_.timeout);
    while (!stop) {
      std::array<pollfd, 4> waits = {
          {{child_.pidfd.get(), POLLIN, 0}, {out_.get(), POLLIN, 0}, {err_.get(), POLLIN, 0}, {in_.get(), POLLOUT, 0}}};
      poll(waits.data(), waits.size(), kPollMilliseconds);
      if (waits[3].revents != 0) Feed();
      Collect();
      captured_.timed_out = Clock::now() >= deadline;
      if (waits[0].revents != 0 || captured_.timed_out || captured_.output_too_long) return;
    }
  }

  Captured End() {
    captured_.end = Reap(child_);
    if (!captured_.timed_out && !captured_.output_too_long) Collect();
    return std::move(captured_);
  }

 private:
  void Feed() {
    const ssize_t count = send(in_.get(), input_.data(), input_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count > 0) input_.remove_prefix(static_cast<size_t>(count));
    if (input_.empty() || (count < 0 && errno != EAGAIN && errno != EINTR)) in_.Close();
  }

  void Collect() {
    Drain(out_, [this](absl::string_view bytes) {
      captured_.output_too_long = captured_.output.size() + bytes.size() > limits_.max_output_bytes;
      if (!captured_.output_too_long) captured_.output.append(bytes.data(), bytes.size());
      return !captured_.output_too_long;
    });
    Drain(err_, [this](absl::string_view bytes) {
      std::string& tail = captured_.error_tail;
      tail.append(bytes.data(), bytes.size());
      if (tail.size() > kErrorTailBytes) tail.erase(0, tail.size() - kErrorTailBytes);
      return true;
    });
  }

  /// What is there now; the end closes our side, so that poll does not report it for ever.
  template <typename Take>
  static void Drain(UniqueFd& from, Take take) {
    std::array<char, kReadBytes> buffer{};
    while (from.valid()) {
      const ssize_t count = recv(from.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (count < 0) return;
      if (count == 0) from.Close();
      if (count > 0 && !take(absl::string_view(buffer.data(), static_cast<size_t>(count)))) return;
    }
  }

  absl::string_view input_;
  CaptureLimits limits_;
  ChildProcess child_;
  UniqueFd in_;
  UniqueFd out_;
  UniqueFd err_;
  Captured captured_;
};

}  // namespace

absl::StatusOr<Captured> RunAndCapture(SpawnRequest request, const std::string& input, const CaptureLimits& limits,
                                       const std::atomic<bool>& stop) {
  Capture capture(input, limits);
  PIVOT_RETURN_IF_ERROR(capture.Start(std::move(request)));
  capture.Exchange(stop);
  Captured captured = capture.End();
  if (stop) return absl::CancelledError("the server is shutting down");
  return captured;
}

}  // namespace pivot
