// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_CLIENT_FAKE_CHECKPOINT_H_
#define PIVOT_TESTS_CLIENT_FAKE_CHECKPOINT_H_

// A published checkpoint in memory, and the methods that serve it.

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "proto/files/manifest.h"
#include "tests/client/fake_service.h"

namespace pivot::client {

struct FakeCheckpoint {
  std::map<std::string, std::string> files;
  /// Pieces of this many bytes.
  int64_t piece_bytes = 1000;
  /// Messages of this many bytes.
  int64_t message_bytes = 300;
  /// May change what a call sends. Called before each message; false ends the call with UNAVAILABLE instead.
  std::function<bool(const v1::ReadFileRequest&, v1::ReadFileResponse*)> on_message;

  ManifestData Manifest() const;
  /// get_manifest and read_file; this object must outlive their use.
  void Serve(FakeMethods* methods) const;
};

/// Bytes that differ everywhere, the same for the same seed.
std::string SomeBytes(size_t count, unsigned seed);

/// The answer to GetManifest for a manifest as it is.
v1::Manifest ManifestMessage(const std::string& json);

/// What a job that has succeeded shows of its task: a result, and checkpoint 0.
void ShowSuccess(v1::Job* job);

}  // namespace pivot::client

#endif  // PIVOT_TESTS_CLIENT_FAKE_CHECKPOINT_H_
