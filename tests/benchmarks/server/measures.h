// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_BENCHMARKS_SERVER_MEASURES_H_
#define PIVOT_TESTS_BENCHMARKS_SERVER_MEASURES_H_

// What is measured of a server, one function each. Each starts a pivotd of its own in a folder of its own.

#include <string>

#include "absl/status/status.h"

#include "tests/benchmarks/server/figures.h"
#include "tests/benchmarks/server/served_pivotd.h"

namespace pivot {

/// How much of everything. The numbers are bounds too: nothing grows beyond them.
struct Scale {
  int creates_at_rate = 3000;
  double creates_a_second = 100;
  int creates_at_depth = 8000;
  int listed_jobs = 100000;
  int lists = 200;
  int restart_jobs = 10000;
  int restart_events_each = 100;
  int queued_jobs = 10000;
  int most_watchers = 10000;
  int stalled_streams = 500;
  int machine_calls = 3000;
  /// Bars are for two cores of their own. Above 1 they are so many times wider, for a check beside other work.
  double slack = 1;
};

struct Bench {
  Programs programs;
  std::string folder;  // exists, empty
  std::string model;   // what jobs compress
  std::string listen;  // a loopback address, or empty: a Unix socket
  Scale scale;
  Figures* figures;

  double Bar(double bar) const { return bar * scale.slack; }
  /// Bars count on a disk that commits in 0.2 ms; what the figure of this name says beyond that comes on top.
  double BarBesideDisk(double bar_ms, const std::string& commit) const;
  /// For a measurement of this name.
  ServedPivotd::Options OptionsFor(const std::string& name) const;
};

/// machine.*: sync, commits, a call of an empty method.
absl::Status MeasureMachine(const Bench& bench);
/// start.*: an empty server's start and memory.
absl::Status MeasureStart(const Bench& bench);
/// create_job.*: at a rate, and as many as go through.
absl::Status MeasureCreate(const Bench& bench);
/// list_jobs.*: pages of 50 by filters and orders, and far from the first.
absl::Status MeasureList(const Bench& bench);
/// watch.*: from the time in an event to its watchers.
absl::Status MeasureWatch(const Bench& bench);
/// restart.*: to SERVING with a large database.
absl::Status MeasureRestart(const Bench& bench);
/// scheduler.*: a pass over a long queue when nothing can start.
absl::Status MeasureQueue(const Bench& bench);
/// stalled.*: streams that nobody reads.
absl::Status MeasureStalled(const Bench& bench);

}  // namespace pivot

#endif  // PIVOT_TESTS_BENCHMARKS_SERVER_MEASURES_H_
