#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "model/text/word_token.h"

namespace derin {

// Cuts a text that arrives in pieces into the tokens that word_token.h defines.
class WordReader {
 public:
  // Calls `take`, of a std::string_view, with each token that is complete now. Pieces of valid
  // UTF-8 may be cut anywhere.
  template <typename Take>
  void Append(std::string_view piece, Take&& take);
  // The text ends; another one may begin.
  template <typename Take>
  void Finish(Take&& take) {
    Read(/*last=*/true, take);
  }

 private:
  template <typename Take>
  void Read(bool last, Take& take);

  std::string held_;  // the beginning of a token
};

template <typename Take>
void WordReader::Append(std::string_view piece, Take&& take) {
  constexpr size_t kAtOnce = 65'536;  // so that a text of any size is not copied whole
  while (!piece.empty()) {
    const size_t bytes = std::min(piece.size(), kAtOnce);
    held_ += piece.substr(0, bytes);
    piece.remove_prefix(bytes);
    Read(/*last=*/false, take);
  }
}

template <typename Take>
void WordReader::Read(bool last, Take& take) {
  std::string_view rest = held_;
  while (!rest.empty()) {
    // With so much behind it, the first token does not depend on what is still to come.
    if (!last && rest.size() < 2 * kMostTokenBytes) break;
    const size_t bytes = WordTokenBytes(rest, /*last=*/true).value_or(rest.size());
    take(rest.substr(0, bytes));
    rest.remove_prefix(bytes);
  }
  held_.erase(0, held_.size() - rest.size());
}

}  // namespace derin
