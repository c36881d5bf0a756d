#include "client/cli/image_file.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace derin::cli {
namespace {

std::string All(std::istream& in) {
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

absl::Status Error(std::string_view doing, const std::string& path, int error) {
  const std::string message =
      absl::StrCat("cannot ", std::string(doing), " ", path, ": ", std::strerror(error));
  return error == ENOENT ? absl::NotFoundError(message) : absl::UnavailableError(message);
}

}  // namespace

absl::Status WriteFile(const std::string& path, std::string_view bytes) {
  const std::string partial = absl::StrCat(path, ".partial-", getpid());
  errno = 0;
  std::ofstream file(partial, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  const int written = file.fail() ? (errno != 0 ? errno : EIO) : 0;
  if (written == 0 && std::rename(partial.c_str(), path.c_str()) == 0) return absl::OkStatus();
  const int failed = written != 0 ? written : errno;
  std::error_code ignored;
  std::filesystem::remove(partial, ignored);
  return Error("write", path, failed);
}

absl::StatusOr<std::string> ReadFile(const std::string& path, std::istream& in) {
  if (path == "-") return All(in);
  // It opens, but cannot be read.
  if (std::filesystem::is_directory(path)) return Error("read", path, EISDIR);
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file.is_open()) return Error("read", path, errno);
  return All(file);
}

}  // namespace derin::cli
