#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace derin {

// How a text falls into the tokens of a model of words. What the tokens of a text say, one after
// the other, is that text again.
//
// - A word is a run of letters and digits (Unicode's categories L and N), of marks (M) and joiners
//   (U+200C, U+200D) behind one, and of apostrophes (' and U+2019) between one and a letter. An
//   ideograph or a hiragana, of which a word has no visible end, is a word of its own. So is each
//   piece of 64 characters of a longer run.
// - White space (Unicode's White_Space) is a token a character.
// - So is every other character.
// - But the one space (U+0020) before a word, or before another character that is not white space,
//   is a part of that token: of two tokens a word, every other would be a space, which a step of
//   the network and a draw would be spent on; and a perplexity is then one per word.

// The longest word, in characters; the space before it is one more.
inline constexpr int kMostWordCharacters = 64;
// The longest token, in bytes.
inline constexpr size_t kMostTokenBytes = 4 * kMostWordCharacters + 1;

// The bytes of the first token of `text`, which is not empty. Empty when that depends on what
// follows; with `last` nothing does, and the answer is never empty. A byte that is no UTF-8 is a
// token of its own.
std::optional<size_t> WordTokenBytes(std::string_view text, bool last);

}  // namespace derin
