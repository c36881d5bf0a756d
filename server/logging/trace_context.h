#pragma once

#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace derin::server {

// Where a call stands in a trace, as https://www.w3.org/TR/trace-context/ has it.
struct TraceContext {
  std::string trace_id;   // 32 lower-case hexadecimal digits
  std::string parent_id;  // 16, of the caller's span
  bool sampled = false;   // the caller may have recorded it
};

// The value of a `traceparent` header: `VERSION-TRACE_ID-PARENT_ID-FLAGS`. Nullopt for one that is
// to be ignored: other digits or lengths, zero ids, version ff, anything behind version 00. Of
// later versions the beginning is read.
std::optional<TraceContext> ParseTraceParent(std::string_view value);

// That of a call's metadata; several headers are none.
template <typename Metadata>
std::optional<TraceContext> TraceContextIn(const Metadata& metadata) {
  const auto [first, last] = metadata.equal_range("traceparent");
  if (first == last || std::next(first) != last) return std::nullopt;
  return ParseTraceParent(std::string_view(first->second.data(), first->second.size()));
}

// Its trace's id, or nothing.
template <typename Metadata>
std::string TraceIdIn(const Metadata& metadata) {
  std::optional<TraceContext> context = TraceContextIn(metadata);
  return context.has_value() ? std::move(context->trace_id) : std::string();
}

}  // namespace derin::server
