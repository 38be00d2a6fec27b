// SPDX-License-Identifier: Apache-2.0
#include "proto/status/status_macros.h"
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
    for (const LeasedDevice& lease : leases) {
      if (lease.device == device.lease_key() && MayRead(*backend.identity, access, lease.job_name)) {
        shown.set_job(lease.job_name);
      }
    }
  }
  return capabilities;
}

}  // namespace pivot
