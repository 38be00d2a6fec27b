// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_HANDLERS_HANDLERS_H_
#define PIVOT_SERVER_HANDLERS_HANDLERS_H_

// One function for each method of the API; proto/pivot/v1 says what they do.

#include <functional>
#include <grpcpp/support/server_callback.h>

#include "absl/status/statusor.h"
#include "google/protobuf/empty.pb.h"
#include "pivot/v1/capabilities.pb.h"
#include "pivot/v1/checkpoints.pb.h"
#include "pivot/v1/jobs.pb.h"

#include "server/handlers/backend.h"
#include "server/handlers/stream_admission.h"
#include "server/identity/access.h"

namespace pivot {

// Unary methods: they read and write the store, so they run in an executor. The caller has been authorized; where
// Authorize() says so, they check whose job it is.

/// May wait for a probe. `is_cancelled` is asked before the job is made, never after.
absl::StatusOr<v1::Job> CreateJob(const v1::CreateJobRequest& request, const Access& access,
                                  const std::function<bool()>& is_cancelled, Backend& backend);
absl::StatusOr<v1::Job> GetJob(const v1::GetJobRequest& request, const Access& access, Backend& backend);
absl::StatusOr<v1::ListJobsResponse> ListJobs(const v1::ListJobsRequest& request, const Access& access,
                                              Backend& backend);
absl::StatusOr<v1::Job> CancelJob(const v1::CancelJobRequest& request, const Access& access, Backend& backend);
absl::StatusOr<v1::Job> SuspendJob(const v1::SuspendJobRequest& request, const Access& access, Backend& backend);
absl::StatusOr<v1::Job> ResumeJob(const v1::ResumeJobRequest& request, const Access& access, Backend& backend);
absl::StatusOr<v1::Job> RetryJob(const v1::RetryJobRequest& request, const Access& access, Backend& backend);
absl::StatusOr<v1::Job> UpdateJob(const v1::UpdateJobRequest& request, const Access& access, Backend& backend);
absl::StatusOr<google::protobuf::Empty> DeleteJob(const v1::DeleteJobRequest& request, const Access& access,
                                                  Backend& backend);
absl::StatusOr<v1::Manifest> GetManifest(const v1::GetManifestRequest& request, const Access& access, Backend& backend);
absl::StatusOr<v1::ServerCapabilities> GetCapabilities(const v1::GetCapabilitiesRequest& request, const Access& access,
                                                       Backend& backend);

// Streams: called in a reaction, they return at once. One that was not admitted ends at once, too.
grpc::ServerWriteReactor<v1::JobEvent>* WatchJob(const v1::WatchJobRequest& request, StreamAdmission admission,
                                                 Backend& backend);
grpc::ServerWriteReactor<v1::JobEvent>* WatchJobs(const v1::WatchJobsRequest& request, StreamAdmission admission,
                                                  Backend& backend);
grpc::ServerWriteReactor<v1::LogChunk>* StreamLogs(const v1::StreamLogsRequest& request, StreamAdmission admission,
                                                   Backend& backend);
grpc::ServerWriteReactor<v1::ReadFileResponse>* ReadFile(const v1::ReadFileRequest& request, StreamAdmission admission,
                                                         Backend& backend);

}  // namespace pivot

#endif  // PIVOT_SERVER_HANDLERS_HANDLERS_H_
