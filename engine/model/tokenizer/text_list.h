// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_TEXT_LIST_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_TEXT_LIST_H_

// A list of short texts in two allocations: a vocabulary has a hundred thousand of seven bytes.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"

namespace pivot::tokenizer {

/// Views stay valid when the list is moved, not when it grows. Holds less than 4 GiB.
class TextList {
 public:
  void Add(absl::string_view text) {
    bytes_.insert(bytes_.end(), text.begin(), text.end());
    ends_.push_back(static_cast<uint32_t>(bytes_.size()));
  }

  size_t size() const { return ends_.size(); }

  absl::string_view operator[](size_t index) const {
    const uint32_t begin = index == 0 ? 0 : ends_[index - 1];
    return {bytes_.data() + begin, ends_[index] - begin};
  }

 private:
  std::vector<char> bytes_;
  std::vector<uint32_t> ends_;
};

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_TEXT_LIST_H_
