// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_ENGINE_PAGE_PAGE_ELEMENTS_H_
#define PIVOT_TESTS_ENGINE_PAGE_PAGE_ELEMENTS_H_

// A page taken apart as strictly as XML is.

#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace pivot::page {

struct PageElement {
  std::string tag;
  std::map<std::string, std::string> attributes;  // as they stand in the page
  std::string text;                               // its own, before and between the elements in it

  bool HasClass(absl::string_view name) const;
};

struct PageElements {
  std::vector<PageElement> elements;  // in the order in which they begin
  std::string fault;                  // the first thing that is not well-formed, and where; "" of a good page

  size_t Count(absl::string_view tag, absl::string_view with_class = "") const;
  /// Text of all elements with the tag.
  std::vector<std::string> Texts(absl::string_view tag) const;
};

/// Every element closed in its turn, every value in double quotes, no attribute twice, every & the beginning of one of
/// five entities. A document type may come first.
PageElements TakeApart(absl::string_view page);

}  // namespace pivot::page

#endif  // PIVOT_TESTS_ENGINE_PAGE_PAGE_ELEMENTS_H_
