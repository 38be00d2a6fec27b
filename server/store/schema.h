// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_STORE_SCHEMA_H_
#define PIVOT_SERVER_STORE_SCHEMA_H_

// The database's tables, version by version.

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace pivot {

/// "PIVT", SQLite's application_id: a file of another program is refused.
inline constexpr int kStoreApplicationId = 0x50495654;

/// Statements that take a database from version i to i + 1, for i = 0, 1...; PRAGMA user_version is the number of
/// migrations applied. Migrations are only ever added.
absl::Span<const absl::string_view> StoreMigrations();

}  // namespace pivot

#endif  // PIVOT_SERVER_STORE_SCHEMA_H_
