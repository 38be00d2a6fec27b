// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_TORTURE_CLIENT_H_
#define PIVOT_TESTS_TORTURE_CLIENT_H_

// Clients that ask for anything at any time, and write down what they are told.

#include <atomic>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "pivot/v1/jobs.grpc.pb.h"

#include "tests/torture/books.h"

namespace pivot {

/// A UUID.
std::string NewRequestId(std::mt19937_64& random);

/// A request for a job that a scripted worker does.
v1::CreateJobRequest RequestFor(const std::string& model, std::mt19937_64& random);

/// Makes jobs, steers and deletes them. One thread at a time.
class Client {
 public:
  Client(Books* books, std::string model, uint64_t seed) : books_(*books), model_(std::move(model)), random_(seed) {}

  /// Asks until `stop`, or the server is gone.
  void Run(v1::Jobs::Stub& jobs, const std::atomic<bool>& stop);

  // One call each; false when no answer came. What was asked is then asked again by the next call.
  bool Create(v1::Jobs::Stub& jobs);
  bool AskSomething(v1::Jobs::Stub& jobs);

  int64_t num_answers() const { return num_answers_; }

 private:
  enum class Ask { kGet, kCancel, kSuspend, kResume, kRetry, kUpdate };

  bool AskOf(v1::Jobs::Stub& jobs, BookedJob& booked, Ask ask);
  bool Delete(v1::Jobs::Stub& jobs, BookedJob& booked);
  bool TakeStatus(const grpc::Status& status, BookedJob& booked);
  int Below(int limit) { return static_cast<int>(random_() % static_cast<uint64_t>(limit)); }

  Books& books_;
  const std::string model_;
  std::mt19937_64 random_;
  std::vector<BookedJob*> open_;
  BookedJob* unanswered_ = nullptr;  // a creation
  int64_t num_answers_ = 0;
};

/// Watches one job after the other, from any cursor, until `stop` or the server is gone.
void WatchJobs(Books& books, v1::Jobs::Stub& jobs, uint64_t seed, const std::atomic<bool>& stop);

/// Watches all jobs from where the log ends, until the stream does.
void WatchProject(Books& books, v1::Jobs::Stub& jobs, ProjectLog& log);

}  // namespace pivot

#endif  // PIVOT_TESTS_TORTURE_CLIENT_H_
