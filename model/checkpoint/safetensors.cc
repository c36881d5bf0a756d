#include "model/checkpoint/safetensors.h"

#include <zlib.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "absl/strings/str_format.h"
#include "model/checkpoint/strict_json.h"
#include "model/text/quoted.h"
#include "model/text/utf8.h"

namespace derin {
namespace {

using nlohmann::json;

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

constexpr size_t kLengthBytes = 8;
constexpr size_t kAlignment = 8;
constexpr uint64_t kLongestHeader = 100'000'000;  // the limit of the published reader
constexpr int kHeaderDepth = 3;                   // {"name": {"shape": []}}
constexpr char kMetadata[] = "__metadata__";
constexpr char kChecksum[] = "checksum";
constexpr char kMetadataChecksum[] = "metadata_checksum";

template <typename... Args>
absl::Status Damaged(const absl::FormatSpec<Args...>& format, const Args&... args) {
  return absl::DataLossError("damaged safetensors file: " + absl::StrFormat(format, args...));
}

std::string Crc32(uint32_t crc) { return absl::StrFormat("%08x", crc); }

uint32_t ExtendCrc32(uint32_t crc, const char* bytes, size_t length) {
  if (length == 0) return crc;  // zlib takes a null address for a wish to start anew
  return static_cast<uint32_t>(crc32_z(crc, reinterpret_cast<const Bytef*>(bytes), length));
}

// Of each key and value, a zero byte after each, in the order of the keys, without the checksums.
std::string ChecksumOf(const std::map<std::string, std::string>& metadata) {
  uint32_t crc = 0;
  for (const auto& [key, value] : metadata) {
    if (key == kChecksum || key == kMetadataChecksum) continue;
    crc = ExtendCrc32(crc, key.c_str(), key.size() + 1);
    crc = ExtendCrc32(crc, value.c_str(), value.size() + 1);
  }
  return Crc32(crc);
}

// The product of `shape`; empty when it is negative or does not fit.
std::optional<int64_t> ElementCount(const std::vector<int64_t>& shape) {
  int64_t count = 1;
  for (const int64_t dimension : shape) {
    if (dimension < 0 || __builtin_mul_overflow(count, dimension, &count)) return std::nullopt;
  }
  return count;
}

bool IsUtf8(std::string_view text) {
  Utf8Checker checker;
  return checker.Append(text).ok() && checker.Finish().ok();
}

absl::Status CheckEncodable(const Safetensors& file) {
  std::set<std::string_view> names;
  for (const Tensor& tensor : file.tensors) {
    const std::string shown = Quoted(tensor.name);
    if (!names.insert(tensor.name).second) {
      return absl::InvalidArgumentError(absl::StrFormat("two tensors have the name %s", shown));
    }
    if (!IsUtf8(tensor.name) || tensor.name == kMetadata) {
      return absl::InvalidArgumentError(absl::StrFormat("%s cannot be a tensor's name", shown));
    }
    if (ElementCount(tensor.shape) != static_cast<int64_t>(tensor.values.size())) {
      return absl::InvalidArgumentError(
          absl::StrFormat("tensor %s has %d values, which is not the product of its shape %s",
                          shown, tensor.values.size(), json(tensor.shape).dump()));
    }
  }
  for (const auto& [key, value] : file.metadata) {
    if (!IsUtf8(key) || !IsUtf8(value)) {
      return absl::InvalidArgumentError(absl::StrFormat("metadata %s is not UTF-8", Quoted(key)));
    }
  }
  return absl::OkStatus();
}

std::string EncodeHeader(const Safetensors& file) {
  nlohmann::ordered_json header;
  std::map<std::string, std::string> metadata = file.metadata;
  uint32_t crc = 0;
  uint64_t offset = 0;
  header[kMetadata];  // first
  for (const Tensor& tensor : file.tensors) {
    const uint64_t length = tensor.values.size() * sizeof(float);
    crc = ExtendCrc32(crc, reinterpret_cast<const char*>(tensor.values.data()), length);
    header[tensor.name] = {
        {"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {offset, offset + length}}};
    offset += length;
  }
  metadata[kMetadataChecksum] = ChecksumOf(metadata);
  metadata[kChecksum] = Crc32(crc);
  header[kMetadata] = metadata;

  std::string text = header.dump();
  text.resize((text.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  return text;
}

// What the header says of one tensor; `begin` and `end` are bytes of the data section.
struct Entry {
  std::string name;
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0;
};

// The non-negative integers of `array`; empty when it is anything else.
std::optional<std::vector<int64_t>> Integers(const json& array) {
  if (!array.is_array()) return std::nullopt;
  std::vector<int64_t> integers;
  for (const json& element : array) {
    if (!element.is_number_unsigned()) return std::nullopt;
    const auto value = element.get<uint64_t>();
    if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return std::nullopt;
    integers.push_back(static_cast<int64_t>(value));
  }
  return integers;
}

absl::StatusOr<Entry> ReadEntry(const std::string& name, const json& entry, size_t data_size) {
  const std::string shown = Quoted(name);
  if (!entry.is_object()) return Damaged("tensor %s is not described by an object", shown);
  const json type = entry.value("dtype", json());
  if (!type.is_string()) return Damaged("tensor %s has no dtype", shown);
  if (type != "F32") {
    return absl::UnimplementedError(absl::StrFormat("tensor %s has dtype %s; only F32 is read",
                                                    shown,
                                                    Quoted(type.get_ref<const std::string&>())));
  }
  const auto shape = Integers(entry.value("shape", json()));
  if (!shape) return Damaged("the shape of tensor %s is not an array of sizes", shown);
  const auto offsets = Integers(entry.value("data_offsets", json()));
  if (!offsets || offsets->size() != 2) {
    return Damaged("the data_offsets of tensor %s are not two offsets", shown);
  }
  const int64_t begin = (*offsets)[0], end = (*offsets)[1];
  if (begin > end || static_cast<uint64_t>(end) > data_size) {
    return Damaged("tensor %s has the bytes [%d, %d) of a data section of %d", shown, begin, end,
                   data_size);
  }
  int64_t length = 0;
  const std::optional<int64_t> count = ElementCount(*shape);
  if (!count || __builtin_mul_overflow(*count, sizeof(float), &length) || length != end - begin) {
    return Damaged("tensor %s has %d bytes, which is not what its shape needs", shown, end - begin);
  }
  return Entry{name, *shape, static_cast<uint64_t>(begin), static_cast<uint64_t>(end)};
}

absl::Status ReadMetadata(const json& object, std::map<std::string, std::string>& metadata) {
  if (!object.is_object()) return Damaged("%s is not an object", kMetadata);
  for (const auto& [key, value] : object.items()) {
    if (!value.is_string()) return Damaged("metadata %s is not a string", Quoted(key));
    metadata[key] = value.get<std::string>();
  }
  return absl::OkStatus();
}

// Sorts `entries` by their data, which must cover the data section without holes or overlaps.
absl::Status CheckCoverage(std::vector<Entry>& entries, size_t data_size) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  uint64_t covered = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != covered) {
      return Damaged(
          "tensor %s begins at byte %d of the data section, not where the one before "
          "it ends, at %d",
          Quoted(entry.name), entry.begin, covered);
    }
    covered = entry.end;
  }
  if (covered == data_size) return absl::OkStatus();
  return Damaged("the tensors end at byte %d of a data section of %d", covered, data_size);
}

absl::Status CheckChecksum(const std::map<std::string, std::string>& metadata, const char* key,
                           const std::string& actual) {
  const auto stated = metadata.find(key);
  if (stated == metadata.end() || stated->second == actual) return absl::OkStatus();
  return Damaged("its %s is %s, but that of its contents is %s", key, Quoted(stated->second),
                 actual);
}

// The header as an object; `header_end` becomes where it ends and the data section begins.
absl::StatusOr<json> ReadHeader(std::string_view bytes, size_t& header_end) {
  if (bytes.size() < kLengthBytes) {
    return Damaged("it has %d bytes, at least %d are needed", bytes.size(), kLengthBytes);
  }
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), kLengthBytes);
  if (length > kLongestHeader || length > bytes.size() - kLengthBytes) {
    return Damaged("its header should have %d bytes, where %d follow and %d are allowed", length,
                   bytes.size() - kLengthBytes, kLongestHeader);
  }
  const std::string_view text = bytes.substr(kLengthBytes, length);
  if (text.substr(0, 1) != "{") return Damaged("its header does not begin with {");
  absl::StatusOr<json> header = ParseStrictJson(text, kHeaderDepth);
  if (!header.ok()) return Damaged("its header: %s", header.status().message());
  header_end = kLengthBytes + length;
  return header;
}

}  // namespace

absl::StatusOr<std::string> EncodeSafetensors(const Safetensors& file) {
  if (absl::Status status = CheckEncodable(file); !status.ok()) return status;
  const std::string header = EncodeHeader(file);
  const uint64_t length = header.size();
  size_t size = kLengthBytes + header.size();
  for (const Tensor& tensor : file.tensors) size += tensor.values.size() * sizeof(float);

  std::string bytes;
  bytes.reserve(size);
  bytes.append(reinterpret_cast<const char*>(&length), kLengthBytes);
  bytes += header;
  for (const Tensor& tensor : file.tensors) {
    bytes.append(reinterpret_cast<const char*>(tensor.values.data()),
                 tensor.values.size() * sizeof(float));
  }
  return bytes;
}

absl::StatusOr<Safetensors> DecodeSafetensors(absl::Span<const char> bytes) {
  size_t header_end = 0;
  const absl::StatusOr<json> header = ReadHeader({bytes.data(), bytes.size()}, header_end);
  if (!header.ok()) return header.status();
  const absl::Span<const char> data = bytes.subspan(header_end);

  Safetensors file;
  std::vector<Entry> entries;
  for (const auto& [name, value] : header->items()) {
    if (name == kMetadata) {
      if (absl::Status s = ReadMetadata(value, file.metadata); !s.ok()) return s;
      continue;
    }
    absl::StatusOr<Entry> entry = ReadEntry(name, value, data.size());
    if (!entry.ok()) return entry.status();
    entries.push_back(*std::move(entry));
  }
  if (absl::Status s = CheckCoverage(entries, data.size()); !s.ok()) return s;
  const std::string data_checksum = Crc32(ExtendCrc32(0, data.data(), data.size()));
  for (const auto& [key, actual] : {std::pair{kChecksum, data_checksum},
                                    std::pair{kMetadataChecksum, ChecksumOf(file.metadata)}}) {
    if (absl::Status s = CheckChecksum(file.metadata, key, actual); !s.ok()) return s;
  }

  for (Entry& entry : entries) {
    std::vector<float> values((entry.end - entry.begin) / sizeof(float));
    if (!values.empty()) {
      std::memcpy(values.data(), &data[entry.begin], entry.end - entry.begin);
    }
    file.tensors.push_back({std::move(entry.name), std::move(entry.shape), std::move(values)});
  }
  return file;
}

}  // namespace derin
