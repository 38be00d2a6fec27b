// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_KERNELS_HOST_DEVICE_H_
#define PIVOT_KERNELS_HOST_DEVICE_H_

// PIVOT_HOST_DEVICE before a function that CPU and GPU versions of a kernel share.
#ifdef __CUDACC__
#define PIVOT_HOST_DEVICE __host__ __device__
#else
#define PIVOT_HOST_DEVICE
#endif

#endif  // PIVOT_KERNELS_HOST_DEVICE_H_
