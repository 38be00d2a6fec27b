// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_TORTURE_CHECKER_H_
#define PIVOT_TESTS_TORTURE_CHECKER_H_

// Holds a server that was started again against the books, and a data folder that nobody uses against itself.

#include <set>
#include <string>

#include "pivot/v1/checkpoints.grpc.pb.h"
#include "pivot/v1/jobs.grpc.pb.h"

#include "tests/torture/books.h"

namespace pivot {

class Checker {
 public:
  explicit Checker(Books* books) : books_(*books) {}

  /// All jobs, all events, and the bytes of every checkpoint that was not read before. While no client asks.
  void Check(v1::Jobs::Stub& jobs, v1::Checkpoints::Stub& checkpoints);

  /// Reads all checkpoints again, and all events once more as a watcher of all jobs.
  void CheckAll(v1::Jobs::Stub& jobs, v1::Checkpoints::Stub& checkpoints);

  size_t num_read_checkpoints() const { return read_.size(); }

 private:
  void ReadEvents(v1::Jobs::Stub& jobs, BookedJob& booked, uint64_t last_seq);
  void ReadCheckpoints(v1::Checkpoints::Stub& checkpoints, BookedJob& booked, const v1::Job& job);

  Books& books_;
  std::set<std::string> read_;
};

/// The whole list, page by page.
std::vector<v1::Job> ListAll(v1::Jobs::Stub& jobs);

/// Of a data folder without a server: the database is whole, its rows agree with each other, and objects/ holds what
/// they name and nothing else.
void CheckDataFolder(const std::string& data);

}  // namespace pivot

#endif  // PIVOT_TESTS_TORTURE_CHECKER_H_
