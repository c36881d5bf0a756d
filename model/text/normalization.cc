#include "model/text/normalization.h"

#include "absl/strings/str_format.h"
#include "model/text/quoted.h"

namespace derin {

std::string_view NormalizationName(Normalization normalization) {
  switch (normalization) {
    case Normalization::kRaw:
      return "raw";
    case Normalization::kD2lLetters:
      return "d2l-letters";
    case Normalization::kNfc:
      return "nfc";
    case Normalization::kLowerCase:
      return "lower-case";
    case Normalization::kNfcLowerCase:
      return "nfc-lower-case";
  }
  return "";
}

absl::StatusOr<Normalization> ParseNormalization(std::string_view name) {
  for (const Normalization known : kNormalizations) {
    if (name == NormalizationName(known)) return known;
  }
  return absl::InvalidArgumentError(
      absl::StrFormat("there is no normalization %s; there are raw, d2l-letters, nfc, lower-case "
                      "and nfc-lower-case",
                      Quoted(name)));
}

absl::Status Normalizer::Append(std::string_view piece, std::string& out) {
  if (absl::Status status = utf8_.Append(piece); !status.ok()) return status;
  AppendChecked(piece, out);
  return absl::OkStatus();
}

void Normalizer::AppendChecked(std::string_view piece, std::string& out) {
  switch (normalization_) {
    case Normalization::kRaw:
      out += piece;
      return;
    case Normalization::kD2lLetters:
      AppendLetters(piece, out);
      return;
    case Normalization::kNfc:
      composer_.Append(piece, out);
      return;
    case Normalization::kLowerCase:
      lower_caser_.Append(piece, out);
      return;
    case Normalization::kNfcLowerCase: {
      std::string composed;
      composer_.Append(piece, composed);
      lower_caser_.Append(composed, out);
      return;
    }
  }
}

absl::Status Normalizer::Finish(std::string& out) {
  if (absl::Status status = utf8_.Finish(); !status.ok()) return status;
  AppendRest(out);
  return absl::OkStatus();
}

// Of letters nothing is left: a gap at the end of the text is at the end of a line.
void Normalizer::AppendRest(std::string& out) {
  std::string composed;
  composer_.Finish(composed);
  if (normalization_ == Normalization::kNfcLowerCase) {
    lower_caser_.Append(composed, out);
  } else {
    out += composed;
  }
  lower_caser_.Finish(out);
}

// Byte by byte is enough: no byte of a longer character is a letter or a line's end.
void Normalizer::AppendLetters(std::string_view text, std::string& out) {
  for (const char c : text) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
      if (gap_ && line_has_letters_) out += ' ';
      out += static_cast<char>(c | 0x20);
      line_has_letters_ = true;
      gap_ = false;
    } else if (c == '\n') {
      line_has_letters_ = false;
    } else {
      gap_ = true;
    }
  }
}

std::string NormalizePrompt(std::string_view prompt, Normalization normalization) {
  std::string out;
  Normalizer normalizer(normalization);
  if (normalization != Normalization::kD2lLetters) {
    normalizer.AppendChecked(prompt, out);
    normalizer.AppendRest(out);
    return out;
  }
  normalizer.line_has_letters_ = true;  // a letter is before the prompt
  normalizer.AppendLetters(prompt, out);
  if (normalizer.gap_ && normalizer.line_has_letters_) out += ' ';  // and one after it
  return out;
}

}  // namespace derin
