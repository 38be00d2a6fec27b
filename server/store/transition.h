// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_STORE_TRANSITION_H_
#define PIVOT_SERVER_STORE_TRANSITION_H_

// Which state of a job may follow which.

#include "pivot/v1/job.pb.h"

namespace pivot {

/// The whole table. UNSPECIFIED is the state before creation.
bool MayFollow(v1::State from, v1::State to);

/// SUCCEEDED, FAILED and CANCELLED: nothing follows them.
bool IsTerminal(v1::State state);

}  // namespace pivot

#endif  // PIVOT_SERVER_STORE_TRANSITION_H_
