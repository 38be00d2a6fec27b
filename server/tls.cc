// SPDX-License-Identifier: Apache-2.0
#include "server/tls.h"

#include <grpc/grpc_security_constants.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#include "absl/strings/str_cat.h"

#include "proto/status/status_macros.h"
#include "server/identity/guarded_file.h"

namespace pivot {
namespace {

using CertificatePtr = std::unique_ptr<X509, decltype(&X509_free)>;
using KeyPtr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using BioPtr = std::unique_ptr<BIO, decltype(&BIO_free)>;

// A group may read the key: packages of certificates have one for that.
constexpr FileGuard kKeyGuard = {.forbidden_mode = S_IWGRP | S_IRWXO};
constexpr FileGuard kCertificateGuard = {.forbidden_mode = S_IWGRP | S_IWOTH};

BioPtr Reading(const std::string& pem) { return {BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free}; }

absl::StatusOr<CertificatePtr> ReadCertificate(const std::string& path) {
  PIVOT_ASSIGN_OR_RETURN(const std::string pem, ReadGuardedFile(path, kCertificateGuard));
  CertificatePtr certificate(PEM_read_bio_X509(Reading(pem).get(), nullptr, nullptr, nullptr), X509_free);
  if (certificate != nullptr) return certificate;
  ERR_clear_error();
  return absl::InvalidArgumentError(
      absl::StrCat(path, " holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)"));
}

absl::StatusOr<KeyPtr> ReadKey(const std::string& path) {
  PIVOT_ASSIGN_OR_RETURN(const std::string pem, ReadGuardedFile(path, kKeyGuard));
  // Nobody is there to be asked for a passphrase.
  const auto no_passphrase = [](char*, int, int, void*) { return -1; };
  KeyPtr key(PEM_read_bio_PrivateKey(Reading(pem).get(), nullptr, no_passphrase, nullptr), EVP_PKEY_free);
  if (key != nullptr) return key;
  ERR_clear_error();
  return absl::InvalidArgumentError(absl::StrCat(path, " holds no private key in PEM form without a passphrase"));
}

}  // namespace

absl::Status CheckTls(const TlsOptions& options) {
  if (options.certificate.empty() || options.key.empty()) {
    return absl::InvalidArgumentError("TLS needs both --tls-cert and --tls-key");
  }
  PIVOT_ASSIGN_OR_RETURN(const CertificatePtr certificate, ReadCertificate(options.certificate));
  PIVOT_ASSIGN_OR_RETURN(const KeyPtr key, ReadKey(options.key));
  if (X509_check_private_key(certificate.get(), key.get()) != 1) {
    ERR_clear_error();
    return absl::FailedPreconditionError(
        absl::StrCat(options.key, " is not the key of the certificate ", options.certificate));
  }
  if (X509_cmp_current_time(X509_get0_notAfter(certificate.get())) < 0) {
    return absl::FailedPreconditionError(absl::StrCat("the certificate ", options.certificate, " has expired"));
  }
  return options.client_ca.empty() ? absl::OkStatus() : ReadCertificate(options.client_ca).status();
}

std::shared_ptr<grpc::ServerCredentials> MakeTlsCredentials(const TlsOptions& options) {
  const auto files = std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
      options.key, options.certificate, options.client_ca, options.refresh_seconds);
  grpc::experimental::TlsServerCredentialsOptions tls(files);
  tls.watch_identity_key_cert_pairs();
  if (!options.client_ca.empty()) {
    tls.watch_root_certs();
    tls.set_cert_request_type(GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY);
  }
  return grpc::experimental::TlsServerCredentials(tls);
}

}  // namespace pivot
