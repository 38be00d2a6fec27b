// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_OPS_CALL_TORCH_H_
#define PIVOT_ENGINE_OPS_CALL_TORCH_H_

// The border between ATen, which throws, and the engine, which returns statuses.
//
// Functions of the engine that return an absl::Status or absl::StatusOr never throw. Functions that return an
// at::Tensor are expressions over tensors: they may throw what ATen throws and are called under CallTorch.

#include <type_traits>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pivot {

/// Runs `body`, which returns a status. What it throws becomes one: out of memory kResourceExhausted (reason
/// GPU_OUT_OF_MEMORY or HOST_OUT_OF_MEMORY), the rest kInternal, with `what` in the message.
absl::Status CallTorchStatus(absl::string_view what, absl::FunctionRef<absl::Status()> body);

/// The same for a body that returns absl::Status, absl::StatusOr<T> or a value.
template <typename Body>
auto CallTorch(absl::string_view what, Body&& body) {
  using Result = std::invoke_result_t<Body>;
  if constexpr (std::is_same_v<Result, absl::Status>) {
    return CallTorchStatus(what, std::forward<Body>(body));
  } else if constexpr (requires(Result result) { result.status(); }) {
    Result result = absl::UnknownError("not run");
    const absl::Status status = CallTorchStatus(what, [&] {
      result = body();
      return absl::OkStatus();
    });
    return status.ok() ? std::move(result) : Result(status);
  } else {
    absl::StatusOr<Result> result = absl::UnknownError("not run");
    const absl::Status status = CallTorchStatus(what, [&] {
      result = body();
      return absl::OkStatus();
    });
    return status.ok() ? std::move(result) : absl::StatusOr<Result>(status);
  }
}

}  // namespace pivot

#endif  // PIVOT_ENGINE_OPS_CALL_TORCH_H_
