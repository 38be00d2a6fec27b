// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_CALIBRATION_WINDOW_TENSOR_H_
#define PIVOT_ENGINE_CALIBRATION_WINDOW_TENSOR_H_

// Activations of all calibration windows, of which a GPU may hold only the first ones.

#include <ATen/core/Tensor.h>
#include <cstdint>
#include <memory>

namespace pivot {

/// A tensor [windows, length, features] that is read and changed a tile of windows at a time, from the first to the
/// last. Its resident windows lie on the device. Every tile behind them lies in page-locked host memory and passes
/// through one of two buffers on the device; the copies run beside the computation. Where a tile lies changes no bit of
/// what is computed with it.
///
/// All methods may throw what ATen throws. One thread at a time, whose current stream is the one that computes.
class WindowTensor {
 public:
  struct Layout {
    int64_t windows = 0;
    int64_t length = 0;
    int64_t features = 0;
    int64_t tile_windows = 1;
    int64_t resident_windows = 0;  // rounded down to whole tiles; as many as windows, or more: all
  };

  WindowTensor();
  /// All windows resident: the tensor itself, [windows, length, features].
  WindowTensor(at::Tensor resident);  // NOLINT(google-explicit-constructor)
  /// Not initialized.
  WindowTensor(const Layout& layout, at::TensorOptions options);
  WindowTensor(WindowTensor&&) noexcept;
  WindowTensor& operator=(WindowTensor&&) noexcept;
  ~WindowTensor();

  /// Another one of as many windows, laid out and placed in the same way, not initialized.
  WindowTensor Like(int64_t features) const;

  bool defined() const;
  int64_t windows() const;
  at::Device device() const;

  /// Windows [first, first + count) on the device, [count, length, features], with what was kept of them last. They
  /// must be resident, or one whole tile. A tile that is not resident is a copy, good for what is computed until
  /// another one is asked for; the tile behind it begins to be fetched.
  at::Tensor Read(int64_t first, int64_t count) const;

  /// As Read, for windows that will be written before they are read: the values are undefined.
  at::Tensor Fill(int64_t first, int64_t count);

  /// Makes what the tensor that Read or Fill gave last for these windows holds now the tensor's own.
  void Keep(int64_t first, int64_t count);

 private:
  class HostTiles;

  at::Tensor resident_;
  std::unique_ptr<HostTiles> spilled_;  // null: none is
};

}  // namespace pivot

#endif  // PIVOT_ENGINE_CALIBRATION_WINDOW_TENSOR_H_
