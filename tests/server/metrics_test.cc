// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <chrono>
#include <grpcpp/generic/generic_stub.h>
#include <string>
#include <sys/socket.h>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "server/process/unique_fd.h"
#include "tests/server/running_server.h"
#include "tests/support/eventually.h"

namespace pivot {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

std::string Scrape(int port) {
  const UniqueFd connection(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{
      .sin_family = AF_INET, .sin_port = htons(static_cast<uint16_t>(port)), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  if (connect(connection.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) return "";
  const std::string request = "GET /metrics HTTP/1.0\r\n\r\n";
  send(connection.get(), request.data(), request.size(), MSG_NOSIGNAL);
  std::string page;
  std::string buffer(65536, '\0');
  for (ssize_t count = 0; (count = recv(connection.get(), buffer.data(), buffer.size(), 0)) > 0;)
    page.append(buffer, 0, static_cast<size_t>(count));
  return page;
}

TEST(MetricsTest, TellWhatTheServerDid) {
  RunningServer server;
  server.options.metrics_address = "127.0.0.1:0";
  server.SetScript({{{"attempt", 1}, {"signal", 9}}, {{"pivot", json::object()}}, {{"send", "Done"}}});
  server.Start();
  const v1::Job job = server.AwaitEnd(server.Create(server.CompressRequest()).name());
  server.ReadFile(job.checkpoints(0).name(), "config.json");
  server.Watch(job.name());
  std::string page;
  // A call is counted when it is over on the server's side, a moment after the client saw its end.
  EXPECT_TRUE(Eventually([&] {
    page = Scrape(server.server().metrics_port());
    return page.find("method=\"WatchJob\"") != std::string::npos &&
           page.find("method=\"ReadFile\"") != std::string::npos && page.find("pivot_watchers 0") != std::string::npos;
  })) << page;
  EXPECT_THAT(page, HasSubstr("pivot_build_info{version=\"0.1.0\"} 1"));
  EXPECT_THAT(page, HasSubstr("pivot_jobs{state=\"succeeded\"} 1"));
  EXPECT_THAT(page, HasSubstr("pivot_jobs{state=\"queued\"} 0"));
  EXPECT_THAT(page, HasSubstr("pivot_jobs_finished_total{result=\"succeeded\"} 1"));
  EXPECT_THAT(page, HasSubstr("pivot_worker_restarts_total{cause=\"WORKER_CRASHED\"} 1"));
  EXPECT_THAT(page, HasSubstr("pivot_rpc_server_handled_total{"));
  EXPECT_THAT(page, HasSubstr("method=\"CreateJob\""));
  EXPECT_THAT(page, HasSubstr("pivot_rpc_server_handling_seconds_bucket{"));
  EXPECT_THAT(page, HasSubstr("pivot_transfer_bytes_total{direction=\"download\"} 23"));
  EXPECT_THAT(page, HasSubstr("pivot_store_commit_seconds_count"));
  EXPECT_THAT(page, HasSubstr("pivot_checkpoint_publish_seconds_count 1"));
  EXPECT_THAT(page, HasSubstr("pivot_queue_oldest_age_seconds 0"));
  EXPECT_THAT(page, HasSubstr("pivot_disk_free_bytes{volume=\"data\"}"));
  EXPECT_EQ(page.find(job.name()), std::string::npos) << "no labels without bounds";
}

/// grpc.health.v1.Health/Check by its bytes: the service is gRPC's own, and its messages are installed nowhere.
std::string CheckHealth(const std::shared_ptr<grpc::Channel>& channel) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  grpc::CompletionQueue queue;
  grpc::TemplatedGenericStub<grpc::ByteBuffer, grpc::ByteBuffer> stub(channel);
  const grpc::Slice nothing;
  const grpc::ByteBuffer request(&nothing, 1);
  const auto call = stub.PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check", request, &queue);
  call->StartCall();
  grpc::ByteBuffer response;
  grpc::Status status;
  call->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  if (!status.ok()) return status.error_message();
  grpc::Slice slice;
  EXPECT_TRUE(response.DumpToSingleSlice(&slice).ok());
  return std::string(reinterpret_cast<const char*>(slice.begin()), slice.size());
}

TEST(HealthTest, SaysServing) {
  RunningServer server;
  server.Start();
  EXPECT_EQ(CheckHealth(server.channel()), "\x08\x01") << "field 1, status: SERVING";
}

TEST(HealthTest, SaysNotServingWhileDraining) {
  RunningServer server;
  server.SetScript({{{"ignore_sigterm", true}}, {{"send", "StageStarted"}}, {{"hang", true}}});
  server.options.watchdog.terminate_grace = std::chrono::milliseconds(1500);
  server.Start();
  const std::string name = server.Create(server.CompressRequest()).name();
  EXPECT_TRUE(Eventually([&] { return server.Get(name).last_seq() >= 4; }));
  std::thread stopper([&] { server.server().Shutdown(); });
  EXPECT_TRUE(Eventually([&] { return CheckHealth(server.channel()) == "\x08\x02"; }));
  const grpc::Status refused = server.TryCreate(server.CompressRequest());
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonIn(refused), "DRAINING");
  EXPECT_GT(RetryDelayIn(refused), absl::ZeroDuration());
  stopper.join();
}

}  // namespace
}  // namespace pivot
