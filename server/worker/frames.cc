// SPDX-License-Identifier: Apache-2.0
#include "server/worker/frames.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

#include "proto/files/manifest.h"
#include "proto/json.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using nlohmann::json;

absl::Status BadFrame(const Frame& frame, absl::string_view fault) {
  return absl::DataLossError(absl::StrCat("frame of type ", static_cast<int>(frame.type), ": ", fault));
}

/// DecodeFrame has made sure that the payload is an object.
json Payload(const Frame& frame) { return json::parse(frame.payload, nullptr, /*allow_exceptions=*/false); }

absl::Status Merge(const Frame& frame, const json& payload, google::protobuf::Message* message) {
  const absl::Status status = FromJson(payload, message);
  return status.ok() ? absl::OkStatus() : BadFrame(frame, status.message());
}

std::string TextOr(const json& object, const char* key, const char* fallback) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : fallback;
}

int64_t IntegerOr(const json& object, const char* key, int64_t fallback) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_integer() ? found->get<int64_t>() : fallback;
}

double NumberOr(const json& object, const char* key, double fallback) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>() : fallback;
}

}  // namespace

absl::StatusOr<HelloFrame> ReadHello(const Frame& frame) {
  const json payload = Payload(frame);
  return HelloFrame{TextOr(payload, "device_name", ""), static_cast<int>(IntegerOr(payload, "threads", 0))};
}

absl::StatusOr<HeartbeatFrame> ReadHeartbeat(const Frame& frame) {
  const json payload = Payload(frame);
  const int64_t phase = IntegerOr(payload, "phase", -1);
  if (phase < 0) return BadFrame(frame, "phase must be a whole number");
  return HeartbeatFrame{static_cast<uint64_t>(phase), IntegerOr(payload, "peak_host_bytes", 0),
                        IntegerOr(payload, "peak_gpu_bytes", 0)};
}

absl::StatusOr<v1::Progress> ReadProgress(const Frame& frame) {
  v1::Progress progress;
  PIVOT_RETURN_IF_ERROR(Merge(frame, Payload(frame), &progress));
  return progress;
}

absl::StatusOr<StagedPivot> ReadPivotStaged(const Frame& frame) {
  const json payload = Payload(frame);
  const json source = payload.value("source", json::object());
  const int64_t number = IntegerOr(payload, "number", -1);
  StagedPivot pivot{.number = static_cast<int>(number),
                    .directory = TextOr(payload, "directory", ""),
                    .bits_per_weight = NumberOr(payload, "bits_per_weight", 0),
                    .model_bits_per_weight = NumberOr(payload, "model_bits_per_weight", 0),
                    .seconds = NumberOr(payload, "seconds", 0),
                    .source_name = TextOr(source, "name", ""),
                    .source_digest = TextOr(source, "digest", "")};
  if (number < 0 || number > 1000) return BadFrame(frame, "number must be 0 to 1000");
  if (!IsSafeRelativePath(pivot.directory) || pivot.directory.find('/') != std::string::npos) {
    return BadFrame(frame, "directory must be one name below the staging folder");
  }
  if (const auto quality = payload.find("quality"); quality != payload.end() && !quality->is_null()) {
    PIVOT_RETURN_IF_ERROR(Merge(frame, *quality, &pivot.quality.emplace()));
  }
  return pivot;
}

absl::StatusOr<std::optional<v1::Result>> ReadDone(const Frame& frame) {
  const json payload = Payload(frame);
  const auto result = payload.find("result");
  if (result == payload.end() || result->is_null()) return std::nullopt;
  v1::Result parsed;
  PIVOT_RETURN_IF_ERROR(Merge(frame, *result, &parsed));
  return parsed;
}

absl::StatusOr<WorkerError> ReadError(const Frame& frame) {
  const json payload = Payload(frame);
  const auto retryable = payload.find("retryable");
  return WorkerError{StatusFromJson(payload),
                     retryable != payload.end() && retryable->is_boolean() && retryable->get<bool>()};
}

absl::StatusOr<std::optional<v1::JobEvent>> ReadEvent(const Frame& frame) {
  v1::JobEvent event;
  google::protobuf::Message* body = nullptr;
  switch (frame.type) {
    case FrameType::kStageStarted:
      body = event.mutable_stage_started();
      break;
    case FrameType::kBlockDone:
      body = event.mutable_block_done();
      break;
    case FrameType::kStageDone:
      body = event.mutable_stage_done();
      break;
    case FrameType::kQualityMeasured:
      body = event.mutable_quality_measured();
      break;
    case FrameType::kWarning:
      body = event.mutable_warning();
      break;
    default:
      return std::nullopt;
  }
  PIVOT_RETURN_IF_ERROR(Merge(frame, Payload(frame), body));
  return event;
}

json StartPayload(const JobRecord& record, const StartOptions& options) {
  v1::JobSpec spec = record.job.spec();
  spec.set_device(options.on_gpu ? "cuda:0" : "cpu");
  // The server's business.
  spec.clear_run_timeout();
  spec.clear_queue_timeout();
  spec.clear_ttl();
  json payload{{"spec", ToJson(spec)},       {"job", record.job.name()}, {"uid", record.job.uid()},
               {"attempt", options.attempt}, {"resume", options.resume}, {"threads", 0}};
  if (options.gpu_budget_bytes > 0) payload["gpu_memory_bytes"] = options.gpu_budget_bytes;
  return payload;
}

bool HasLaterStages(const v1::JobSpec& spec) {
  const v1::RefineStages stages = spec.compress().refine().stages();
  return stages != v1::REFINE_STAGES_UNSPECIFIED && stages != v1::REFINE_STAGES_NONE;
}

}  // namespace pivot
