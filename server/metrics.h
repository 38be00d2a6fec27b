// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_METRICS_H_
#define PIVOT_SERVER_METRICS_H_

// What Prometheus sees. Labels have few values: never a job, a path or a user.

#include <functional>
#include <memory>
#include <prometheus/collectable.h>
#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "pivot/v1/job.pb.h"

#include "server/store/records.h"

namespace pivot {

/// Read when somebody looks, not when it changes.
struct MetricsSources {
  std::function<QueueFigures()> queue;
  std::function<int64_t()> free_disk_bytes;
};

/// Every function may be called from any thread.
class Metrics : public prometheus::Collectable {
 public:
  Metrics(const std::string& version, MetricsSources sources);

  void CallHandled(const std::string& service, const std::string& method, absl::StatusCode code, absl::Duration took);
  void JobFinished(v1::State state);
  void WorkerRestarted(const std::string& cause);
  void CommitTook(absl::Duration time) { commit_seconds_.Observe(absl::ToDoubleSeconds(time)); }
  void PublishTook(absl::Duration time) { publish_seconds_.Observe(absl::ToDoubleSeconds(time)); }
  void BytesSent(int64_t bytes) { bytes_sent_.Increment(static_cast<double>(bytes)); }
  void AuditLost(int64_t lines) { audit_lost_.Increment(static_cast<double>(lines)); }
  void WatcherCame() { watchers_.Increment(); }
  void WatcherLeft() { watchers_.Decrement(); }

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  prometheus::Registry registry_;
  const MetricsSources sources_;
  prometheus::Family<prometheus::Counter>& calls_;
  prometheus::Family<prometheus::Histogram>& call_seconds_;
  prometheus::Family<prometheus::Counter>& finished_;
  prometheus::Family<prometheus::Counter>& restarts_;
  prometheus::Histogram& commit_seconds_;
  prometheus::Histogram& publish_seconds_;
  prometheus::Counter& bytes_sent_;
  prometheus::Counter& audit_lost_;
  prometheus::Gauge& watchers_;
};

}  // namespace pivot

#endif  // PIVOT_SERVER_METRICS_H_
