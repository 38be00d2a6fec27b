// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_TORTURE_CUT_WATCHER_H_
#define PIVOT_TESTS_TORTURE_CUT_WATCHER_H_

// A watcher whose stream is cut again and again, by itself and by the end of the server, and who goes on from its last
// seq each time.

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <random>

#include "pivot/v1/jobs.grpc.pb.h"

#include "tests/torture/books.h"

namespace pivot {

class CutWatcher;

/// Watchers whose stream has ended, to be opened again.
class CutWatchers {
 public:
  void Ended(CutWatcher* watcher);
  /// One of them; null after some milliseconds without any.
  CutWatcher* Take();

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  std::deque<CutWatcher*> ended_;
};

/// One stream at a time; its reactions come one after the other.
class CutWatcher {
 public:
  CutWatcher(Books* books, CutWatchers* ended, uint64_t seed) : books_(*books), ended_(*ended), random_(seed) {}

  /// Begins with another job.
  void Watch(BookedJob* booked) {
    booked_ = booked;
    last_seq_ = 0;
    has_ended_ = false;
  }
  /// Goes on watching; Ended() tells when the stream is over.
  void Open(v1::Jobs::Stub& jobs);

  /// It has seen the last event of its job.
  bool has_ended() const { return has_ended_; }
  /// Streams that ended in the middle, after at least one message.
  int num_cuts() const { return own_cuts_ + server_cuts_; }
  int num_server_cuts() const { return server_cuts_; }

 private:
  class Stream;

  bool TakeMessage(const v1::JobEvent& event);  // whether to cut now
  void StreamEnded(const grpc::Status& status, bool had_messages);

  Books& books_;
  CutWatchers& ended_;
  std::mt19937_64 random_;
  BookedJob* booked_ = nullptr;
  uint64_t last_seq_ = 0;
  bool has_ended_ = false;
  int own_cuts_ = 0;
  int server_cuts_ = 0;
};

}  // namespace pivot

#endif  // PIVOT_TESTS_TORTURE_CUT_WATCHER_H_
