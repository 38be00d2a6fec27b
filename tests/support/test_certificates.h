// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_SUPPORT_TEST_CERTIFICATES_H_
#define PIVOT_TESTS_SUPPORT_TEST_CERTIFICATES_H_

// Certificates for tests, made on the spot.

#include <memory>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <string>

namespace pivot {

struct TestCertificate {
  std::string certificate;  // PEM
  std::string key;          // PEM
};

/// Signs certificates that are good for an hour.
class TestAuthority {
 public:
  TestAuthority();

  /// PEM of its own certificate.
  const std::string& certificate() const { return certificate_pem_; }

  /// `names` as OpenSSL writes a subjectAltName: "DNS:a.example,IP:127.0.0.1,URI:spiffe://a/b"; empty: none.
  TestCertificate Issue(const std::string& names) const;

 private:
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_;
  std::unique_ptr<X509, decltype(&X509_free)> certificate_;
  std::string certificate_pem_;
};

/// The serial number, in hex, of the certificate that a TLS server on this loopback port shows; empty when none does.
std::string SerialShownOn(int port);

}  // namespace pivot

#endif  // PIVOT_TESTS_SUPPORT_TEST_CERTIFICATES_H_
