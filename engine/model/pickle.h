// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_PICKLE_H_
#define PIVOT_ENGINE_MODEL_PICKLE_H_

// Recognises Python's pickles, which can run code when they are read. Nothing here or elsewhere reads one.

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace pivot {

/// Whether files of this name are pickles: .bin, .pt, .pth, .ckpt, .pkl, .pickle, whatever the case of the letters.
bool HasPickleName(absl::string_view name);

/// Of a file's bytes: "a pickle", "a zip archive that holds archive/data.pkl", "a zip archive", or "" when it is
/// neither. A safetensors file is none, whatever the length of its header.
std::string PickleKind(absl::string_view file);

/// UNSAFE_SOURCE: "`subject`, which can run code when it is read", and what to do instead.
absl::Status RefusePickle(absl::string_view subject);

/// Names of the folder's files that are pickles by their names, sorted.
std::vector<std::string> PickleFiles(const std::string& folder);

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_PICKLE_H_
