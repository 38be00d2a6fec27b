// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_KERNELS_LAUNCHERS_CUH_
#define PIVOT_KERNELS_LAUNCHERS_CUH_

// Launchers of the CUDA kernels. Pointers are device memory. None of them synchronizes, none needs a workspace.

#include <cstdint>
#include <cuda_runtime_api.h>

#include "kernels/asymmetric_clip.h"
#include "kernels/clip_search.h"
#include "kernels/gated_silu.h"
#include "kernels/gptq_panel.h"
#include "kernels/refine_group.h"
#include "kernels/rms_norm.h"
#include "kernels/rotary.h"

namespace pivot {

cudaError_t LaunchPackRows(const uint8_t* codes,  // [rows, columns] u8, row-major
                           int64_t rows, int64_t columns, int bits,
                           uint32_t* words,  // [rows, PackedRowWords(columns, bits)] u32, row-major
                           cudaStream_t stream);

cudaError_t LaunchGptqPanel(const GptqPanel& panel, cudaStream_t stream);

cudaError_t LaunchRefineGroup(const RefineGroup& group, cudaStream_t stream);

cudaError_t LaunchClipSearch(const ClipSearchInput& input, cudaStream_t stream);

cudaError_t LaunchAsymmetricClip(const AsymmetricClipInput& input, cudaStream_t stream);

// Fastest with pointers that are multiples of 16 bytes and rows, or halves of heads, that are too.
cudaError_t LaunchRmsNorm(const RmsNormInput& input, cudaStream_t stream);

cudaError_t LaunchGatedSilu(const GatedSiluInput& input, cudaStream_t stream);

cudaError_t LaunchRotary(const RotaryInput& input, cudaStream_t stream);

}  // namespace pivot

#endif  // PIVOT_KERNELS_LAUNCHERS_CUH_
