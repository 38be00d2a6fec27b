// SPDX-License-Identifier: Apache-2.0
#include "proto/worker/frame.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

#include "proto/files/bounded_json.h"

namespace pivot {
namespace {

template <typename Integer>
void PutLittleEndian(Integer value, std::string& out) {
  for (size_t i = 0; i < sizeof(Integer); ++i) out.push_back(static_cast<char>((value >> (8 * i)) & 0xFF));
}

template <typename Integer>
Integer GetLittleEndian(absl::string_view bytes) {
  Integer value = 0;
  for (size_t i = 0; i < sizeof(Integer); ++i) {
    value = static_cast<Integer>(value | static_cast<Integer>(static_cast<unsigned char>(bytes[i])) << (8 * i));
  }
  return value;
}

/// The first descriptor that came with the message, or -1; closes all others.
int TakeDescriptor(msghdr& message) {
  int kept = -1;
  for (cmsghdr* control = CMSG_FIRSTHDR(&message); control != nullptr; control = CMSG_NXTHDR(&message, control)) {
    if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(control) + i * sizeof(int), sizeof(int));
      if (kept == -1) {
        kept = fd;
      } else {
        close(fd);
      }
    }
  }
  return kept;
}

}  // namespace

std::string EncodeFrame(FrameType type, uint64_t seq, absl::string_view payload) {
  std::string datagram;
  datagram.reserve(kFrameHeaderBytes + payload.size());
  PutLittleEndian<uint16_t>(kFrameVersion, datagram);
  PutLittleEndian<uint16_t>(static_cast<uint16_t>(type), datagram);
  PutLittleEndian<uint32_t>(0, datagram);
  PutLittleEndian<uint64_t>(seq, datagram);
  datagram.append(payload.data(), payload.size());
  return datagram;
}

absl::StatusOr<Frame> DecodeFrame(absl::string_view datagram) {
  if (datagram.size() < kFrameHeaderBytes) return absl::DataLossError("frame is shorter than its header");
  const auto version = GetLittleEndian<uint16_t>(datagram.substr(0, 2));
  if (version != kFrameVersion) return absl::DataLossError(absl::StrCat("frame has version ", version));
  Frame frame{.type = static_cast<FrameType>(GetLittleEndian<uint16_t>(datagram.substr(2, 2))),
              .seq = GetLittleEndian<uint64_t>(datagram.substr(8, 8)),
              .payload = std::string(datagram.substr(kFrameHeaderBytes))};
  const auto json = ParseJson(frame.payload, "frame's payload");
  if (!json.ok() || !json->is_object()) return absl::DataLossError("frame's payload is not a JSON object");
  return frame;
}

WorkerSocket::WorkerSocket(WorkerSocket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), sent_(other.sent_), received_(other.received_) {}

WorkerSocket& WorkerSocket::operator=(WorkerSocket&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(sent_, other.sent_);
  std::swap(received_, other.received_);
  return *this;
}

WorkerSocket::~WorkerSocket() {
  if (fd_ >= 0) close(fd_);
}

absl::Status WorkerSocket::Send(FrameType type, const nlohmann::json& payload, int pass_fd) {
  // Text that is not UTF-8 (a file name, say) must not keep the frame from going out.
  const std::string text = payload.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (text.size() > kMaxFrameBytes - kFrameHeaderBytes) return absl::InvalidArgumentError("frame is too long");
  std::string datagram = EncodeFrame(type, sent_ + 1, text);
  iovec part{datagram.data(), datagram.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (pass_fd >= 0) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &pass_fd, sizeof(int));
  }
  while (sendmsg(fd_, &message, MSG_NOSIGNAL) < 0) {
    if (errno == EINTR) continue;
    return absl::UnavailableError(absl::StrCat("cannot send to the peer: ", std::strerror(errno)));
  }
  ++sent_;
  return absl::OkStatus();
}

absl::StatusOr<std::optional<Frame>> WorkerSocket::Receive(int timeout_milliseconds) {
  pollfd wait{fd_, POLLIN, 0};
  const int ready = poll(&wait, 1, timeout_milliseconds);
  if (ready == 0 || (ready < 0 && errno == EINTR)) return std::nullopt;
  std::string buffer(kMaxFrameBytes, '\0');
  iovec part{buffer.data(), buffer.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(4 * sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t size = recvmsg(fd_, &message, MSG_CMSG_CLOEXEC);
  if (size < 0 && errno == EINTR) return std::nullopt;
  if (size < 0) return absl::UnavailableError(absl::StrCat("cannot receive: ", std::strerror(errno)));
  const int received_fd = TakeDescriptor(message);
  if (size == 0 && received_fd < 0) return absl::UnavailableError("the peer closed the socket");
  auto frame = DecodeFrame(absl::string_view(buffer.data(), static_cast<size_t>(size)));
  if (!frame.ok() || frame->seq != received_ + 1 || (message.msg_flags & MSG_TRUNC) != 0) {
    if (received_fd >= 0) close(received_fd);
    return frame.ok() ? absl::DataLossError("frames are missing or too long") : frame.status();
  }
  received_ = frame->seq;
  frame->fd = received_fd;
  return std::optional<Frame>(*std::move(frame));
}

}  // namespace pivot
