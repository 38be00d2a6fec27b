// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_TORTURE_BOOKS_H_
#define PIVOT_TESTS_TORTURE_BOOKS_H_

// What clients know of a server's jobs, kept outside the server: every promise that an answer made is held against what
// the server says later. A broken promise is a failure of the test.

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "pivot/v1/event.pb.h"
#include "pivot/v1/job.pb.h"
#include "pivot/v1/jobs.pb.h"

namespace pivot {

/// The label that a job of the books has: its request's id.
inline constexpr char kRequestLabel[] = "request";

/// One job that was asked for. Only its owner asks things of it; anybody may hand in its events.
struct BookedJob {
  v1::CreateJobRequest request;
  std::string name;  // empty: nobody has seen it yet
  std::string uid;
  bool may_vanish = false;    // it has a ttl
  bool delete_asked = false;  // and no answer came
  bool gone = false;          // deleted, or seen to be
  bool settled = false;       // nobody asks anything of it any more
  uint64_t answered_seq = 0;  // what the newest answer said
  v1::State answered_state = v1::STATE_UNSPECIFIED;
  std::vector<std::string> events;  // as they were stored, seq 1 first
  std::vector<v1::State> states;    // after each
  std::map<int, v1::CheckpointRef> checkpoints;
};

/// Which state may follow which, from docs/api.md and not from the server's own table.
bool IsLegal(v1::State from, v1::State to);

/// What one watcher of all jobs has been told.
struct ProjectLog {
  uint64_t last_project_seq = 0;
  std::map<std::string, std::vector<std::string>> events;  // by job, as they were stored
};

/// A job to watch, and from where.
struct WatchPlan {
  BookedJob* booked = nullptr;
  std::string name;
  uint64_t after_seq = 0;
};

/// Any thread may call any of these.
class Books {
 public:
  /// A new job that will be asked for. References stay good.
  BookedJob& Add(v1::CreateJobRequest request);

  /// An answer that shows the job.
  void TakeAnswer(BookedJob& booked, const v1::Job& job);
  /// An event with a seq that a watcher got after `last_seq`; returns its seq. `booked` must be that job.
  uint64_t TakeEvent(BookedJob& booked, const v1::JobEvent& event, uint64_t last_seq);
  /// The same for a watcher of all jobs, who may be told of a job before anybody else is.
  void TakeProjectEvent(const v1::JobEvent& event, ProjectLog& log);
  /// Any job that somebody has seen, and any cursor up to what is known of it.
  std::optional<WatchPlan> ChooseWatch(std::mt19937_64& random);
  void MarkDeleteAsked(BookedJob& booked);
  void MarkGone(BookedJob& booked);

  /// A whole list of the server's jobs, taken while no client asks for anything.
  void CheckList(const std::vector<v1::Job>& jobs);
  /// The job's events are known up to what the newest answer said, and lead to the state that it said.
  void CheckEventsOf(const BookedJob& booked);

  /// What a watcher of all jobs was told is what is known of those that are still there.
  void CheckProjectLog(const ProjectLog& log);

  uint64_t NumEvents(const BookedJob& booked);
  std::vector<BookedJob*> Jobs();
  /// "1200 jobs, 18000 events, 900 checkpoints, 300 deleted"
  std::string Summary();

 private:
  void TakeAnswerLocked(BookedJob& booked, const v1::Job& job);
  void CheckListed(BookedJob& booked, const v1::Job& job);
  BookedJob* FindByName(absl::string_view name);
  /// By the label, or by its name for one that was made before there were labels.
  BookedJob* Find(const v1::Job& job);

  std::mutex mutex_;
  std::deque<BookedJob> jobs_;
  std::map<std::string, BookedJob*, std::less<>> by_request_;
  std::map<std::string, BookedJob*, std::less<>> by_name_;
};

}  // namespace pivot

#endif  // PIVOT_TESTS_TORTURE_BOOKS_H_
