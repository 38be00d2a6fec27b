// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_KERNELS_SIMD_H_
#define PIVOT_KERNELS_SIMD_H_

// PIVOT_SIMD before a function has the compiler make versions of it for AVX-512 and AVX2 beside the baseline; the one
// for the processor is chosen when the program starts. Products and sums are never contracted (see CMakeLists.txt), so
// all versions give the same bits. Sanitizers run before the choice can be made, so they get the baseline alone.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(PIVOT_SANITIZE)
#define PIVOT_SIMD __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define PIVOT_SIMD
#endif

#endif  // PIVOT_KERNELS_SIMD_H_
