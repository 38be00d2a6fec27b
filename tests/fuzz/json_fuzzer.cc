// SPDX-License-Identifier: Apache-2.0
// JSON within limits: what is accepted is written out and read again as the same document.
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

#include "engine/model/json.h"
#include "tests/fuzz/require.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto document = pivot::ParseJson(text, "the input");
  if (!document.ok()) return 0;
  PIVOT_REQUIRE(!document->is_discarded());
  const auto again = pivot::ParseJson(document->dump(), "the input");
  PIVOT_REQUIRE(again.ok() && *again == *document);
  pivot::JsonFields fields(*document, "the input");
  for (const char* name : {"a", "b", "c"}) {
    fields.OptionalInteger(name);
    fields.OptionalNumber(name);
    fields.OptionalText(name);
    fields.OptionalBoolean(name);
    fields.OptionalObject(name);
  }
  return 0;
}
