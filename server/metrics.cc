// SPDX-License-Identifier: Apache-2.0
#include "server/metrics.h"

#include <utility>

#include "absl/strings/ascii.h"

#include "proto/status/reason.h"
#include "server/convert.h"

namespace pivot {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

const prometheus::Histogram::BucketBoundaries kCallSeconds = {0.001, 0.003, 0.01, 0.03, 0.1,  0.3,  1,
                                                              3,     10,    30,   100,  1000, 10000};
const prometheus::Histogram::BucketBoundaries kCommitSeconds = {0.0001, 0.0003, 0.001, 0.003, 0.01,
                                                                0.03,   0.1,    0.3,   1,     3};
const prometheus::Histogram::BucketBoundaries kPublishSeconds = {0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000};

ClientMetric GaugeValue(double value) {
  ClientMetric metric;
  metric.gauge.value = value;
  return metric;
}

MetricFamily GaugeFamily(const char* name, const char* help) {
  return {.name = name, .help = help, .type = MetricType::Gauge, .metric = {}};
}

std::string StateLabel(v1::State state) { return absl::AsciiStrToLower(StateText(state)); }

MetricFamily JobsByState(const QueueFigures& figures) {
  MetricFamily family = GaugeFamily("pivot_jobs", "Jobs by state.");
  for (int number = v1::STATE_QUEUED; number <= v1::State_MAX; ++number) {
    const auto state = static_cast<v1::State>(number);
    const auto found = figures.jobs.find(state);
    ClientMetric metric = GaugeValue(found == figures.jobs.end() ? 0 : static_cast<double>(found->second));
    metric.label.push_back({"state", StateLabel(state)});
    family.metric.push_back(std::move(metric));
  }
  return family;
}

}  // namespace

Metrics::Metrics(const std::string& version, MetricsSources sources)
    : sources_(std::move(sources)),
      calls_(prometheus::BuildCounter()
                 .Name("pivot_rpc_server_handled_total")
                 .Help("Calls answered, by method and status code.")
                 .Register(registry_)),
      call_seconds_(prometheus::BuildHistogram()
                        .Name("pivot_rpc_server_handling_seconds")
                        .Help("Time from a call's arrival to its last answer.")
                        .Register(registry_)),
      finished_(
          prometheus::BuildCounter().Name("pivot_jobs_finished_total").Help("Jobs that ended.").Register(registry_)),
      restarts_(prometheus::BuildCounter()
                    .Name("pivot_worker_restarts_total")
                    .Help("Attempts after which a job was queued again.")
                    .Register(registry_)),
      commit_seconds_(prometheus::BuildHistogram()
                          .Name("pivot_store_commit_seconds")
                          .Help("Time that the store's commits took, sync included.")
                          .Register(registry_)
                          .Add({}, kCommitSeconds)),
      publish_seconds_(prometheus::BuildHistogram()
                           .Name("pivot_checkpoint_publish_seconds")
                           .Help("Time from a staged folder to its visibility or refusal.")
                           .Register(registry_)
                           .Add({}, kPublishSeconds)),
      bytes_sent_(prometheus::BuildCounter()
                      .Name("pivot_transfer_bytes_total")
                      .Help("Bytes of files.")
                      .Register(registry_)
                      .Add({{"direction", "download"}})),
      audit_lost_(prometheus::BuildCounter()
                      .Name("pivot_audit_lost_total")
                      .Help("Lines of the audit log that could not be written.")
                      .Register(registry_)
                      .Add({})),
      watchers_(
          prometheus::BuildGauge().Name("pivot_watchers").Help("Open WatchJob streams.").Register(registry_).Add({})) {
  prometheus::BuildGauge()
      .Name("pivot_build_info")
      .Help("Always 1; the labels tell what runs.")
      .Register(registry_)
      .Add({{"version", version}})
      .Set(1);
}

void Metrics::CallHandled(const std::string& service, const std::string& method, absl::StatusCode code,
                          absl::Duration took) {
  calls_.Add({{"service", service}, {"method", method}, {"code", CodeName(code)}}).Increment();
  call_seconds_.Add({{"service", service}, {"method", method}}, kCallSeconds).Observe(absl::ToDoubleSeconds(took));
}

void Metrics::JobFinished(v1::State state) { finished_.Add({{"result", StateLabel(state)}}).Increment(); }

void Metrics::WorkerRestarted(const std::string& cause) { restarts_.Add({{"cause", cause}}).Increment(); }

std::vector<prometheus::MetricFamily> Metrics::Collect() const {
  std::vector<MetricFamily> families = registry_.Collect();
  const QueueFigures figures = sources_.queue();
  families.push_back(JobsByState(figures));
  MetricFamily oldest =
      GaugeFamily("pivot_queue_oldest_age_seconds", "Age of the job that waits longest; 0 when none waits.");
  oldest.metric.push_back(GaugeValue(absl::ToDoubleSeconds(figures.oldest_queued)));
  families.push_back(std::move(oldest));
  MetricFamily disk = GaugeFamily("pivot_disk_free_bytes", "Free space where the server keeps its data.");
  disk.metric.push_back(GaugeValue(static_cast<double>(sources_.free_disk_bytes())));
  disk.metric.back().label.push_back({"volume", "data"});
  families.push_back(std::move(disk));
  return families;
}

}  // namespace pivot
