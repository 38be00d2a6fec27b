// SPDX-License-Identifier: Apache-2.0
#include "proto/files/sha256.h"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>
#include <vector>

#include "absl/strings/escaping.h"

#include "proto/files/durable_file.h"

namespace pivot {

struct Sha256::Context {
  EVP_MD_CTX* evp = EVP_MD_CTX_new();
  Context() = default;
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() { EVP_MD_CTX_free(evp); }

  void Begin() const {
    // Fails only when no memory is left or OpenSSL was built without SHA-256: nothing could be verified then.
    if (evp == nullptr || EVP_DigestInit_ex(evp, EVP_sha256(), nullptr) != 1) std::abort();
  }
};

Sha256::Sha256() : context_(std::make_unique<Context>()) { context_->Begin(); }
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::Update(absl::string_view bytes) { Update(bytes.data(), bytes.size()); }

void Sha256::Update(const void* data, size_t size) { EVP_DigestUpdate(context_->evp, data, size); }

std::string Sha256::Finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  EVP_DigestFinal_ex(context_->evp, digest.data(), &size);
  context_->Begin();
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest.data()), size));
}

std::string Sha256Of(absl::string_view bytes) {
  Sha256 hash;
  hash.Update(bytes);
  return hash.Finish();
}

absl::StatusOr<std::string> Sha256OfFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return StatusFromErrno(errno, "cannot open", path);
  Sha256 hash;
  std::vector<char> buffer(size_t{1} << 20);
  while (true) {
    const ssize_t count = read(fd, buffer.data(), buffer.size());
    if (count == 0) break;
    if (count < 0) {
      const int error = errno;
      close(fd);
      return StatusFromErrno(error, "cannot read", path);
    }
    hash.Update(buffer.data(), static_cast<size_t>(count));
  }
  close(fd);
  return hash.Finish();
}

}  // namespace pivot
