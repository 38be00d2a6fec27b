// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_BENCHMARKS_SERVER_JOB_CALLS_H_
#define PIVOT_TESTS_BENCHMARKS_SERVER_JOB_CALLS_H_

// Calls of pivot.v1.Jobs, one by one and in numbers.

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "pivot/v1/jobs.grpc.pb.h"

#include "tests/benchmarks/server/call_load.h"

namespace pivot {

using JobsStub = std::shared_ptr<v1::Jobs::Stub>;

/// A compress job of `model` on the CPU.
v1::CreateJobRequest JobRequest(const std::string& model, const std::string& job_id = "");

/// Requests of one kind, `request_of(index)` each.
template <typename Request, typename Response>
BeginCall CallOf(void (v1::Jobs::Stub::async::*method)(grpc::ClientContext*, const Request*, Response*,
                                                       std::function<void(grpc::Status)>),
                 const JobsStub& stub, std::function<Request(int)> request_of) {
  struct Open {
    grpc::ClientContext context;
    Request request;
    Response response;
  };
  return [method, stub, request_of = std::move(request_of)](int index, CallDone done) {
    auto open = std::make_shared<Open>();
    open->request = request_of(index);
    (stub->async()->*method)(&open->context, &open->request, &open->response,
                             [open, done = std::move(done)](const grpc::Status& status) mutable {
                               // Before it is told: who waits for it may end the server and the program.
                               open.reset();
                               done(status);
                             });
  };
}

absl::StatusOr<v1::Job> Create(v1::Jobs::Stub& stub, const v1::CreateJobRequest& request);
absl::Status AwaitState(v1::Jobs::Stub& stub, const std::string& name, v1::State state);
absl::Status Suspend(v1::Jobs::Stub& stub, const std::string& name);
absl::Status Resume(v1::Jobs::Stub& stub, const std::string& name);

/// A script for fake_worker.cc: it takes its device and keeps it.
inline constexpr char kHangScript[] = R"([{"heartbeat": "working"}, {"hang": true}])";

}  // namespace pivot

#endif  // PIVOT_TESTS_BENCHMARKS_SERVER_JOB_CALLS_H_
