#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>

#include "absl/types/span.h"
#include "model/check.h"

namespace derin {

enum class ElementType : uint8_t { kByte, kI32, kI64, kF32, kF64 };

constexpr size_t ElementSize(ElementType type) {
  switch (type) {
    case ElementType::kByte:
      return 1;
    case ElementType::kI32:
    case ElementType::kF32:
      return 4;
    case ElementType::kI64:
    case ElementType::kF64:
      return 8;
  }
  return 0;
}

// The ElementType of a C++ type; any other plain struct travels as bytes.
template <typename T>
constexpr ElementType ElementTypeOf() {
  if constexpr (std::is_same_v<T, int32_t>) return ElementType::kI32;
  if constexpr (std::is_same_v<T, int64_t>) return ElementType::kI64;
  if constexpr (std::is_same_v<T, float>) return ElementType::kF32;
  if constexpr (std::is_same_v<T, double>) return ElementType::kF64;
  return ElementType::kByte;
}

// A fixed address on a device, a count and a type. Owns nothing. Only a backend may look behind the
// address, except where the memory is Memory::kHost.
struct View {
  void* data = nullptr;
  size_t count = 0;
  ElementType type = ElementType::kByte;

  size_t bytes() const { return count * ElementSize(type); }
  bool empty() const { return count == 0; }

  View Slice(size_t offset, size_t slice_count) const {
    DERIN_CHECK(offset + slice_count <= count);
    return {static_cast<std::byte*>(data) + offset * ElementSize(type), slice_count, type};
  }

  // `part_count` elements of type `part_type` from byte `offset` on, of a view of bytes.
  View Part(size_t offset, size_t part_count, ElementType part_type) const {
    DERIN_CHECK(type == ElementType::kByte);
    return {Slice(offset, part_count * ElementSize(part_type)).data, part_count, part_type};
  }

  // The elements, where they are in the host's reach.
  template <typename T>
  T* As() const {
    DERIN_CHECK(type == ElementTypeOf<T>());
    return static_cast<T*>(data);
  }
  // Plain structs, which travel as bytes, where they are in the host's reach.
  template <typename T>
  absl::Span<T> Structs() const {
    DERIN_CHECK(type == ElementType::kByte && count % sizeof(T) == 0);
    return {static_cast<T*>(data), count / sizeof(T)};
  }
};

// Owns the memory behind a View and gives it back to its backend.
class Buffer {
 public:
  Buffer() = default;
  // `release` holds whatever must outlive the memory; its destructor frees it.
  Buffer(View view, std::shared_ptr<void> release) : view_(view), release_(std::move(release)) {}
  Buffer(Buffer&&) = default;
  Buffer& operator=(Buffer&&) = default;

  const View& view() const { return view_; }

 private:
  View view_;
  std::shared_ptr<void> release_;
};

}  // namespace derin
