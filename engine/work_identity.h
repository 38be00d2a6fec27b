// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_WORK_IDENTITY_H_
#define PIVOT_ENGINE_WORK_IDENTITY_H_

#include <string>

#include "nlohmann/json.hpp"

#include "engine/model/model_folder.h"
#include "engine/ops/device.h"
#include "engine/plan/compress_spec.h"

namespace pivot {

/// Changes whenever equal inputs would give other bytes: work of another version is not taken over.
inline constexpr int kNumericsVersion = 5;

/// Everything that the bytes of a compression depend on. Finished work of an equal identity is taken over.
nlohmann::json WorkIdentity(const ModelFolder& source, const CompressSpec& spec, const std::string& calibration_sha256,
                            const ComputeDevice& device);

}  // namespace pivot

#endif  // PIVOT_ENGINE_WORK_IDENTITY_H_
