// SPDX-License-Identifier: Apache-2.0
#include "engine/calibration/window_tensor.h"

#include <ATen/ATen.h>
#include <algorithm>
#include <array>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <cassert>
#include <optional>
#include <utility>
#include <vector>

namespace pivot {
namespace {

/// Copies between host and device in a stream of their own, in the order of the calls. On the CPU they are done at
/// once.
class CopyStream {
 public:
  explicit CopyStream(at::Device device) {
    if (!device.is_cuda()) return;
    guard_.emplace(device.type());
    stream_ = guard_->getStreamFromGlobalPool(device);
  }

  /// Copies behind this wait for what is queued for computation.
  void WaitForComputation() const {
    if (!stream_.has_value()) return;
    c10::Event event(stream_->device_type());
    event.record(guard_->getStream(stream_->device()));
    event.block(*stream_);
  }

  void Copy(const at::Tensor& to, const at::Tensor& from) const {
    const c10::OptionalStreamGuard guard(stream_);
    to.copy_(from, /*non_blocking=*/true);
  }

  /// A point behind the copies so far; nothing on the CPU.
  std::unique_ptr<c10::Event> Now() const {
    if (!stream_.has_value()) return nullptr;
    auto event = std::make_unique<c10::Event>(stream_->device_type());
    event->record(*stream_);
    return event;
  }

  /// Computation behind this waits for the point.
  void HoldComputation(const std::unique_ptr<c10::Event>& point) const {
    if (point != nullptr) point->block(guard_->getStream(stream_->device()));
  }

 private:
  std::optional<c10::impl::VirtualGuardImpl> guard_;
  std::optional<c10::Stream> stream_;
};

}  // namespace

/// Tiles in host memory, numbered from 0. Tile i passes through buffer i mod 2.
class WindowTensor::HostTiles {
 public:
  HostTiles(const Layout& layout, int64_t first_window, const at::TensorOptions& options)
      : first_window_(first_window),
        tile_windows_(layout.tile_windows),
        windows_(layout.windows - first_window),
        stream_(options.device()) {
    const auto host = options.device(at::kCPU).pinned_memory(options.device().is_cuda());
    for (int64_t window = 0; window < windows_; window += tile_windows_)
      tiles_.push_back(at::empty({Count(window), layout.length, layout.features}, host));
    for (Buffer& buffer : buffers_)
      buffer.values = at::empty({std::min(tile_windows_, windows_), layout.length, layout.features}, options);
  }

  // The buffers' memory is used again by computation, which must not overtake the copies.
  ~HostTiles() {
    try {
      stream_.HoldComputation(stream_.Now());
    } catch (const c10::Error&) {
      // A device that fails here has failed whoever computed on it, and was told of there.
    }
  }

  HostTiles(const HostTiles&) = delete;
  HostTiles& operator=(const HostTiles&) = delete;

  int64_t windows() const { return windows_; }
  int64_t tile_windows() const { return tile_windows_; }

  at::Tensor Read(int64_t first, int64_t count) {
    const size_t tile = TileAt(first, count);
    Fetch(tile);
    stream_.HoldComputation(BufferOf(tile).copied);
    Fetch(tile + 1);
    return Values(tile);
  }

  at::Tensor Fill(int64_t first, int64_t count) {
    const size_t tile = TileAt(first, count);
    stream_.HoldComputation(BufferOf(tile).copied);
    BufferOf(tile).tile = tile;
    return Values(tile);
  }

  void Keep(int64_t first, int64_t count) {
    const size_t tile = TileAt(first, count);
    assert(BufferOf(tile).tile == tile);
    stream_.WaitForComputation();
    stream_.Copy(tiles_[tile], Values(tile));
    BufferOf(tile).copied = stream_.Now();
  }

  /// Begins to copy a tile, if there is one, into its buffer, if it is not there.
  void Fetch(size_t tile) {
    if (tile >= tiles_.size() || BufferOf(tile).tile == tile) return;
    stream_.WaitForComputation();  // which may read what the buffer has
    BufferOf(tile).tile = tile;
    stream_.Copy(Values(tile), tiles_[tile]);
    BufferOf(tile).copied = stream_.Now();
  }

 private:
  static constexpr size_t kNoTile = static_cast<size_t>(-1);

  struct Buffer {
    at::Tensor values;
    size_t tile = kNoTile;
    std::unique_ptr<c10::Event> copied;  // behind the last copy to or from it
  };

  int64_t Count(int64_t window) const { return std::min(tile_windows_, windows_ - window); }
  Buffer& BufferOf(size_t tile) { return buffers_[tile % buffers_.size()]; }
  at::Tensor Values(size_t tile) { return BufferOf(tile).values.narrow(0, 0, tiles_[tile].size(0)); }

  size_t TileAt(int64_t first, [[maybe_unused]] int64_t count) const {
    const int64_t window = first - first_window_;
    assert(window >= 0 && window % tile_windows_ == 0 && count == Count(window));
    return static_cast<size_t>(window / tile_windows_);
  }

  int64_t first_window_;
  int64_t tile_windows_;
  int64_t windows_;
  CopyStream stream_;
  std::vector<at::Tensor> tiles_;
  std::array<Buffer, 2> buffers_;
};

WindowTensor::WindowTensor() = default;
WindowTensor::WindowTensor(WindowTensor&&) noexcept = default;
WindowTensor& WindowTensor::operator=(WindowTensor&&) noexcept = default;
WindowTensor::~WindowTensor() = default;

WindowTensor::WindowTensor(at::Tensor resident) : resident_(std::move(resident)) {}

WindowTensor::WindowTensor(const Layout& layout, at::TensorOptions options) {
  const int64_t whole_tiles = layout.resident_windows / layout.tile_windows * layout.tile_windows;
  const int64_t resident = layout.resident_windows >= layout.windows ? layout.windows : whole_tiles;
  resident_ = at::empty({resident, layout.length, layout.features}, options);
  if (resident < layout.windows) spilled_ = std::make_unique<HostTiles>(layout, resident, options);
}

WindowTensor WindowTensor::Like(int64_t features) const {
  return {{.windows = windows(),
           .length = resident_.size(1),
           .features = features,
           .tile_windows = spilled_ == nullptr ? 1 : spilled_->tile_windows(),
           .resident_windows = resident_.size(0)},
          resident_.options()};
}

bool WindowTensor::defined() const { return resident_.defined(); }

int64_t WindowTensor::windows() const { return resident_.size(0) + (spilled_ == nullptr ? 0 : spilled_->windows()); }

at::Device WindowTensor::device() const { return resident_.device(); }

at::Tensor WindowTensor::Read(int64_t first, int64_t count) const {
  if (spilled_ == nullptr) return resident_.narrow(0, first, count);
  if (first >= resident_.size(0)) return spilled_->Read(first, count);
  if (first + count == resident_.size(0)) spilled_->Fetch(0);
  return resident_.narrow(0, first, count);
}

at::Tensor WindowTensor::Fill(int64_t first, int64_t count) {
  return first >= resident_.size(0) ? spilled_->Fill(first, count) : resident_.narrow(0, first, count);
}

void WindowTensor::Keep(int64_t first, int64_t count) {
  if (first >= resident_.size(0)) spilled_->Keep(first, count);
}

}  // namespace pivot
