// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_DECODER_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_DECODER_H_

// Makes text of the texts of tokens.

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

#include "engine/model/tokenizer/decoder_step.h"

namespace pivot::tokenizer {

/// Immutable.
class Decoder {
 public:
  /// Of the file's member "decoder"; null joins the tokens with spaces. Understands BPEDecoder, ByteFallback,
  /// ByteLevel, Fuse, Metaspace, Replace, Strip, WordPiece and Sequence. kInvalidArgument or UNSUPPORTED_TOKENIZER
  /// otherwise.
  static absl::StatusOr<Decoder> Create(const nlohmann::json* decoder);

  std::string Decode(std::vector<std::string> tokens) const;

 private:
  Decoder() = default;
  absl::Status Add(const nlohmann::json& component, int depth);

  std::vector<std::unique_ptr<const DecoderStep>> steps_;
  bool joins_with_spaces_ = false;
};

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_DECODER_H_
