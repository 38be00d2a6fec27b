// SPDX-License-Identifier: Apache-2.0
#include "sources/http/transfer_loop.h"

#include <algorithm>
#include <utility>

namespace pivot::http {

TransferLoop::TransferLoop() : multi_(curl_multi_init()) {}

TransferLoop::~TransferLoop() {
  while (!running_.empty()) Take(running_.back()->handle());
  curl_multi_cleanup(multi_);
}

Transfer* TransferLoop::Start(std::unique_ptr<Transfer> transfer) {
  curl_multi_add_handle(multi_, transfer->handle());
  running_.push_back(std::move(transfer));
  return running_.back().get();
}

void TransferLoop::Drop(const Transfer* transfer) { Take(transfer->handle()); }

std::unique_ptr<Transfer> TransferLoop::Take(const CURL* handle) {
  const auto found = std::find_if(running_.begin(), running_.end(),
                                  [handle](const auto& transfer) { return transfer->handle() == handle; });
  std::unique_ptr<Transfer> transfer = std::move(*found);
  running_.erase(found);
  curl_multi_remove_handle(multi_, transfer->handle());
  return transfer;
}

std::vector<TransferLoop::Ended> TransferLoop::Run(absl::Duration duration) {
  int still_running = 0;
  curl_multi_perform(multi_, &still_running);
  if (still_running > 0 && static_cast<size_t>(still_running) == running_.size()) {
    curl_multi_poll(multi_, nullptr, 0, static_cast<int>(absl::ToInt64Milliseconds(duration)), nullptr);
    curl_multi_perform(multi_, &still_running);
  }
  std::vector<Ended> ended;
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode code = message->data.result;
    std::unique_ptr<Transfer> transfer = Take(message->easy_handle);
    absl::Status outcome = transfer->Outcome(code);
    ended.push_back({std::move(transfer), std::move(outcome)});
  }
  return ended;
}

}  // namespace pivot::http
