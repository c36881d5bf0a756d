#include "model/text/word_vocabulary.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "model/text/quoted.h"
#include "model/text/utf8.h"
#include "model/text/vocabulary.h"
#include "model/text/word_token.h"

namespace derin {
namespace {

// Of the standard library, as this project's texts are, for a table of Abseil's.
absl::string_view Key(std::string_view word) { return {word.data(), word.size()}; }

bool IsOneToken(const std::string& word) {
  Utf8Checker checker;
  return !word.empty() && checker.Append(word).ok() && checker.Finish().ok() &&
         WordTokenBytes(word, /*last=*/true) == word.size();
}

}  // namespace

WordVocabulary::WordVocabulary(std::vector<std::string> words) : words_(std::move(words)) {
  ids_.reserve(words_.size());
  for (size_t i = 0; i < words_.size(); ++i) {
    ids_.emplace(words_[i], static_cast<int32_t>(i) + 1);
    longest_bytes_ = std::max(longest_bytes_, words_[i].size());
  }
}

absl::StatusOr<WordVocabulary> WordVocabulary::FromWords(std::vector<std::string> words) {
  for (size_t i = 0; i < words.size(); ++i) {
    if (IsOneToken(words[i])) continue;
    return absl::InvalidArgumentError(absl::StrFormat(
        "token %d of the vocabulary is %s, wanted one word, one character that is of no word, or "
        "one of these behind a space",
        i + 1, Quoted(words[i])));
  }
  WordVocabulary vocabulary(std::move(words));
  for (int32_t id = 1; id < vocabulary.size(); ++id) {
    const int32_t first = vocabulary.Id(vocabulary.Word(id));
    if (first != id) {
      return absl::InvalidArgumentError(
          absl::StrFormat("%s is in the vocabulary twice, as %d and as %d",
                          Quoted(vocabulary.Word(id)), first, id));
    }
  }
  return vocabulary;
}

int32_t WordVocabulary::Id(std::string_view word) const {
  const auto found = ids_.find(Key(word));
  return found == ids_.end() ? Vocabulary::kUnknown : found->second;
}

absl::Status WordCounter::Append(std::string_view piece) {
  reader_.Append(piece, [this](std::string_view word) { Count(word); });
  return TooMany();
}

absl::Status WordCounter::Finish() {
  reader_.Finish([this](std::string_view word) { Count(word); });
  return TooMany();
}

void WordCounter::Count(std::string_view word) {
  ++token_count_;
  if (const auto found = counts_.find(Key(word)); found != counts_.end()) {
    ++found->second;
  } else if (static_cast<int64_t>(counts_.size()) < most_distinct_) {
    counts_.emplace(word, 1);
  } else {
    too_many_ = true;
  }
}

absl::Status WordCounter::TooMany() const {
  if (!too_many_) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrFormat(
      "the text has more than %d different words, which are too many to count", most_distinct_));
}

int32_t WordCounter::VocabularySize(int32_t max_vocabulary, int64_t min_count) const {
  const auto known = std::count_if(counts_.begin(), counts_.end(), [min_count](const auto& one) {
    return one.second >= min_count;
  });
  return static_cast<int32_t>(std::min<int64_t>(known + 1, max_vocabulary));
}

WordVocabulary WordCounter::Vocabulary(int32_t max_vocabulary, int64_t min_count) const {
  std::vector<std::pair<int64_t, absl::string_view>>
      order;  // the negative count, so that the least is first
  order.reserve(counts_.size());
  for (const auto& [word, count] : counts_) {
    if (count >= min_count) order.emplace_back(-count, word);
  }
  const size_t size = std::min(order.size(), static_cast<size_t>(max_vocabulary - 1));
  // The order of UTF-8's bytes is that of its code points.
  std::partial_sort(order.begin(), order.begin() + static_cast<int64_t>(size), order.end());
  std::vector<std::string> words;
  words.reserve(size);
  for (size_t i = 0; i < size; ++i) words.emplace_back(order[i].second);
  return WordVocabulary(std::move(words));
}

}  // namespace derin
