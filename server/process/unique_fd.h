// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_PROCESS_UNIQUE_FD_H_
#define PIVOT_SERVER_PROCESS_UNIQUE_FD_H_

// A file descriptor that is closed with its owner.

#include <unistd.h>
#include <utility>

namespace pivot {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~UniqueFd() { Close(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int Release() { return std::exchange(fd_, -1); }
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

 private:
  int fd_ = -1;
};

}  // namespace pivot

#endif  // PIVOT_SERVER_PROCESS_UNIQUE_FD_H_
