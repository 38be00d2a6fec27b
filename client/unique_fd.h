// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_UNIQUE_FD_H_
#define PIVOT_CLIENT_UNIQUE_FD_H_

// An open file descriptor with one owner.

#include <unistd.h>
#include <utility>

namespace pivot::client {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) {
      Close();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~UniqueFd() { Close(); }

  /// -1 when there is none.
  int get() const { return fd_; }

  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

 private:
  int fd_ = -1;
};

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_UNIQUE_FD_H_
