#include "server/rpc/page.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/status/error.h"
#include "server/storage/crc32.h"

namespace derin::server {
namespace {

constexpr int kDefaultSize = 100;
constexpr int kMaxSize = 1000;
constexpr size_t kMaxTokenBytes = 1024;
constexpr size_t kChecksumDigits = 8;

std::string Checksum(std::string_view key) { return absl::StrFormat("%08x", Crc32(key)); }

absl::StatusOr<std::string> KeyOf(std::string_view token) {
  std::string bytes;
  if (token.size() <= kMaxTokenBytes &&
      absl::WebSafeBase64Unescape(absl::string_view(token.data(), token.size()), &bytes) &&
      bytes.size() > kChecksumDigits) {
    std::string key = bytes.substr(kChecksumDigits);
    if (bytes.compare(0, kChecksumDigits, Checksum(key)) == 0) return key;
  }
  return InvalidField(
      "page_token", absl::StrCat("got ", Quoted(token), ", wanted the next_page_token of a reply"));
}

}  // namespace

absl::StatusOr<Page> ParsePage(int32_t page_size, std::string_view page_token) {
  if (page_size < 0 || page_size > kMaxSize) {
    return InvalidField("page_size", absl::StrFormat("got %d, wanted 1 to %d, or 0 for %d",
                                                     page_size, kMaxSize, kDefaultSize));
  }
  Page page{.size = page_size == 0 ? kDefaultSize : page_size, .after = ""};
  if (!page_token.empty()) {
    absl::StatusOr<std::string> key = KeyOf(page_token);
    if (!key.ok()) return key.status();
    page.after = *std::move(key);
  }
  return page;
}

std::string PageToken(std::string_view key) {
  if (key.empty()) return "";
  return absl::WebSafeBase64Escape(
      absl::StrCat(Checksum(key), absl::string_view(key.data(), key.size())));
}

}  // namespace derin::server
