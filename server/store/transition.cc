// SPDX-License-Identifier: Apache-2.0
#include "server/store/transition.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"

#include "server/convert.h"
#include "server/errors.h"

namespace pivot {
namespace {

constexpr std::array<std::pair<v1::State, v1::State>, 20> kTransitions = {{
    {v1::STATE_UNSPECIFIED, v1::STATE_QUEUED},     // created
    {v1::STATE_QUEUED, v1::STATE_RUNNING},         // claimed for a device
    {v1::STATE_QUEUED, v1::STATE_CANCELLED},       // cancelled before it ran
    {v1::STATE_QUEUED, v1::STATE_SUSPENDED},       // suspended before it ran
    {v1::STATE_QUEUED, v1::STATE_FAILED},          // waited for too long
    {v1::STATE_RUNNING, v1::STATE_QUEUED},         // to be tried again: crash, server's end
    {v1::STATE_RUNNING, v1::STATE_CANCELLING},     // a cancel was asked for
    {v1::STATE_RUNNING, v1::STATE_SUSPENDING},     // a suspend was asked for
    {v1::STATE_RUNNING, v1::STATE_SUCCEEDED},      // the worker finished
    {v1::STATE_RUNNING, v1::STATE_FAILED},         // it gave up, or was tried too often
    {v1::STATE_CANCELLING, v1::STATE_SUCCEEDED},   // it finished before it saw the cancel
    {v1::STATE_CANCELLING, v1::STATE_CANCELLED},   // it ended otherwise
    {v1::STATE_SUSPENDING, v1::STATE_SUCCEEDED},   // it finished before it saw the suspend
    {v1::STATE_SUSPENDING, v1::STATE_FAILED},      // it gave up before
    {v1::STATE_SUSPENDING, v1::STATE_SUSPENDED},   // it ended otherwise
    {v1::STATE_SUSPENDING, v1::STATE_CANCELLING},  // the suspend became a cancel
    {v1::STATE_SUSPENDED, v1::STATE_QUEUED},       // resumed
    {v1::STATE_SUSPENDED, v1::STATE_CANCELLED},    // cancelled while nothing ran
    {v1::STATE_FAILED, v1::STATE_QUEUED},          // to be tried once more
    {v1::STATE_CANCELLED, v1::STATE_QUEUED},       // the same
}};

/// UNSPECIFIED: the answer is a refusal.
v1::State AfterCancel(v1::State from) {
  switch (from) {
    case v1::STATE_QUEUED:
    case v1::STATE_SUSPENDED:
      return v1::STATE_CANCELLED;
    case v1::STATE_RUNNING:
    case v1::STATE_SUSPENDING:
      return v1::STATE_CANCELLING;
    default:
      return from;
  }
}

v1::State AfterSuspend(v1::State from) {
  switch (from) {
    case v1::STATE_QUEUED:
      return v1::STATE_SUSPENDED;
    case v1::STATE_RUNNING:
      return v1::STATE_SUSPENDING;
    case v1::STATE_SUSPENDING:
    case v1::STATE_SUSPENDED:
      return from;
    default:
      return v1::STATE_UNSPECIFIED;
  }
}

v1::State AfterResume(v1::State from) {
  if (from == v1::STATE_SUSPENDED) return v1::STATE_QUEUED;
  return from == v1::STATE_QUEUED || from == v1::STATE_RUNNING ? from : v1::STATE_UNSPECIFIED;
}

v1::State AfterRetry(v1::State from) {
  return from == v1::STATE_FAILED || from == v1::STATE_CANCELLED ? v1::STATE_QUEUED : v1::STATE_UNSPECIFIED;
}

const char* RuleOf(Steer steer) {
  switch (steer) {
    case Steer::kSuspend:
      return "only a queued or running job can be suspended";
    case Steer::kResume:
      return "only a suspended job can be resumed";
    default:
      return "only a failed or cancelled job can be retried";
  }
}

const char* AdviceFor(Steer steer, v1::State from) {
  if (steer == Steer::kResume && from == v1::STATE_SUSPENDING) return "; try again when its worker has stopped";
  if (steer == Steer::kResume && MayFollow(from, v1::STATE_QUEUED)) return "; retry it instead";
  if (steer == Steer::kRetry && from == v1::STATE_SUSPENDED) return "; resume it instead";
  if (steer == Steer::kRetry && from == v1::STATE_CANCELLING) return "; try again when its worker has stopped";
  return "";
}

}  // namespace

bool MayFollow(v1::State from, v1::State to) {
  return std::find(kTransitions.begin(), kTransitions.end(), std::pair(from, to)) != kTransitions.end();
}

bool IsTerminal(v1::State state) {
  return state == v1::STATE_SUCCEEDED || state == v1::STATE_FAILED || state == v1::STATE_CANCELLED;
}

absl::StatusOr<v1::State> StateAfter(Steer steer, v1::State from, absl::string_view job_name) {
  v1::State to = v1::STATE_UNSPECIFIED;
  if (steer == Steer::kCancel) to = AfterCancel(from);
  if (steer == Steer::kSuspend) to = AfterSuspend(from);
  if (steer == Steer::kResume) to = AfterResume(from);
  if (steer == Steer::kRetry) to = AfterRetry(from);
  if (to != v1::STATE_UNSPECIFIED) return to;
  return IllegalState(absl::StrCat(job_name, " is ", StateText(from), ": ", RuleOf(steer), AdviceFor(steer, from)));
}

absl::Status CheckMayDelete(v1::State state, absl::string_view job_name) {
  if (IsTerminal(state) || state == v1::STATE_SUSPENDED) return absl::OkStatus();
  return IllegalState(absl::StrCat(job_name, " is ", StateText(state),
                                   ": only a job that has ended or is suspended can be deleted; cancel it first"));
}

absl::Status CheckMayUpdate(v1::State state, absl::string_view job_name) {
  if (!IsTerminal(state)) return absl::OkStatus();
  return IllegalState(
      absl::StrCat(job_name, " is ", StateText(state), ": of a job that has ended only the ttl can be updated"));
}

}  // namespace pivot
