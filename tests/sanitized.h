#pragma once

namespace derin {

// Whether a sanitizer looks on: what takes seconds otherwise takes minutes then, and less of it
// shows as much.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace derin
