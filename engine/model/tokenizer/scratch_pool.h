// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_SCRATCH_POOL_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_SCRATCH_POOL_H_

// Caches and buffers of Encode: each call takes one set and gives it back, so that as many exist as calls have run at
// once.

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "engine/model/tokenizer/regex.h"
#include "engine/model/tokenizer/word_scratch.h"

namespace pivot::tokenizer {

struct Scratch {
  RegexScratch regex;
  WordScratch words;
};

/// Thread-safe.
class ScratchPool {
 public:
  std::unique_ptr<Scratch> Take() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!free_.empty()) {
        std::unique_ptr<Scratch> scratch = std::move(free_.back());
        free_.pop_back();
        return scratch;
      }
    }
    return std::make_unique<Scratch>();
  }

  void GiveBack(std::unique_ptr<Scratch> scratch) {
    scratch->words.Shrink();
    const std::lock_guard<std::mutex> lock(mutex_);
    free_.push_back(std::move(scratch));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Scratch>> free_;  // guarded by mutex_
};

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_SCRATCH_POOL_H_
