// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_VIEW_PLAN_TABLE_H_
#define PIVOT_CLIENT_VIEW_PLAN_TABLE_H_

// A plan for people.

#include <string>

#include "pivot/v1/job.pb.h"

namespace pivot::client {

/// Modules summed by kind (the last part of their name), then sizes, memory, time and fit.
std::string RenderPlan(const v1::Plan& plan);

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_VIEW_PLAN_TABLE_H_
