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

// What is left in `file`, which was opened under the name `path`.
ByteSource FileSource(const std::string& path, File file) {
  // std::function wants to be copyable, so the file is shared.
  return [path, file = std::shared_ptr<std::FILE>(std::move(file))](
             absl::Span<char> buffer) -> absl::StatusOr<size_t> {
    const size_t count = std::fread(buffer.data(), 1, buffer.size(), file.get());
    if (count == 0 && std::ferror(file.get()) != 0) {
      return absl::ErrnoToStatus(errno, absl::StrCat("cannot read ", path));
    }
    return count;
  };
}

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

ByteSource JoinedSource(std::vector<ByteSource> sources) {
  return [sources = std::move(sources),
          next = size_t{0}](absl::Span<char> buffer) mutable -> absl::StatusOr<size_t> {
    for (; next < sources.size(); ++next) {
      absl::StatusOr<size_t> count = sources[next](buffer);
      if (!count.ok() || *count > 0) return count;
      // What it holds, such as a file, is of no more use.
      sources[next] = nullptr;
    }
    return size_t{0};
  };
}

absl::StatusOr<ByteSource> FilesSource(const std::vector<std::string>& paths) {
  std::vector<ByteSource> files;
  for (const std::string& path : paths) {
    File file(std::fopen(path.c_str(), "rbe"));
    if (file == nullptr) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
    files.push_back(FileSource(path, std::move(file)));
  }
  return JoinedSource(std::move(files));
}

}  // namespace derin::client
