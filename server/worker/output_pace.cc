// SPDX-License-Identifier: Apache-2.0
#include "server/worker/output_pace.h"

#include <algorithm>

namespace pivot {

void OutputPace::Took(int64_t bytes, Clock::time_point now) {
  const double since = std::chrono::duration<double>(now - as_of_).count();
  left_ = std::min(static_cast<double>(limits_.burst_bytes), left_ + since * limits_.bytes_a_second);
  left_ -= static_cast<double>(bytes);
  as_of_ = now;
  next_ = now;
  if (left_ >= 0) return;
  next_ += std::chrono::ceil<Clock::duration>(std::chrono::duration<double>(-left_ / limits_.bytes_a_second));
}

}  // namespace pivot
