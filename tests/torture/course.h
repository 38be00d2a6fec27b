// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_TORTURE_COURSE_H_
#define PIVOT_TESTS_TORTURE_COURSE_H_

// One life of a server in which everything happens once: jobs that run, wait, are steered, updated, deleted, expire,
// wait for too long; then SIGTERM. It may end at any moment before.

#include <cstdint>
#include <random>
#include <string>

#include "tests/torture/books.h"
#include "tests/torture/checker.h"
#include "tests/torture/tortured_server.h"

namespace pivot {

class Course {
 public:
  explicit Course(uint64_t seed);

  /// Leaves behind what a server finds after kill -9: a lost attempt, an unpublished object, folders of nobody.
  void LeaveThingsBehind();
  /// A database as the first version of the server made it, with a job in it.
  void LeaveOldDatabase();
  /// The workers write more than is kept of a log.
  void LetWorkersWriteMuch() { log_bytes_ = int64_t{9} << 20; }

  /// Starts the server and goes the course. True when the server ended by itself, or could not start, on the way.
  bool Run(const std::vector<std::string>& environment);
  /// A server that is started now has all that was promised, and brings all jobs to an end.
  void CheckWhatIsLeft();

  TorturedServer& server() { return server_; }
  std::string Summary() { return books_.Summary(); }

 private:
  bool GoAll();
  bool RunOneJob();
  bool SteerSome();
  bool LetSomePass();
  BookedJob* Create(v1::CreateJobRequest request);
  template <typename Request>
  bool Ask(BookedJob& booked, grpc::Status (v1::Jobs::Stub::*method)(grpc::ClientContext*, const Request&, v1::Job*));
  bool Update(BookedJob& booked);
  bool Delete(BookedJob& booked);
  bool AwaitState(BookedJob& booked, v1::State state);
  bool AwaitGone(BookedJob& booked);
  bool TakeStatus(const grpc::Status& status, const BookedJob& booked);
  v1::CreateJobRequest NewRequest(const std::string& device);
  void SetScript();
  void SetGate(bool open);

  std::mt19937_64 random_;
  TorturedServer server_;
  Books books_;
  Checker checker_{&books_};
  int64_t log_bytes_ = 0;
};

}  // namespace pivot

#endif  // PIVOT_TESTS_TORTURE_COURSE_H_
