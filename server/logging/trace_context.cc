#include "server/logging/trace_context.h"

#include <algorithm>

namespace derin::server {
namespace {

constexpr size_t kVersionDigits = 2, kTraceIdDigits = 32, kParentIdDigits = 16, kFlagsDigits = 2;
constexpr size_t kTraceIdAt = kVersionDigits + 1;
constexpr size_t kParentIdAt = kTraceIdAt + kTraceIdDigits + 1;
constexpr size_t kFlagsAt = kParentIdAt + kParentIdDigits + 1;
constexpr size_t kLength = kFlagsAt + kFlagsDigits;

// Capitals are no digits here.
int DigitValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool IsHex(std::string_view digits) {
  return std::all_of(digits.begin(), digits.end(), [](char c) { return DigitValue(c) >= 0; });
}

bool IsId(std::string_view digits) {
  return IsHex(digits) && digits.find_first_not_of('0') != std::string_view::npos;
}

}  // namespace

std::optional<TraceContext> ParseTraceParent(std::string_view value) {
  if (value.size() < kLength) return std::nullopt;
  const std::string_view version = value.substr(0, kVersionDigits);
  const std::string_view trace_id = value.substr(kTraceIdAt, kTraceIdDigits);
  const std::string_view parent_id = value.substr(kParentIdAt, kParentIdDigits);
  const std::string_view flags = value.substr(kFlagsAt, kFlagsDigits);
  if (value[kTraceIdAt - 1] != '-' || value[kParentIdAt - 1] != '-' || value[kFlagsAt - 1] != '-' ||
      !IsHex(version) || version == "ff" || !IsId(trace_id) || !IsId(parent_id) || !IsHex(flags)) {
    return std::nullopt;
  }
  if (value.size() > kLength && (version == "00" || value[kLength] != '-')) return std::nullopt;
  return TraceContext{.trace_id = std::string(trace_id),
                      .parent_id = std::string(parent_id),
                      .sampled = (DigitValue(flags[1]) & 1) != 0};
}

}  // namespace derin::server
