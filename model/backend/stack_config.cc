#include "model/backend/stack_config.h"

#include <string>

#include "absl/strings/str_format.h"

namespace derin {

std::string_view CellName(Cell cell) {
  switch (cell) {
    case Cell::kVanillaTanh:
      return "vanilla-tanh";
    case Cell::kVanillaRelu:
      return "vanilla-relu";
    case Cell::kGru:
      return "gru";
    case Cell::kLstm:
      return "lstm";
  }
  return "";
}

absl::StatusOr<Cell> ParseCell(std::string_view name) {
  for (Cell cell : {Cell::kVanillaTanh, Cell::kVanillaRelu, Cell::kGru, Cell::kLstm}) {
    if (CellName(cell) == name) return cell;
  }
  return absl::InvalidArgumentError(absl::StrFormat(
      "got cell '%s', wanted lstm, gru, vanilla-tanh or vanilla-relu", std::string(name)));
}

std::string_view PrecisionName(Precision precision) {
  switch (precision) {
    case Precision::kF32:
      return "f32";
    case Precision::kF64:
      return "f64";
    case Precision::kBf16:
      return "bf16";
    case Precision::kTf32:
      return "tf32";
    case Precision::kF16:
      return "f16";
  }
  return "";
}

absl::StatusOr<Precision> ParsePrecision(std::string_view name) {
  for (Precision precision : kPrecisions) {
    if (PrecisionName(precision) == name) return precision;
  }
  return absl::InvalidArgumentError(
      absl::StrFormat("got precision '%s', wanted f32, tf32, f16, bf16 or f64", std::string(name)));
}

}  // namespace derin
