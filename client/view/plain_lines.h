// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_VIEW_PLAIN_LINES_H_
#define PIVOT_CLIENT_VIEW_PLAIN_LINES_H_

// Events as lines for a log.

#include <string>

#include "absl/time/time.h"
#include "pivot/v1/event.pb.h"

#include "client/view/job_view.h"

namespace pivot::client {

enum class Detail { kNormal, kAll };

class PlainLines {
 public:
  explicit PlainLines(Detail detail) : detail_(detail) {}

  /// The line for an event, without LF; empty for most. Blocks that follow within two seconds of a line are left out,
  /// but not a stage's last one; Detail::kAll leaves none out. `view` has the event already.
  std::string LineOf(const v1::JobEvent& event, const JobView& view, absl::Time now);

 private:
  std::string BlockLine(const v1::BlockDone& block, const JobView& view, absl::Time now);

  Detail detail_;
  absl::Time last_block_line_ = absl::InfinitePast();
};

/// "perplexity 23.41, KL 0.0421, top-1 agreement 91.2 %", as much as was measured.
std::string DescribeQuality(const v1::Quality& quality);

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_VIEW_PLAIN_LINES_H_
