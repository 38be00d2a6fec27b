// SPDX-License-Identifier: Apache-2.0
// Every call by which a server changes its files, from its first start to a published checkpoint and its end, fails
// once: all of them with PIVOT_TORTURE_FAULTS=1, every N-th with N.
#include <array>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <grpcpp/grpcpp.h>
#include <iostream>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "server/process/exit_code.h"
#include "tests/support/eventually.h"
#include "tests/torture/books.h"
#include "tests/torture/checker.h"
#include "tests/torture/client.h"
#include "tests/torture/rounds.h"
#include "tests/torture/tortured_server.h"

namespace pivot {
namespace {

using nlohmann::json;

constexpr int kThreads = 4;
constexpr int kShortStep = 29;
constexpr int kPersistentGap = 7;  // those lives are long

enum Kind { kWrite, kSync, kOpen, kRename, kTruncate, kMkdir, kUnlink, kKinds };

struct Fault {
  Kind kind;
  const char* effect;
  const char* more = "";  // "+": all later calls too
};

constexpr std::array<const char*, kKinds> kNames = {"write", "sync", "open", "rename", "truncate", "mkdir", "unlink"};
constexpr std::array<Fault, 12> kFaults = {{{kWrite, "ENOSPC"},
                                            {kWrite, "EIO"},
                                            {kWrite, "short"},
                                            {kWrite, "ENOSPC", "+"},
                                            {kSync, "EIO"},
                                            {kOpen, "EMFILE"},
                                            {kOpen, "ENOSPC"},
                                            {kRename, "EIO"},
                                            {kRename, "ENOSPC"},
                                            {kTruncate, "EIO"},
                                            {kMkdir, "ENOSPC"},
                                            {kUnlink, "EIO"}}};

using Counts = std::array<uint64_t, 8>;

/// From an empty folder to a published checkpoint, with one fault on the way.
class FaultyLife {
 public:
  explicit FaultyLife(uint64_t seed) : random_(seed) {
    server_.SetScript({{{"heartbeat", "working"}},
                       {{"write", "journal.jsonl"}, {"text", "{}\n"}},
                       {{"send", "BlockDone"}, {"payload", {{"block", 0}, {"total", 1}}}},
                       {{"print", "some words"}},
                       {{"pivot", json::object()}},
                       {{"send", "Done"}}});
    server_.folder().Write("counts", std::string(sizeof(Counts), '\0'));
  }

  /// `fault` as the shim takes it; empty: none. How the server ended is told by `outcome`.
  void Live(const std::string& fault) {
    // A disk that stays full lets nothing happen.
    patience_ = std::chrono::seconds(absl::EndsWith(fault, "+") ? 2 : 30);
    const bool ready = server_.Start(
        {absl::StrCat("LD_PRELOAD=", PIVOT_DISK_SHIM), absl::StrCat("PIVOT_SHIM_ROOT=", server_.data()),
         absl::StrCat("PIVOT_SHIM_COUNTS=", server_.folder() / "counts"), absl::StrCat("PIVOT_SHIM_FAULT=", fault)});
    if (ready) Work();
    if (absl::StartsWith(fault, "sync") && outcome_ == "failed the job") {
      EXPECT_FALSE(std::filesystem::exists(absl::StrCat(server_.data(), "/staging/", booked_->uid, "/journal.jsonl")))
          << "a retry would trust what could not be synced";
    }
    server_.Signal(SIGTERM);
    const ProcessEnd end = server_.AwaitEnd();
    EXPECT_EQ(end.signal, 0) << server_.output();
    if (end.exit_code == kExitSyncFailed) {
      outcome_ = "ended because it could not sync";
      EXPECT_TRUE(absl::StrContains(server_.output(), "sync")) << server_.output();
    } else if (!ready) {
      outcome_ = "did not start";
      EXPECT_EQ(end.exit_code, 1);
      EXPECT_TRUE(absl::StrContains(server_.output(), "pivotd: ")) << server_.output();
    } else {
      EXPECT_EQ(end.exit_code, 0) << server_.output();
    }
  }

  /// The next server, whose disk is fine, has all that was promised.
  void CheckNextLife() {
    ASSERT_TRUE(server_.Start()) << server_.EndAndTell();
    if (booked_ != nullptr && booked_->name.empty()) Create();
    Checker checker(&books_);
    checker.CheckAll(server_.jobs(), server_.checkpoints());
    server_.Stop();
    CheckDataFolder(server_.data());
  }

  Counts ReadCounts() const {
    Counts counts{};
    std::ifstream(server_.folder() / "counts", std::ios::binary)
        .read(reinterpret_cast<char*>(counts.data()), sizeof(counts));
    return counts;
  }

  const std::string& outcome() const { return outcome_; }

 private:
  bool Create() {
    if (booked_ == nullptr) {
      v1::CreateJobRequest request = RequestFor(server_.model(), random_);
      request.mutable_job()->mutable_spec()->clear_ttl();
      request.mutable_job()->mutable_spec()->clear_queue_timeout();
      booked_ = &books_.Add(std::move(request));
    }
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    v1::Job job;
    const grpc::Status status = server_.jobs().CreateJob(&context, booked_->request, &job);
    if (status.ok()) books_.TakeAnswer(*booked_, job);
    return TakeStatus(status);
  }

  /// A fault of the disk is told as such.
  bool TakeStatus(const grpc::Status& status) {
    const bool is_clean = status.ok() || status.error_code() == grpc::StatusCode::UNAVAILABLE ||
                          status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED;
    EXPECT_TRUE(is_clean) << status.error_code() << ": " << status.error_message();
    return status.ok();
  }

  void Work() {
    // The server may be gone: then the first call tells.
    for (int i = 0; i < 3 && !Create(); ++i) {
    }
    if (booked_->name.empty()) {
      outcome_ = "refused the job";
      return;
    }
    bool alive = true;
    const bool ended = Eventually(
        [&] {
          grpc::ClientContext context;
          v1::GetJobRequest request;
          request.set_name(booked_->name);
          v1::Job job;
          const grpc::Status status = server_.jobs().GetJob(&context, request, &job);
          alive = status.ok() || absl::StrContains(status.error_message(), "the database");
          if (status.ok()) books_.TakeAnswer(*booked_, job);
          return !alive || booked_->answered_state == v1::STATE_SUCCEEDED ||
                 booked_->answered_state == v1::STATE_FAILED;
        },
        patience_);
    if (booked_->answered_state == v1::STATE_SUCCEEDED) outcome_ = "succeeded";
    if (booked_->answered_state == v1::STATE_FAILED) outcome_ = "failed the job";
    if (!ended) outcome_ = "waited for better days";
  }

  std::mt19937_64 random_;
  TorturedServer server_;
  Books books_;
  BookedJob* booked_ = nullptr;
  std::string outcome_ = "ended";
  std::chrono::seconds patience_{};
};

std::vector<std::string> AllFaults(int step) {
  FaultyLife life(1);
  life.Live("");
  EXPECT_EQ(life.outcome(), "succeeded");
  const Counts counts = life.ReadCounts();
  std::vector<std::string> faults;
  for (const Fault& fault : kFaults) {
    EXPECT_GT(counts[fault.kind], 0U) << kNames[fault.kind];
    // The first of each, and then with gaps.
    const int gap = *fault.more == '+' ? step * kPersistentGap : step;
    for (uint64_t k = 1; k <= counts[fault.kind]; k += static_cast<uint64_t>(gap))
      faults.push_back(absl::StrCat(kNames[fault.kind], ":", fault.effect, ":", k, fault.more));
  }
  return faults;
}

TEST(FaultsTest, AServerWithAFaultyDiskSaysSoAndLosesNothing) {
  const std::vector<std::string> faults = AllFaults(Rounds("PIVOT_TORTURE_FAULTS", kShortStep));
  std::mutex mutex;
  size_t next = 0;
  std::map<std::string, int> outcomes;
  const auto work = [&] {
    while (true) {
      std::string fault;
      {
        const std::lock_guard lock(mutex);
        if (next == faults.size() || ::testing::Test::HasFailure()) return;
        fault = faults[next++];
      }
      SCOPED_TRACE(fault);
      FaultyLife life(next);
      life.Live(fault);
      life.CheckNextLife();
      const std::lock_guard lock(mutex);
      ++outcomes[life.outcome()];
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  std::cout << faults.size() << " faults:";
  for (const auto& [outcome, count] : outcomes) std::cout << " " << count << " " << outcome << ";";
  std::cout << "\n";
}

}  // namespace
}  // namespace pivot
