// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_SERVER_ADDRESS_H_
#define PIVOT_CLIENT_SERVER_ADDRESS_H_

// Where a server is, and with what one shows it who one is.

#include <string>

namespace pivot::client {

struct ServerAddress {
  std::string address;  // unix:PATH or HOST:PORT
  // PEM files.
  std::string tls_ca;    // what signs the server's certificate; empty: what the system trusts
  std::string tls_cert;  // our own, with tls_key
  std::string tls_key;
  std::string token_file;  // empty: the token in PIVOT_TOKEN, if there is one

  bool empty() const { return address.empty(); }
  bool has_tls_files() const { return !tls_ca.empty() || !tls_cert.empty() || !tls_key.empty(); }
};

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_SERVER_ADDRESS_H_
