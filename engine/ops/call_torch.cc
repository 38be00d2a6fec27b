// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/call_torch.h"

#include <c10/util/Exception.h>
#include <exception>
#include <new>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "proto/status/reason.h"

namespace pivot {
namespace {

absl::Status OutOfMemory(absl::string_view what, absl::string_view detail, const char* reason) {
  return WithReason(absl::ResourceExhaustedError(absl::StrCat("out of memory while running ", what, ": ", detail)),
                    reason);
}

/// ATen's messages go on with a stack trace after the first lines.
std::string FirstLine(absl::string_view text) { return std::string(text.substr(0, text.find('\n'))); }

}  // namespace

absl::Status CallTorchStatus(absl::string_view what, absl::FunctionRef<absl::Status()> body) {
  try {
    return body();
  } catch (const c10::OutOfMemoryError& error) {
    return OutOfMemory(what, FirstLine(error.what_without_backtrace()), "GPU_OUT_OF_MEMORY");
  } catch (const c10::Error& error) {
    const std::string text = error.what_without_backtrace();
    // The CPU allocator has no exception class of its own.
    if (absl::StrContains(text, "DefaultCPUAllocator")) return OutOfMemory(what, FirstLine(text), "HOST_OUT_OF_MEMORY");
    if (absl::StrContains(text, "CUDA error")) {
      return WithReason(absl::AbortedError(absl::StrCat(what, " failed on the GPU: ", FirstLine(text))),
                        "DEVICE_FAULT");
    }
    return absl::InternalError(absl::StrCat(what, " failed: ", FirstLine(text)));
  } catch (const std::bad_alloc&) {
    return OutOfMemory(what, "no host memory is left", "HOST_OUT_OF_MEMORY");
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat(what, " failed: ", FirstLine(error.what())));
  }
}

}  // namespace pivot
