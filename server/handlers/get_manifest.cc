// SPDX-License-Identifier: Apache-2.0
#include "proto/status/status_macros.h"
#include "server/handlers/handlers.h"
#include "server/handlers/job_view.h"

namespace pivot {

absl::StatusOr<v1::Manifest> GetManifest(const v1::GetManifestRequest& request, const Access& /*access*/,
                                         Backend& backend) {
  PIVOT_ASSIGN_OR_RETURN(const CheckpointRecord checkpoint, FindCheckpoint(*backend.store, request.name(), "name"));
  v1::Manifest manifest;
  auto json = backend.checkpoints->ReadManifest(checkpoint);
  if (!json.ok()) return ExplainDamage(json.status(), *backend.store, checkpoint);
  manifest.set_json(*std::move(json));
  manifest.set_sha256(checkpoint.ref.manifest_sha256());
  return manifest;
}

}  // namespace pivot
