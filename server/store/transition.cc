// SPDX-License-Identifier: Apache-2.0
#include "server/store/transition.h"

#include <algorithm>
#include <array>
#include <utility>

namespace pivot {
namespace {

constexpr std::array<std::pair<v1::State, v1::State>, 9> kTransitions = {{
    {v1::STATE_UNSPECIFIED, v1::STATE_QUEUED},    // created
    {v1::STATE_QUEUED, v1::STATE_RUNNING},        // claimed for a device
    {v1::STATE_QUEUED, v1::STATE_CANCELLED},      // cancelled before it ran
    {v1::STATE_RUNNING, v1::STATE_QUEUED},        // to be tried again: crash, server's end
    {v1::STATE_RUNNING, v1::STATE_CANCELLING},    // a cancel was asked for
    {v1::STATE_RUNNING, v1::STATE_SUCCEEDED},     // the worker finished
    {v1::STATE_RUNNING, v1::STATE_FAILED},        // it gave up, or was tried too often
    {v1::STATE_CANCELLING, v1::STATE_SUCCEEDED},  // it finished before it saw the cancel
    {v1::STATE_CANCELLING, v1::STATE_CANCELLED},  // it ended otherwise
}};

}  // namespace

bool MayFollow(v1::State from, v1::State to) {
  return std::find(kTransitions.begin(), kTransitions.end(), std::pair(from, to)) != kTransitions.end();
}

bool IsTerminal(v1::State state) {
  return state == v1::STATE_SUCCEEDED || state == v1::STATE_FAILED || state == v1::STATE_CANCELLED;
}

}  // namespace pivot
