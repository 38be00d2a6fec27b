// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/tokenizer_json.h"

#include <cstddef>
#include <limits>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "engine/model/tokenizer/component.h"

namespace pivot::tokenizer {
namespace {

using nlohmann::json;

constexpr size_t kMaxDepth = 64;
constexpr size_t kMaxValues = 1'000'000;
constexpr size_t kMaxBytes = std::numeric_limits<uint32_t>::max();  // TextList's limit

/// The keys "model", "vocab" lead to the list at this depth: the document is at depth 1, the model at 2.
constexpr size_t kListDepth = 3;
constexpr size_t kPairDepth = 4;

/// Takes the parser's events. Values of the two long lists go where they belong at once; the others become JSON.
class Reader : public nlohmann::json_sax<json> {
 public:
  absl::StatusOr<TokenizerJson> Finish(bool parsed) && {
    if (!fault_.empty()) return Malformed(fault_);
    if (!parsed) return Malformed("not valid JSON");
    return std::move(result_);
  }

  bool null() override { return OnValue(nullptr); }
  bool boolean(bool value) override { return OnValue(value); }
  bool number_integer(number_integer_t value) override { return OnValue(value); }
  bool number_unsigned(number_unsigned_t value) override { return OnValue(value); }
  bool number_float(number_float_t value, const string_t&) override { return OnValue(value); }
  bool binary(binary_t&) override { return Fault("binary values are not JSON"); }
  bool string(string_t& value) override {
    if (list_ == List::kMerges) return OnMergeText(value);
    return list_ == List::kScores ? OnScoredText(value) : OnValue(std::move(value));
  }

  bool key(string_t& value) override {
    key_ = std::move(value);
    return true;
  }

  bool start_object(std::size_t) override { return Open(json::value_t::object); }
  bool start_array(std::size_t) override { return Open(json::value_t::array); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    return Fault(absl::StrCat("not valid JSON at byte ", position));
  }

 private:
  enum class List { kNone, kVocabulary, kScores, kMerges };
  enum class MergeForm { kUnknown, kText, kPair };

  bool Fault(absl::string_view message) {
    if (fault_.empty()) fault_ = std::string(message);
    return false;
  }

  /// Which long list begins with an array or object at the place reached.
  List ListHere(json::value_t type) const {
    if (depth_ + 1 != kListDepth || open_.back() != model_) return List::kNone;
    if (key_ == "vocab" && type == json::value_t::object) return List::kVocabulary;
    if (key_ == "merges" && type == json::value_t::array) return List::kMerges;
    if (key_ == "vocab" && type == json::value_t::array) return List::kScores;
    return List::kNone;
  }

  bool Open(json::value_t type) {
    if (depth_ == kMaxDepth) return Fault(absl::StrCat("nested deeper than ", kMaxDepth));
    if (list_ != List::kNone) return OpenInList(type);
    const List list = ListHere(type);
    if (list != List::kNone) {
      if (model_->contains(key_)) return Fault(absl::StrCat("model has ", Quoted(key_), " twice"));
      (*model_)[key_] = json();
      list_ = list;
      if (list == List::kVocabulary) result_.vocabulary_form = TokenizerJson::VocabularyForm::kIds;
      if (list == List::kScores) result_.vocabulary_form = TokenizerJson::VocabularyForm::kScores;
    } else {
      json* value = Add(json(type));
      if (value == nullptr) return false;
      if (depth_ == 1 && key_ == "model") model_ = value;
      open_.push_back(value);
    }
    ++depth_;
    return true;
  }

  /// Only a merge and a token with its score may be a list in a list: ["left", "right"], ["text", -1.5].
  bool OpenInList(json::value_t type) {
    if (list_ == List::kVocabulary || type != json::value_t::array || depth_ != kListDepth) return FaultInList();
    if (list_ == List::kMerges) {
      if (merge_form_ == MergeForm::kText) return FaultInList();
      merge_form_ = MergeForm::kPair;
    }
    values_in_pair_ = 0;
    ++depth_;
    return true;
  }

  bool Close() {
    if (list_ == List::kNone) {
      open_.pop_back();
    } else if (depth_ == kListDepth) {
      list_ = List::kNone;
    } else if (values_in_pair_ != 2) {
      return FaultInList();
    }
    --depth_;
    return true;
  }

  bool OnValue(json value) {
    switch (list_) {
      case List::kNone:
        return Add(std::move(value)) != nullptr;
      case List::kVocabulary:
        return OnVocabularyEntry(value);
      case List::kScores:
        return OnScore(value);
      case List::kMerges:
        return FaultInList();
    }
    return false;
  }

  bool OnScoredText(absl::string_view text) {
    if (depth_ != kPairDepth || values_in_pair_++ != 0) return FaultInList();
    if (result_.tokens.size() == kMaxTokenIds) return Fault(absl::StrCat("model.vocab has more than ", kMaxTokenIds));
    result_.token_ids.push_back(static_cast<int32_t>(result_.tokens.size()));
    result_.tokens.Add(text);
    return true;
  }

  bool OnScore(const json& value) {
    if (!value.is_number() || depth_ != kPairDepth || values_in_pair_++ != 1) return FaultInList();
    result_.scores.push_back(value.get<double>());
    return true;
  }

  bool OnVocabularyEntry(const json& value) {
    const absl::StatusOr<int32_t> id = ReadTokenId(value, "each token of model.vocab");
    if (!id.ok())
      return Fault(absl::StrCat("model.vocab: the token ", Quoted(key_), " has no id from 0 to ", kMaxTokenIds - 1));
    result_.tokens.Add(key_);
    result_.token_ids.push_back(*id);
    return true;
  }

  bool OnMergeText(absl::string_view text) {
    if (depth_ == kPairDepth) {
      result_.merges.Add(text);
      return ++values_in_pair_ <= 2 || FaultInList();
    }
    if (merge_form_ == MergeForm::kPair) return FaultInList();
    merge_form_ = MergeForm::kText;
    if (absl::StartsWith(text, "#version")) return true;  // a line that old files carry over from merges.txt
    const size_t space = text.find(' ');
    if (space == absl::string_view::npos || text.find(' ', space + 1) != absl::string_view::npos) return FaultInList();
    result_.merges.Add(text.substr(0, space));
    result_.merges.Add(text.substr(space + 1));
    return true;
  }

  bool FaultInList() {
    if (list_ == List::kVocabulary) return Fault(absl::StrCat("model.vocab: the token ", Quoted(key_), " has no id"));
    if (list_ == List::kScores)
      return Fault(absl::StrCat("model.vocab: entry ", result_.scores.size(), " is not a text and a score"));
    return Fault(absl::StrCat("model.merges: entry ", result_.merges.size() / 2,
                              " is not two tokens, or has another form than those before it"));
  }

  /// Puts a value where the parser is; null if that is refused.
  json* Add(json value) {
    if (++num_values_ > kMaxValues) {
      Fault(absl::StrCat("more than ", kMaxValues, " values besides the vocabulary and the merges"));
      return nullptr;
    }
    if (open_.empty()) return &(result_.document = std::move(value));
    if (open_.back()->is_array()) return &open_.back()->emplace_back(std::move(value));
    const auto [member, added] = open_.back()->emplace(key_, std::move(value));
    if (!added) Fault(absl::StrCat("the key ", Quoted(key_), " appears twice in one object"));
    return added ? &*member : nullptr;
  }

  TokenizerJson result_;
  std::vector<json*> open_;  // what is being filled, outermost first; stays valid as only the innermost grows
  json* model_ = nullptr;
  std::string key_;
  size_t depth_ = 0;
  size_t num_values_ = 0;
  List list_ = List::kNone;
  MergeForm merge_form_ = MergeForm::kUnknown;
  int values_in_pair_ = 0;
  std::string fault_;
};

}  // namespace

absl::StatusOr<TokenizerJson> ParseTokenizerJson(absl::string_view text) {
  if (text.size() > kMaxBytes) return Malformed("larger than 4 GiB");
  Reader reader;
  const bool parsed = json::sax_parse(text.begin(), text.end(), &reader);
  return std::move(reader).Finish(parsed);
}

}  // namespace pivot::tokenizer
