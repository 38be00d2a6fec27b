// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_VIEW_PROJECT_LINES_H_
#define PIVOT_CLIENT_VIEW_PROJECT_LINES_H_

// Events of many jobs as lines for a log.

#include <map>
#include <string>

#include "absl/time/time.h"
#include "pivot/v1/event.pb.h"

#include "client/view/job_view.h"
#include "client/view/plain_lines.h"

namespace pivot::client {

class ProjectLines {
 public:
  explicit ProjectLines(Detail detail) : detail_(detail) {}

  /// "12:04:05 job-1: running", without LF; empty for events that PlainLines has no line for. The time is the event's,
  /// in UTC.
  std::string LineOf(const v1::JobEvent& event, absl::Time now);

  /// Of how many jobs something is remembered: of those that go on.
  size_t num_jobs() const { return jobs_.size(); }

 private:
  struct Shown {
    JobView view;
    PlainLines lines;
  };

  Detail detail_;
  std::map<std::string, Shown> jobs_;
};

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_VIEW_PROJECT_LINES_H_
