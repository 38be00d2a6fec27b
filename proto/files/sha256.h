// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_PROTO_FILES_SHA256_H_
#define PIVOT_PROTO_FILES_SHA256_H_

// SHA-256 over what arrives piece by piece.

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pivot {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void Update(absl::string_view bytes);
  void Update(const void* data, size_t size);

  /// 64 lower-case hex digits. The object then starts over.
  std::string Finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

std::string Sha256Of(absl::string_view bytes);

/// Of a whole file. kNotFound or kUnavailable with the path in the message when it cannot be read.
absl::StatusOr<std::string> Sha256OfFile(const std::string& path);

}  // namespace pivot

#endif  // PIVOT_PROTO_FILES_SHA256_H_
