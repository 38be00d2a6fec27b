// SPDX-License-Identifier: Apache-2.0
#include "proto/status/status_macros.h"
#include "server/convert.h"
#include "server/handlers/handlers.h"

namespace pivot {

absl::StatusOr<v1::ServerCapabilities> GetCapabilities(const v1::GetCapabilitiesRequest& /*request*/,
                                                       const Access& access, Backend& backend) {
  v1::ServerCapabilities capabilities = backend.capabilities;
  PIVOT_ASSIGN_OR_RETURN(const std::vector<LeasedDevice> leases, backend.store->ReadLeases());
  for (const Device& device : backend.devices) {
    v1::Device& shown = *capabilities.add_devices();
    shown.set_name(device.name);
    shown.set_uuid(device.uuid);
    shown.set_model(device.model);
    shown.set_memory_bytes(device.memory_bytes);
    if (const auto set_aside = backend.health->Look(device.name); set_aside.has_value()) {
      shown.set_set_aside_cause(set_aside->cause);
      *shown.mutable_set_aside_until() = ToTimestamp(absl::ToUnixMicros(set_aside->until));
    }
    for (const LeasedDevice& lease : leases) {
      if (lease.device == device.lease_key() && MayRead(*backend.identity, access, lease.job_name)) {
        shown.set_job(lease.job_name);
      }
    }
  }
  return capabilities;
}

}  // namespace pivot
