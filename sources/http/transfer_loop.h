// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SOURCES_HTTP_TRANSFER_LOOP_H_
#define PIVOT_SOURCES_HTTP_TRANSFER_LOOP_H_

// Several transfers at once on one thread.

#include <curl/curl.h>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "sources/http/transfer.h"

namespace pivot::http {

/// Keeps connections for the next transfer to the same host.
class TransferLoop {
 public:
  struct Ended {
    std::unique_ptr<Transfer> transfer;
    absl::Status outcome;
  };

  TransferLoop();
  TransferLoop(const TransferLoop&) = delete;
  TransferLoop& operator=(const TransferLoop&) = delete;
  ~TransferLoop();

  /// The pointer stays good until the transfer has ended or was dropped.
  Transfer* Start(std::unique_ptr<Transfer> transfer);

  /// Ends it without an outcome.
  void Drop(const Transfer* transfer);

  /// Lets bytes flow for at most `duration`; what ended meanwhile.
  std::vector<Ended> Run(absl::Duration duration);

  size_t num_running() const { return running_.size(); }

 private:
  std::unique_ptr<Transfer> Take(const CURL* handle);

  CURLM* multi_;
  std::vector<std::unique_ptr<Transfer>> running_;
};

}  // namespace pivot::http

#endif  // PIVOT_SOURCES_HTTP_TRANSFER_LOOP_H_
