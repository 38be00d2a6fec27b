// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_VIEW_LIVE_LINES_H_
#define PIVOT_CLIENT_VIEW_LIVE_LINES_H_

// The live view as text.

#include <cstddef>
#include <string>
#include <vector>

#include "client/view/job_view.h"

namespace pivot::client {

/// One line for the job and one for each stage, none wider than `columns`: a bar, blocks done, time left, error so far,
/// memory and what is being done. What does not fit is left out from the right.
std::vector<std::string> RenderLive(const JobView& view, size_t columns);

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_VIEW_LIVE_LINES_H_
