// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_PROTO_FILES_CRASH_POINT_H_
#define PIVOT_PROTO_FILES_CRASH_POINT_H_

// Named places where a test can kill the process, as kill -9 would. Nothing at all in a release.
//
// PIVOT_CRASH_POINT=NAME or NAME:3 in the environment kills the process when it comes to that place, for the third
// time. tests/torture/crash_points_test.cc finds the names in the sources and fires each of them, so a name is a
// literal.

#include "absl/strings/string_view.h"

#ifdef PIVOT_CRASH_POINTS
#define PIVOT_CRASH_POINT(name) ::pivot::ReachCrashPoint(name)
// For a place that is passed with different intents: the point's name is "NAME.KIND".
#define PIVOT_CRASH_POINT_OF(name, kind) ::pivot::ReachCrashPoint(name, kind)
#else
#define PIVOT_CRASH_POINT(name) static_cast<void>(0)
#define PIVOT_CRASH_POINT_OF(name, kind) static_cast<void>(kind)
#endif

namespace pivot {

/// Any thread. Use the macros.
void ReachCrashPoint(absl::string_view name, absl::string_view kind = "");

}  // namespace pivot

#endif  // PIVOT_PROTO_FILES_CRASH_POINT_H_
