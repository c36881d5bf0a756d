#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <gtest/gtest.h>

#include <string>

namespace derin::client::internal {

// Gives every field of `message` and of those in it a value of its own; of each enum the first one
// that is not unspecified. Fields of a oneof overwrite each other: the last stays.
inline void FillAll(google::protobuf::Message& message, int& number) {
  using google::protobuf::FieldDescriptor;
  const auto& reflection = *message.GetReflection();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = message.GetDescriptor()->field(i);
    if (field->is_repeated()) continue;
    ++number;
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        reflection.SetInt32(&message, field, number);
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        reflection.SetInt64(&message, field, number);
        break;
      case FieldDescriptor::CPPTYPE_UINT32:
        reflection.SetUInt32(&message, field, number);
        break;
      case FieldDescriptor::CPPTYPE_UINT64:
        reflection.SetUInt64(&message, field, number);
        break;
      case FieldDescriptor::CPPTYPE_DOUBLE:
        reflection.SetDouble(&message, field, number + 0.5);
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        reflection.SetBool(&message, field, true);
        break;
      case FieldDescriptor::CPPTYPE_STRING:
        reflection.SetString(&message, field, "text" + std::to_string(number));
        break;
      case FieldDescriptor::CPPTYPE_ENUM:
        reflection.SetEnumValue(&message, field, 1);
        break;
      case FieldDescriptor::CPPTYPE_MESSAGE:
        FillAll(*reflection.MutableMessage(&message, field), number);
        break;
      default:
        FAIL() << "a type that the API has not had: " << field->cpp_type_name();
    }
  }
}

template <typename Proto>
Proto Filled() {
  Proto proto;
  int number = 0;
  FillAll(proto, number);
  return proto;
}

}  // namespace derin::client::internal
