// SPDX-License-Identifier: Apache-2.0
#include "tests/engine/page/page_elements.h"

#include <algorithm>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace pivot::page {
namespace {

bool IsNameLetter(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-'; }

bool HasPlainText(absl::string_view text) {
  for (size_t at = text.find('&'); at != absl::string_view::npos; at = text.find('&', at + 1)) {
    const absl::string_view rest = text.substr(at);
    if (!absl::c_any_of(std::vector<absl::string_view>{"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"},
                        [rest](absl::string_view entity) { return absl::StartsWith(rest, entity); }))
      return false;
  }
  return !absl::StrContains(text, '<') && !absl::StrContains(text, '>');
}

class Reader {
 public:
  explicit Reader(absl::string_view page) : page_(page), rest_(page) {}

  PageElements Read() {
    absl::ConsumePrefix(&rest_, "<!DOCTYPE html>\n");
    while (page_elements_.fault.empty() && !rest_.empty()) ReadNext();
    if (!open_.empty()) Fault(absl::StrCat("<", page_elements_.elements[open_.back()].tag, "> is not closed"));
    return std::move(page_elements_);
  }

 private:
  void Fault(const std::string& what) {
    if (page_elements_.fault.empty())
      page_elements_.fault = absl::StrCat(what, " at byte ", page_.size() - rest_.size(), ": ", rest_.substr(0, 60));
  }

  void ReadNext() {
    if (absl::ConsumePrefix(&rest_, "</")) return ReadEnd();
    if (absl::ConsumePrefix(&rest_, "<")) return ReadBeginning();
    const absl::string_view text = rest_.substr(0, rest_.find('<'));
    if (!HasPlainText(text)) Fault("text that is not escaped");
    if (open_.empty() && !absl::StripAsciiWhitespace(text).empty()) Fault("text outside of the document");
    if (!open_.empty()) absl::StrAppend(&page_elements_.elements[open_.back()].text, text);
    rest_.remove_prefix(text.size());
  }

  std::string ReadName() {
    const auto end = std::find_if_not(rest_.begin(), rest_.end(), IsNameLetter);
    const auto length = static_cast<size_t>(end - rest_.begin());
    if (length == 0) Fault("no name");
    const std::string name(rest_.substr(0, length));
    rest_.remove_prefix(length);
    return name;
  }

  void ReadEnd() {
    const std::string tag = ReadName();
    if (!absl::ConsumePrefix(&rest_, ">")) Fault("an end tag without its >");
    if (open_.empty() || page_elements_.elements[open_.back()].tag != tag) return Fault(absl::StrCat("</", tag, ">"));
    open_.pop_back();
  }

  void ReadBeginning() {
    PageElement element{.tag = ReadName()};
    while (absl::ConsumePrefix(&rest_, " ")) {
      const std::string name = ReadName();
      if (!absl::ConsumePrefix(&rest_, "=\"")) return Fault("an attribute without a value");
      const absl::string_view value = rest_.substr(0, rest_.find('"'));
      if (!HasPlainText(value)) return Fault("a value that is not escaped");
      if (!element.attributes.emplace(name, value).second) return Fault("an attribute twice");
      rest_.remove_prefix(std::min(rest_.size(), value.size() + 1));
    }
    const bool is_closed = absl::ConsumePrefix(&rest_, "/");
    if (!absl::ConsumePrefix(&rest_, ">")) return Fault("a tag without its >");
    if (!is_closed) open_.push_back(page_elements_.elements.size());
    page_elements_.elements.push_back(std::move(element));
  }

  absl::string_view page_;
  absl::string_view rest_;
  std::vector<size_t> open_;
  PageElements page_elements_;
};

}  // namespace

bool PageElement::HasClass(absl::string_view name) const {
  const auto value = attributes.find("class");
  return value != attributes.end() &&
         absl::c_linear_search(std::vector<std::string>(absl::StrSplit(value->second, ' ')), name);
}

size_t PageElements::Count(absl::string_view tag, absl::string_view with_class) const {
  return static_cast<size_t>(absl::c_count_if(elements, [tag, with_class](const PageElement& element) {
    return element.tag == tag && (with_class.empty() || element.HasClass(with_class));
  }));
}

std::vector<std::string> PageElements::Texts(absl::string_view tag) const {
  std::vector<std::string> texts;
  for (const PageElement& element : elements) {
    if (element.tag == tag) texts.push_back(element.text);
  }
  return texts;
}

PageElements TakeApart(absl::string_view page) { return Reader(page).Read(); }

}  // namespace pivot::page
