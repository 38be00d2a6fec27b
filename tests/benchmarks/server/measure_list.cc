// SPDX-License-Identifier: Apache-2.0
// ListJobs among very many.
#include "absl/strings/str_cat.h"

#include "proto/status/status_macros.h"
#include "tests/benchmarks/server/bulk_jobs.h"
#include "tests/benchmarks/server/job_calls.h"
#include "tests/benchmarks/server/measures.h"

namespace pivot {
namespace {

constexpr int kLargestPage = 1000;

struct Listing {
  const char* name;
  const char* filter;
  const char* order_by;
};

constexpr Listing kListings[] = {
    {"all", "", ""},
    {"state", "state = SUCCEEDED", ""},
    {"rare_state", "state = SUSPENDED", ""},
    {"states", "state = FAILED OR state = CANCELLED", ""},
    {"not_state", "state != SUCCEEDED", ""},
    {"no_such_state", "state = RUNNING", ""},
    {"label", "labels.team = a", ""},
    {"rare_label", "labels.rare = x", ""},
    {"no_label", "NOT labels:team", ""},
    {"label_of_state", "labels.team = a AND state = FAILED", ""},
    {"priority", "priority >= 95", ""},
    {"no_such_priority", "priority > 100 AND state = FAILED", ""},
    {"by_priority", "", "priority desc"},
    {"state_by_priority", "state = FAILED", "priority"},
    {"by_update", "", "update_time desc"},
    {"state_by_update", "state = CANCELLED", "update_time"},
    {"since", "create_time > \"2020-01-01T00:00:00Z\" AND priority < 10", "create_time"},
};

v1::ListJobsRequest RequestFor(const Listing& listing) {
  v1::ListJobsRequest request;
  request.set_parent(absl::StrCat("projects/", kLoadProject));
  request.set_filter(listing.filter);
  request.set_order_by(listing.order_by);
  request.set_page_size(50);
  return request;
}

absl::Status MeasureOne(const Bench& bench, const JobsStub& stub, const std::string& name,
                        const v1::ListJobsRequest& request) {
  const BeginCall list = CallOf<v1::ListJobsRequest, v1::ListJobsResponse>(&v1::Jobs::Stub::async::ListJobs, stub,
                                                                           [&](int /*index*/) { return request; });
  PIVOT_ASSIGN_OR_RETURN(const LoadResult result, CallAtDepth(list, 1, bench.scale.lists));
  bench.figures->Add(
      {.name = absl::StrCat("list_jobs.", name, ".p50"), .value = result.latencies->Milliseconds(0.5), .unit = "ms"});
  bench.figures->Add({.name = absl::StrCat("list_jobs.", name, ".p99"),
                      .value = result.latencies->Milliseconds(0.99),
                      .unit = "ms",
                      .at_most = bench.Bar(20)});
  return absl::OkStatus();
}

/// The token of a page half way through.
absl::StatusOr<std::string> HalfWay(v1::Jobs::Stub& stub, const Listing& listing, int num_jobs) {
  v1::ListJobsRequest request = RequestFor(listing);
  request.set_page_size(kLargestPage);
  for (int seen = 0; seen < num_jobs / 2; seen += kLargestPage) {
    grpc::ClientContext context;
    v1::ListJobsResponse response;
    const grpc::Status status = stub.ListJobs(&context, request, &response);
    if (!status.ok()) return absl::InternalError(status.error_message());
    // A page of large jobs holds fewer.
    seen += response.jobs_size() - kLargestPage;
    request.set_page_token(response.next_page_token());
  }
  return request.page_token();
}

}  // namespace

absl::Status MeasureList(const Bench& bench) {
  const ServedPivotd::Options options = bench.OptionsFor("list");
  // One event a job: the list does not look at them.
  PIVOT_RETURN_IF_ERROR(FillDatabase(options.data, {.jobs = bench.scale.listed_jobs}));
  PIVOT_ASSIGN_OR_RETURN(const auto served, ServedPivotd::Start(options));
  const JobsStub stub = v1::Jobs::NewStub(served->Connect());
  for (const Listing& listing : kListings) {
    PIVOT_RETURN_IF_ERROR(MeasureOne(bench, stub, listing.name, RequestFor(listing)));
  }
  v1::ListJobsRequest deep = RequestFor(kListings[0]);
  PIVOT_ASSIGN_OR_RETURN(const std::string token, HalfWay(*stub, kListings[0], bench.scale.listed_jobs));
  deep.set_page_token(token);
  return MeasureOne(bench, stub, "half_way", deep);
}

}  // namespace pivot
