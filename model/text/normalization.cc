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
  }
  return "";
}

absl::StatusOr<Normalization> ParseNormalization(std::string_view name) {
  for (const Normalization known : {Normalization::kRaw, Normalization::kD2lLetters}) {
    if (name == NormalizationName(known)) return known;
  }
  return absl::InvalidArgumentError(
      absl::StrFormat("there is no normalization %s; there are raw and d2l-letters", Quoted(name)));
}

absl::Status Normalizer::Append(std::string_view piece, std::string& out) {
  if (absl::Status status = utf8_.Append(piece); !status.ok()) return status;
  if (normalization_ == Normalization::kRaw) {
    out += piece;
  } else {
    AppendLetters(piece, out);
  }
  return absl::OkStatus();
}

// Nothing is left to append: a gap at the end of the text is at the end of a line.
absl::Status Normalizer::Finish(std::string& /*out*/) { return utf8_.Finish(); }

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
  if (normalization == Normalization::kRaw) return std::string(prompt);
  std::string out;
  Normalizer normalizer(normalization);
  normalizer.line_has_letters_ = true;  // a letter is before the prompt
  normalizer.AppendLetters(prompt, out);
  if (normalizer.gap_ && normalizer.line_has_letters_) out += ' ';  // and one after it
  return out;
}

}  // namespace derin
