#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/text/unicode.h"
#include "model/text/utf8.h"

namespace derin {

// What is done to a text before it becomes a corpus, and to the prompts of models trained on it.
enum class Normalization {
  // Nothing.
  kRaw,
  // The cleaning of "Dive into Deep Learning", section 9.2: in each line, runs of anything but A-Z
  // and a-z become one space, the line is stripped and lower-cased; lines are joined with nothing
  // between. A line ends with \n; a \r is like any other character that is no letter.
  kD2lLetters,
  // Unicode's Normalization Form C.
  kNfc,
  // Each character in Unicode's simple lower case.
  kLowerCase,
  // Form C first, and lower case then.
  kNfcLowerCase,
};

inline constexpr std::array kNormalizations = {Normalization::kRaw, Normalization::kD2lLetters,
                                               Normalization::kNfc, Normalization::kLowerCase,
                                               Normalization::kNfcLowerCase};

// `raw`, `d2l-letters`, `nfc`, `lower-case`, `nfc-lower-case`: the names used in files and on the
// command line.
std::string_view NormalizationName(Normalization normalization);
absl::StatusOr<Normalization> ParseNormalization(std::string_view name);

// Normalises a text that arrives in pieces, checking that it is UTF-8. The result does not depend
// on where the pieces are cut.
class Normalizer {
 public:
  explicit Normalizer(Normalization normalization) : normalization_(normalization) {}

  // Appends to `out` what is certain after `piece`. INVALID_ARGUMENT with the byte offset in the
  // whole text of the first byte that is not UTF-8; after that the object is of no more use.
  absl::Status Append(std::string_view piece, std::string& out);

  // Appends the rest. INVALID_ARGUMENT when the text ends inside a character.
  absl::Status Finish(std::string& out);

 private:
  friend std::string NormalizePrompt(std::string_view prompt, Normalization normalization);

  void AppendChecked(std::string_view piece, std::string& out);
  void AppendLetters(std::string_view text, std::string& out);
  void AppendRest(std::string& out);

  Normalization normalization_;
  Utf8Checker utf8_;
  // kD2lLetters: whether a letter was seen in this line, and whether something else came after the
  // last one.
  bool line_has_letters_ = false;
  bool gap_ = false;
  NfcComposer composer_;
  LowerCaser lower_caser_;
};

// `prompt` (UTF-8) as the model would have seen it between two letters of a text: nothing is
// stripped at its edges, so that a prompt that ends with a space still does.
std::string NormalizePrompt(std::string_view prompt, Normalization normalization);

}  // namespace derin
