#include "derin/client/byte_source.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace derin::client {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

struct NamedFile {
  std::string path;
  File file;
};

}  // namespace

ByteSource TextSource(std::string text) {
  return [text = std::move(text),
          position = size_t{0}](absl::Span<char> buffer) mutable -> absl::StatusOr<size_t> {
    const size_t count = std::min(buffer.size(), text.size() - position);
    std::memcpy(buffer.data(), text.data() + position, count);
    position += count;
    return count;
  };
}

ByteSource StreamSource(std::istream& stream) {
  return [&stream](absl::Span<char> buffer) -> absl::StatusOr<size_t> {
    stream.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    if (stream.bad()) return absl::DataLossError("the input stream cannot be read to its end");
    return static_cast<size_t>(stream.gcount());
  };
}

absl::StatusOr<ByteSource> FilesSource(const std::vector<std::string>& paths) {
  // std::function wants to be copyable, so the files are shared.
  auto files = std::make_shared<std::vector<NamedFile>>();
  for (const std::string& path : paths) {
    File file(std::fopen(path.c_str(), "rbe"));
    if (file == nullptr) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
    files->push_back({path, std::move(file)});
  }
  return ByteSource(
      [files, next = size_t{0}](absl::Span<char> buffer) mutable -> absl::StatusOr<size_t> {
        while (next < files->size()) {
          NamedFile& current = (*files)[next];
          const size_t count = std::fread(buffer.data(), 1, buffer.size(), current.file.get());
          if (count > 0) return count;
          if (std::ferror(current.file.get()) != 0) {
            return absl::ErrnoToStatus(errno, absl::StrCat("cannot read ", current.path));
          }
          current.file.reset();
          ++next;
        }
        return size_t{0};
      });
}

}  // namespace derin::client
