#pragma once

#include <string>
#include <string_view>

namespace derin {

// Brings text to Unicode's Normalization Form C as it arrives in pieces: canonical equivalents,
// such as an accent that stands for itself behind its letter, become one spelling. Unicode's
// version is that of utf8proc.
//
// The result does not depend on where the pieces are cut. A run of more than 1,024 characters that
// may still change each other, which no language has, is brought there in parts.
class NfcComposer {
 public:
  // Appends to `out` what is certain after `piece`; a byte that is no UTF-8 stays as it is.
  void Append(std::string_view piece, std::string& out);
  // Appends the rest.
  void Finish(std::string& out);

 private:
  // From a character that what stands before it cannot change on.
  std::string held_;
};

// Brings each character to Unicode's simple lower case, one for one and the same in all languages,
// as text arrives in pieces.
class LowerCaser {
 public:
  // As NfcComposer.
  void Append(std::string_view piece, std::string& out);
  void Finish(std::string& out);

 private:
  std::string held_;  // an unfinished character
};

}  // namespace derin
