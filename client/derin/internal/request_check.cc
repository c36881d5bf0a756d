#include "derin/internal/request_check.h"

#include <google/protobuf/message.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"

namespace derin::client::internal {
namespace {

// Bytes of the well-formed character at the front of `text`, 0 when there is none.
// Source: The Unicode Standard, table 3-7, "Well-Formed UTF-8 Byte Sequences".
size_t CharacterBytes(std::string_view text) {
  const auto byte = [&text](size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const auto continues = [&byte](size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const unsigned first = byte(0);
  const unsigned second = byte(1);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return continues(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const unsigned lowest = first == 0xE0 ? 0xA0 : 0x80;
    const unsigned highest = first == 0xED ? 0x9F : 0xBF;
    return second >= lowest && second <= highest && continues(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const unsigned lowest = first == 0xF0 ? 0x90 : 0x80;
    const unsigned highest = first == 0xF4 ? 0x8F : 0xBF;
    return second >= lowest && second <= highest && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

// Offset of the first byte that is not UTF-8; npos when there is none.
size_t FirstFault(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const size_t bytes = CharacterBytes(text.substr(at));
    if (bytes == 0) return at;
    at += bytes;
  }
  return std::string_view::npos;
}

absl::Status NotUtf8(const std::string& field, size_t offset) {
  const std::string message = absl::StrCat(field, ": byte ", offset, " is not UTF-8");
  absl::Status status = absl::InvalidArgumentError(message);
  google::rpc::BadRequest violations;
  auto* violation = violations.add_field_violations();
  violation->set_field(field);
  violation->set_description(message);
  status.SetPayload("type.googleapis.com/google.rpc.BadRequest",
                    absl::Cord(violations.SerializeAsString()));
  return status;
}

absl::Status CheckBelow(const google::protobuf::Message& message, const std::string& prefix) {
  using google::protobuf::FieldDescriptor;
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const std::string path = absl::StrCat(prefix, field->name());
    if (field->is_repeated()) {
      for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
        if (field->type() == FieldDescriptor::TYPE_MESSAGE) {  // an entry of a map, among others
          absl::Status status = CheckBelow(reflection.GetRepeatedMessage(message, field, i),
                                           absl::StrCat(path, "[", i, "]."));
          if (!status.ok()) return status;
        }
        if (field->type() != FieldDescriptor::TYPE_STRING) continue;
        std::string scratch;
        const size_t fault =
            FirstFault(reflection.GetRepeatedStringReference(message, field, i, &scratch));
        if (fault != std::string_view::npos) return NotUtf8(absl::StrCat(path, "[", i, "]"), fault);
      }
      continue;
    }
    if (field->type() == FieldDescriptor::TYPE_STRING) {
      std::string scratch;
      const size_t fault = FirstFault(reflection.GetStringReference(message, field, &scratch));
      if (fault != std::string_view::npos) return NotUtf8(path, fault);
    } else if (field->type() == FieldDescriptor::TYPE_MESSAGE) {
      absl::Status status = CheckBelow(reflection.GetMessage(message, field), path + ".");
      if (!status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckUtf8(const google::protobuf::Message& request) { return CheckBelow(request, ""); }

}  // namespace derin::client::internal
