#include "model/checkpoint/safetensors.h"

#include <gmock/gmock.h>

#include <bit>
#include <cstring>

namespace derin {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

Safetensors SmallFile() {
  return {{{"head.weight", {2, 3}, {1, -2, 0.5f, 3e38f, -0.0f, 1e-40f}},
           {"empty", {0, 5}, {}},
           {"a \"name\" \xC3\xBC", {}, {7}},
           {"bias", {2}, {-1, 1}}},
          {{"derin.format", "1"}, {"note", "line\nand \xE2\x82\xAC"}}};
}

std::vector<uint32_t> Bits(const std::vector<float>& values) {
  std::vector<uint32_t> bits;
  for (const float value : values) bits.push_back(std::bit_cast<uint32_t>(value));
  return bits;
}

void ExpectSameTensors(const Safetensors& got, const Safetensors& wanted) {
  ASSERT_THAT(got.tensors, SizeIs(wanted.tensors.size()));
  for (size_t i = 0; i < got.tensors.size(); ++i) {
    EXPECT_EQ(got.tensors[i].name, wanted.tensors[i].name);
    EXPECT_EQ(got.tensors[i].shape, wanted.tensors[i].shape);
    EXPECT_EQ(Bits(got.tensors[i].values), Bits(wanted.tensors[i].values));
  }
}

// A file with this header and `data_size` zero bytes of data.
std::string FileWith(const std::string& header, size_t data_size) {
  const uint64_t length = header.size();
  std::string bytes(reinterpret_cast<const char*>(&length), sizeof length);
  return bytes + header + std::string(data_size, '\0');
}

absl::Status DecodeStatus(const std::string& bytes) { return DecodeSafetensors(bytes).status(); }

TEST(Safetensors, ComeBackAsTheyWere) {
  const std::string bytes = EncodeSafetensors(SmallFile()).value();
  const auto decoded = DecodeSafetensors(bytes);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  ExpectSameTensors(*decoded, SmallFile());
  EXPECT_EQ(decoded->metadata.at("note"), "line\nand \xE2\x82\xAC");
  EXPECT_THAT(decoded->metadata, SizeIs(4));
  EXPECT_EQ(EncodeSafetensors(*decoded).value(), bytes);
}

TEST(Safetensors, KeepNanBitForBit) {
  const auto signalling = std::bit_cast<float>(0x7fa00001);
  const Safetensors file = {{{"x", {1}, {signalling}}}, {}};
  ExpectSameTensors(DecodeSafetensors(EncodeSafetensors(file).value()).value(), file);
}

// The layout that the published format asks for.
TEST(Safetensors, BeginWithTheLengthOfAHeaderPaddedToEightBytes) {
  const std::string bytes = EncodeSafetensors({{{"x", {2}, {1, 2}}}, {{"k", "v"}}}).value();
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  EXPECT_EQ(length % 8, 0u);
  ASSERT_EQ(bytes.size(), 8 + length + 8);
  EXPECT_THAT(bytes.substr(8, length), ::testing::StartsWith(R"({"__metadata__":{"checksum":")"));
  EXPECT_THAT(bytes.substr(8, length),
              HasSubstr(R"("x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})"));
  EXPECT_EQ(bytes.substr(8 + length), std::string("\0\0\x80\x3f\0\0\0\x40", 8));
}

// As Python's zlib.crc32(b"12345678") says.
TEST(Safetensors, CarryTheCrc32OfTheirData) {
  std::vector<float> values(2);
  std::memcpy(values.data(), "12345678", 8);
  const auto decoded =
      DecodeSafetensors(EncodeSafetensors({{{"x", {2}, values}}, {}}).value()).value();
  EXPECT_EQ(decoded.metadata.at("checksum"), "9ae0daaf");
}

// As safetensors.torch writes it: no metadata, tensors by name, not in the order of the data.
TEST(Safetensors, OfAnotherWriterAreReadWithoutChecksums) {
  const auto decoded =
      DecodeSafetensors(FileWith(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},)"
                                 R"("b":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}}   )",
                                 12));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  ExpectSameTensors(*decoded, {{{"b", {2, 1}, {0, 0}}, {"a", {1}, {0}}}, {}});
}

TEST(Safetensors, CutAtAnyLengthAreRefused) {
  const std::string bytes = EncodeSafetensors(SmallFile()).value();
  for (size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_EQ(DecodeStatus(bytes.substr(0, length)).code(), absl::StatusCode::kDataLoss)
        << length << " of " << bytes.size();
  }
  EXPECT_EQ(DecodeStatus(bytes + '\0').code(), absl::StatusCode::kDataLoss);
}

// What is not refused is a flip in a tensor's name, or in a checksum's, which takes that check
// away.
TEST(Safetensors, WithAnyBitFlippedAreRefusedOrKeepTheirValuesAndMetadata) {
  const std::string bytes = EncodeSafetensors(SmallFile()).value();
  uint64_t header_length = 0;
  std::memcpy(&header_length, bytes.data(), sizeof header_length);
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    const auto decoded = DecodeSafetensors(flipped);
    if (bit / 8 >= 8 + header_length) {
      EXPECT_EQ(decoded.status().code(), absl::StatusCode::kDataLoss) << "bit " << bit;
      EXPECT_THAT(std::string(decoded.status().message()), HasSubstr("checksum"));
    } else if (decoded.ok()) {
      ASSERT_THAT(decoded->tensors, SizeIs(4)) << "bit " << bit;
      EXPECT_EQ(decoded->tensors[0].values, SmallFile().tensors[0].values) << "bit " << bit;
      if (decoded->metadata.contains("metadata_checksum")) {
        EXPECT_EQ(decoded->metadata.at("note"), SmallFile().metadata.at("note")) << "bit " << bit;
      }
    }
  }
}

TEST(Safetensors, WithABadLengthAreRefused) {
  for (const uint64_t length :
       {uint64_t{3}, uint64_t{100'000'001}, uint64_t{1} << 63, ~uint64_t{0}, ~uint64_t{0} - 7}) {
    std::string bytes = FileWith("{}", 0);
    std::memcpy(bytes.data(), &length, sizeof length);
    EXPECT_EQ(DecodeStatus(bytes).code(), absl::StatusCode::kDataLoss) << length;
  }
  EXPECT_EQ(DecodeStatus(FileWith("{}", 0)), absl::OkStatus());
}

TEST(Safetensors, WithABadHeaderAreRefused) {
  for (const std::string header : {
           "",
           " {}",
           "[]",
           "{",
           "{}{}",
           "null",
           "\xEF\xBB\xBF{}",
           R"({"__metadata__":[]})",
           R"({"__metadata__":{"a":1}})",
           R"({"__metadata__":null})",
           R"({"x":null})",
           R"({"x":[]})",
           R"({"x":{}})",
           R"({"x":{"dtype":1,"shape":[1],"data_offsets":[0,4]}})",
           R"({"x":{"dtype":"F32","data_offsets":[0,4]}})",
           R"({"x":{"dtype":"F32","shape":1,"data_offsets":[0,4]}})",
           R"({"x":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})",
           R"({"x":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}})",
           R"({"x":{"dtype":"F32","shape":["1"],"data_offsets":[0,4]}})",
           R"({"x":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}})",
           R"({"x":{"dtype":"F32","shape":[1]}})",
           R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[4]}})",
           R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}})",
           R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})",
           R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"x":{}})",
           R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,18446744073709551615]}})",
           R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4e0]}})",
       }) {
    EXPECT_EQ(DecodeStatus(FileWith(header, 4)).code(), absl::StatusCode::kDataLoss) << header;
  }
}

TEST(Safetensors, WhoseShapeDoesNotFitTheirDataAreRefused) {
  for (const std::string shape : {"2", "0", "1,2", "4611686018427387905", "4294967296,4294967296,1",
                                  "9223372036854775807,9223372036854775807", "18446744073709551615",
                                  "4611686018427387904,4,0"}) {
    const std::string header =
        R"({"x":{"dtype":"F32","shape":[)" + shape + R"(],"data_offsets":[0,4]}})";
    const absl::Status status = DecodeStatus(FileWith(header, 4));
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << shape;
    EXPECT_THAT(std::string(status.message()), HasSubstr("\"x\"")) << shape;
  }
}

std::string TwoTensors(const std::string& first, const std::string& second) {
  return R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[)" + first +
         R"(]},"y":{"dtype":"F32","shape":[1],"data_offsets":[)" + second + "]}}";
}

TEST(Safetensors, WithHolesOrOverlapsAreRefused) {
  EXPECT_EQ(DecodeStatus(FileWith(TwoTensors("0,4", "4,8"), 8)), absl::OkStatus());
  EXPECT_EQ(DecodeStatus(FileWith(TwoTensors("4,8", "0,4"), 8)), absl::OkStatus());
  for (const auto& [first, second, data_size] :
       {std::tuple{"0,4", "8,12", 12}, std::tuple{"4,8", "8,12", 12}, std::tuple{"0,4", "0,4", 4},
        std::tuple{"0,4", "2,6", 6}, std::tuple{"0,4", "4,8", 12}, std::tuple{"0,4", "4,8", 6},
        std::tuple{"0,4", "4,8", 0}}) {
    EXPECT_EQ(DecodeStatus(FileWith(TwoTensors(first, second), data_size)).code(),
              absl::StatusCode::kDataLoss)
        << first << " and " << second << " of " << data_size;
  }
}

TEST(Safetensors, OfAnotherTypeAreUnimplemented) {
  const absl::Status status =
      DecodeStatus(FileWith(R"({"x":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}})", 4));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(status.message()), HasSubstr("BF16"));
}

TEST(Safetensors, ThatContradictThemselvesAreNotWritten) {
  for (const Safetensors& file : std::vector<Safetensors>{
           {{{"x", {1}, {0}}, {"x", {1}, {0}}}, {}},
           {{{"x", {2}, {0}}}, {}},
           {{{"x", {-1, -1}, {0}}}, {}},
           {{{"x", {int64_t{1} << 32, int64_t{1} << 32}, {}}}, {}},
           {{{"__metadata__", {1}, {0}}}, {}},
           {{{"\xFF", {1}, {0}}}, {}},
           {{}, {{"key", "\xC3"}}},
           {{}, {{"\xC3", "value"}}},
       }) {
    EXPECT_EQ(EncodeSafetensors(file).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace derin
