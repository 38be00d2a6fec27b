// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_CLIENT_FAKE_METHODS_H_
#define PIVOT_TESTS_CLIENT_FAKE_METHODS_H_

// The answers of a server that the test writes.

#include <functional>
#include <string>

#include "pivot/v1/capabilities.grpc.pb.h"
#include "pivot/v1/checkpoints.grpc.pb.h"
#include "pivot/v1/jobs.grpc.pb.h"

namespace pivot::client {

template <typename Request, typename Response>
using Answer = std::function<grpc::Status(const Request&, Response*)>;

/// `send` is false when the client is gone.
template <typename Request, typename Response>
using Stream = std::function<grpc::Status(const Request&, const std::function<bool(const Response&)>& send)>;

/// A status with google.rpc.ErrorInfo, as the server sends it.
grpc::Status StatusWithReason(grpc::StatusCode code, const std::string& reason);

/// An unset method answers UNIMPLEMENTED. Methods are called from gRPC's threads.
struct FakeMethods {
  Answer<v1::CreateJobRequest, v1::Job> create_job;
  Answer<v1::GetJobRequest, v1::Job> get_job;
  Answer<v1::ListJobsRequest, v1::ListJobsResponse> list_jobs;
  Answer<v1::CancelJobRequest, v1::Job> cancel_job;
  Answer<v1::SuspendJobRequest, v1::Job> suspend_job;
  Answer<v1::ResumeJobRequest, v1::Job> resume_job;
  Answer<v1::RetryJobRequest, v1::Job> retry_job;
  Answer<v1::UpdateJobRequest, v1::Job> update_job;
  Answer<v1::DeleteJobRequest, google::protobuf::Empty> delete_job;
  Stream<v1::WatchJobRequest, v1::JobEvent> watch_job;
  Stream<v1::WatchJobsRequest, v1::JobEvent> watch_jobs;
  Stream<v1::StreamLogsRequest, v1::LogChunk> stream_logs;
  Answer<v1::GetManifestRequest, v1::Manifest> get_manifest;
  Stream<v1::ReadFileRequest, v1::ReadFileResponse> read_file;
  Answer<v1::GetCapabilitiesRequest, v1::ServerCapabilities> get_capabilities;
};

/// get_capabilities of a server of version 9.9 with a CPU.
grpc::Status DescribeServer(const v1::GetCapabilitiesRequest& request, v1::ServerCapabilities* capabilities);

}  // namespace pivot::client

#endif  // PIVOT_TESTS_CLIENT_FAKE_METHODS_H_
