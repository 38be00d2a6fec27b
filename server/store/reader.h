// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_STORE_READER_H_
#define PIVOT_SERVER_STORE_READER_H_

// A connection borrowed for reading.

#include <memory>
#include <utility>

#include "server/store/sqlite.h"
#include "server/store/store.h"

namespace pivot {

/// Goes back to its store at the end.
class Store::Reader {
 public:
  Reader(Store* store, std::unique_ptr<Database> database) : store_(store), database_(std::move(database)) {}
  Reader(Reader&&) noexcept = default;
  Reader& operator=(Reader&&) = delete;
  ~Reader();

  Database& operator*() const { return *database_; }
  Database* operator->() const { return database_.get(); }

 private:
  Store* store_;
  std::unique_ptr<Database> database_;
};

}  // namespace pivot

#endif  // PIVOT_SERVER_STORE_READER_H_
