// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_STORE_OPEN_DATABASE_H_
#define PIVOT_SERVER_STORE_OPEN_DATABASE_H_

// Opens the store's database, making and migrating its tables.

#include <memory>
#include <string>

#include "absl/status/statusor.h"

#include "server/store/sqlite.h"

namespace pivot {

/// The connection that writes: WAL, every commit synced. kFailedPrecondition for a file of another program or of a
/// newer pivotd, kDataLoss when quick_check finds damage.
absl::StatusOr<std::unique_ptr<Database>> OpenDatabase(const std::string& path);

}  // namespace pivot

#endif  // PIVOT_SERVER_STORE_OPEN_DATABASE_H_
