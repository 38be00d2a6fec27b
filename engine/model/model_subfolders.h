// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_MODEL_SUBFOLDERS_H_
#define PIVOT_ENGINE_MODEL_MODEL_SUBFOLDERS_H_

// Outputs that hold the same model in several formats, each in a folder of its own.

#include <string>
#include <vector>

namespace pivot {

/// Names of the folders directly below `path` that hold a config.json, sorted. Empty when `path` has one itself.
std::vector<std::string> ModelSubfolders(const std::string& path);

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_MODEL_SUBFOLDERS_H_
