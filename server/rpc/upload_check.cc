#include "server/rpc/upload_check.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/status/error.h"
#include "server/storage/sha256.h"

namespace derin::server {

absl::StatusOr<std::string> AnnouncedSha256(std::string_view sha256) {
  std::string announced = absl::AsciiStrToLower(absl::string_view(sha256.data(), sha256.size()));
  if (announced.empty() || IsSha256Hex(announced)) return announced;
  return InvalidField("header.sha256",
                      absl::StrCat("got ", Quoted(sha256), ", wanted 64 hexadecimal digits"));
}

absl::Status CheckChunk(std::string_view chunk) {
  if (chunk.size() <= kMaxChunkBytes) return absl::OkStatus();
  return InvalidField(
      "chunk", absl::StrFormat("got %d bytes, wanted at most %d", chunk.size(), kMaxChunkBytes));
}

absl::Status CheckArrived(std::string_view announced, std::string_view got, int64_t size_bytes) {
  if (announced.empty() || got == announced) return absl::OkStatus();
  return Refusal(absl::StatusCode::kDataLoss, "DIGEST_MISMATCH",
                 absl::StrFormat("the %d bytes that arrived have SHA-256 %s, wanted %s", size_bytes,
                                 std::string(got), std::string(announced)));
}

}  // namespace derin::server
