#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace derin::server {

// Figures as people read them.

// `1,234,567`.
std::string ReadableCount(int64_t count);
// A rate of tokens: `0`, `8.4`, `1,234`.
std::string ReadableRate(double rate);
// `12.3 GiB`.
std::string ReadableBytes(int64_t bytes);
// In its two largest units, `3 d 4 h`, `5 min 12 s`; below a minute `42 s`.
std::string ReadableSpan(absl::Duration span);
// Four digits that matter: `1.084`, `27.95`; a very large one as `1.2e+09`.
std::string ReadablePerplexity(double perplexity);

}  // namespace derin::server
