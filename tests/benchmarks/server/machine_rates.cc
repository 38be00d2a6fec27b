// SPDX-License-Identifier: Apache-2.0
#include "tests/benchmarks/server/machine_rates.h"

#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <grpcpp/generic/generic_stub.h>
#include <optional>
#include <thread>
#include <unistd.h>
#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/files/durable_file.h"
#include "proto/status/status_macros.h"
#include "server/process/unique_fd.h"
#include "server/store/sqlite.h"

namespace pivot {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kEchoDepth = 64;

Clock::duration Seconds(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

absl::Status MeasureSync(const std::string& folder, int count, Figures& figures) {
  const std::string path = folder + "/synced";
  const UniqueFd file(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file.valid()) return StatusFromErrno(errno, "cannot make", path);
  const std::string bytes(512, 'x');
  Latencies latencies;
  for (int i = 0; i < count; ++i) {
    const auto begin = Clock::now();
    if (write(file.get(), bytes.data(), bytes.size()) < 0 || fdatasync(file.get()) != 0)
      return StatusFromErrno(errno, "cannot write", path);
    latencies.Add(absl::FromChrono(Clock::now() - begin));
  }
  figures.Add({.name = "machine.fdatasync.p50", .value = latencies.Milliseconds(0.5), .unit = "ms"});
  figures.Add({.name = "machine.fdatasync.p99", .value = latencies.Milliseconds(0.99), .unit = "ms"});
  return absl::OkStatus();
}

/// As fast as it goes when no rate is given.
absl::Status Commit(const std::string& name, const std::string& folder, std::optional<double> commits_a_second,
                    int count, Figures& figures) {
  PIVOT_ASSIGN_OR_RETURN(const std::unique_ptr<Database> database,
                         Database::Open(absl::StrCat(folder, "/", name, ".db"), Database::Mode::kReadWrite));
  PIVOT_RETURN_IF_ERROR(
      database->Execute("DROP TABLE IF EXISTS line; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE "
                        "line (id INTEGER PRIMARY KEY, text TEXT)"));
  const std::string text(512, 'x');
  Latencies latencies;
  const auto first = Clock::now();
  for (int i = 0; i < count; ++i) {
    if (commits_a_second.has_value()) std::this_thread::sleep_until(first + Seconds(i / *commits_a_second));
    const auto begin = Clock::now();
    PIVOT_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(*database, Transaction::Kind::kWrite));
    PIVOT_RETURN_IF_ERROR(database->Run("INSERT INTO line (text) VALUES (?)", text));
    PIVOT_RETURN_IF_ERROR(transaction.Commit());
    latencies.Add(absl::FromChrono(Clock::now() - begin));
  }
  const double seconds = absl::ToDoubleSeconds(absl::FromChrono(Clock::now() - first));
  figures.Add({.name = name + ".p50", .value = latencies.Milliseconds(0.5), .unit = "ms"});
  figures.Add({.name = name + ".p99", .value = latencies.Milliseconds(0.99), .unit = "ms"});
  if (!commits_a_second.has_value()) figures.Add({.name = name + ".rate", .value = count / seconds, .unit = "/s"});
  return absl::OkStatus();
}

struct Echo {
  grpc::ClientContext context;
  grpc::ByteBuffer request;  // an empty message has no bytes
  grpc::ByteBuffer response;
};

}  // namespace

absl::Status MeasureDisk(const std::string& folder, int count, Figures& figures) {
  PIVOT_RETURN_IF_ERROR(MeasureSync(folder, count, figures));
  return Commit("machine.commit", folder, std::nullopt, count, figures);
}

absl::Status MeasureCommits(const std::string& name, const std::string& folder, double commits_a_second, int count,
                            Figures& figures) {
  return Commit(name, folder, commits_a_second, count, figures);
}

BeginCall EchoCall(const std::shared_ptr<grpc::Channel>& channel) {
  auto stub = std::make_shared<grpc::GenericStub>(channel);
  return [stub = std::move(stub)](int /*index*/, CallDone done) {
    auto* echo = new Echo;
    const grpc::Slice nothing;
    echo->request = grpc::ByteBuffer(&nothing, 1);
    stub->UnaryCall(&echo->context, "/grpc.health.v1.Health/Check", {}, &echo->request, &echo->response,
                    [echo, done = std::move(done)](const grpc::Status& status) {
                      delete echo;
                      done(status);
                    });
  };
}

absl::Status MeasureEcho(const std::shared_ptr<grpc::Channel>& channel, int count, Figures& figures) {
  const BeginCall echo = EchoCall(channel);
  PIVOT_ASSIGN_OR_RETURN(const LoadResult warm, CallAtDepth(echo, 1, count / 10 + 1));
  PIVOT_ASSIGN_OR_RETURN(const LoadResult one, CallAtDepth(echo, 1, count));
  figures.Add({.name = "machine.echo.p50", .value = one.latencies->Milliseconds(0.5), .unit = "ms"});
  figures.Add({.name = "machine.echo.p99", .value = one.latencies->Milliseconds(0.99), .unit = "ms"});
  PIVOT_ASSIGN_OR_RETURN(const LoadResult many, CallAtDepth(echo, kEchoDepth, 4 * count));
  figures.Add({.name = "machine.echo.rate", .value = many.rate(), .unit = "/s"});
  return absl::OkStatus();
}

}  // namespace pivot
