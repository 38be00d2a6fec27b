// SPDX-License-Identifier: Apache-2.0
#include "sources/hub/blob_hash.h"

#include <algorithm>
#include <openssl/evp.h>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace pivot::hub {
namespace {

constexpr size_t kSha1Digits = 40;
constexpr size_t kSha256Digits = 64;

}  // namespace

bool IsBlobName(absl::string_view etag) {
  const bool is_hex = std::all_of(etag.begin(), etag.end(),
                                  [](unsigned char c) { return absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f'); });
  return is_hex && (etag.size() == kSha1Digits || etag.size() == kSha256Digits);
}

struct BlobHash::Context {
  EVP_MD_CTX* digest = EVP_MD_CTX_new();
  ~Context() { EVP_MD_CTX_free(digest); }
};

BlobHash::BlobHash(absl::string_view etag, int64_t bytes) : context_(std::make_unique<Context>()) {
  const bool is_sha256 = etag.size() == kSha256Digits;
  kind_ = is_sha256 ? "SHA-256" : "git's SHA-1";
  EVP_DigestInit_ex(context_->digest, is_sha256 ? EVP_sha256() : EVP_sha1(), nullptr);
  if (!is_sha256) {
    Update(absl::StrCat("blob ", bytes));
    Update(absl::string_view("\0", 1));
  }
}

BlobHash::~BlobHash() = default;

void BlobHash::Update(absl::string_view bytes) { EVP_DigestUpdate(context_->digest, bytes.data(), bytes.size()); }

std::string BlobHash::Finish() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_DigestFinal_ex(context_->digest, digest, &size);
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest), size));
}

}  // namespace pivot::hub
