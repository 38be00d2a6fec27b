// SPDX-License-Identifier: Apache-2.0
#include "server/store/reader.h"

#include "proto/status/status_macros.h"

namespace pivot {
namespace {

constexpr int kMaxReaders = 4;

}  // namespace

Store::Reader::~Reader() {
  if (database_ == nullptr) return;
  {
    const std::lock_guard lock(store_->readers_mutex_);
    store_->idle_readers_.push_back(std::move(database_));
  }
  store_->reader_returned_.notify_one();
}

absl::StatusOr<Store::Reader> Store::BorrowReader() {
  std::unique_lock lock(readers_mutex_);
  reader_returned_.wait(lock, [this] { return !idle_readers_.empty() || num_readers_ < kMaxReaders; });
  if (idle_readers_.empty()) {
    PIVOT_ASSIGN_OR_RETURN(std::unique_ptr<Database> opened, Database::Open(path_, Database::Mode::kReadOnly));
    ++num_readers_;
    return Reader(this, std::move(opened));
  }
  std::unique_ptr<Database> database = std::move(idle_readers_.back());
  idle_readers_.pop_back();
  return Reader(this, std::move(database));
}

}  // namespace pivot
