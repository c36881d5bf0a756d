#include "server/storage/segment_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "absl/strings/str_format.h"
#include "server/status/error.h"
#include "server/storage/crc32.h"
#include "server/storage/folder.h"

namespace derin::server {
namespace {

// Read at once when a segment is scanned: some fifty records of a small model's sessions.
constexpr size_t kWindowBytes = size_t{256} << 10;

// `call` again for as long as signals interrupt it.
template <typename Call>
auto Uninterrupted(Call call) {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

absl::Status Failed(std::string_view action, const std::filesystem::path& path) {
  const int error = errno;
  return SystemError(error, absl::StrFormat("%s %s", action, Quoted(path.native())));
}

// Goes through a file from its start to its end with few reads.
class Window {
 public:
  explicit Window(const SegmentFile& file) : file_(file) {}

  // Fewer bytes where the file ends; they last until the next call.
  absl::StatusOr<std::string_view> At(uint64_t offset, size_t bytes) {
    if (offset < start_ || offset + bytes > start_ + content_.size()) {
      absl::StatusOr<std::string> content = file_.ReadAt(offset, std::max(bytes, kWindowBytes));
      if (!content.ok()) return content.status();
      content_ = *std::move(content);
      start_ = offset;
    }
    const std::string_view content = content_;
    return content.substr(offset - start_, bytes);
  }

 private:
  const SegmentFile& file_;
  uint64_t start_ = 0;
  std::string content_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<SegmentFile>> SegmentFile::OpenWith(std::filesystem::path path,
                                                                   int flags) {
  const int descriptor =
      Uninterrupted([&] { return open(path.c_str(), flags | O_RDWR | O_CLOEXEC, 0600); });
  if (descriptor == -1) return Failed("open", path);
  return std::shared_ptr<SegmentFile>(new SegmentFile(std::move(path), descriptor));
}

absl::StatusOr<std::shared_ptr<SegmentFile>> SegmentFile::Create(std::filesystem::path path) {
  return OpenWith(std::move(path), O_CREAT | O_EXCL);
}

absl::StatusOr<std::shared_ptr<SegmentFile>> SegmentFile::Open(std::filesystem::path path) {
  return OpenWith(std::move(path), 0);
}

SegmentFile::~SegmentFile() { close(descriptor_); }

absl::StatusOr<uint64_t> SegmentFile::Size() const {
  struct stat status;
  if (fstat(descriptor_, &status) == -1) return Failed("read", path_);
  return static_cast<uint64_t>(status.st_size);
}

absl::StatusOr<std::string> SegmentFile::ReadAt(uint64_t offset, size_t bytes) const {
  std::string content(bytes, '\0');
  size_t length = 0;
  while (length < bytes) {
    const ssize_t got = Uninterrupted([&] {
      return pread(descriptor_, content.data() + length, bytes - length,
                   static_cast<off_t>(offset + length));
    });
    if (got == -1) return Failed("read", path_);
    if (got == 0) break;
    length += static_cast<size_t>(got);
  }
  content.resize(length);
  return content;
}

absl::Status SegmentFile::WriteAt(uint64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = Uninterrupted([&] {
      return pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    });
    if (written == -1) return Failed("write", path_);
    offset += static_cast<uint64_t>(written);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status SegmentFile::Truncate(uint64_t size) {
  const int result =
      Uninterrupted([&] { return ftruncate(descriptor_, static_cast<off_t>(size)); });
  return result == 0 ? absl::OkStatus() : Failed("cut", path_);
}

absl::Status SegmentFile::Sync() {
  return Uninterrupted([&] { return fdatasync(descriptor_); }) == 0 ? absl::OkStatus()
                                                                    : Failed("sync", path_);
}

SegmentContents SegmentFile::Scan(uint32_t segment, uint64_t size,
                                  const RecordVisitor& visit) const {
  SegmentContents contents;
  if (size < kSegmentStartBytes) return contents;
  Window window(*this);
  const std::string name = path_.filename().native();
  uint64_t offset = kSegmentStartBytes;
  while (offset < size) {
    const uint64_t left = size - offset;
    absl::StatusOr<std::string_view> bytes = window.At(offset, kFrameBytes);
    const std::optional<RecordFrame> frame = bytes.ok() ? DecodeFrame(*bytes) : std::nullopt;
    if (left < kFrameBytes || (frame && frame->record_bytes() > left)) {
      contents.torn = left;
      break;
    }
    if (frame) bytes = window.At(offset, kFrameBytes + frame->header_bytes);
    // No segment of ours is so long that an offset in it needs more than 32 bits.
    if (!frame || !bytes.ok() || offset + frame->record_bytes() > kLongestSegment) {
      contents.damage.push_back(absl::StrFormat(
          "%s: the record at byte %d %s; the %d bytes from there on are lost", name, offset,
          bytes.ok() ? "has a damaged frame" : bytes.status().message(), left));
      break;
    }
    const std::string_view header = bytes->substr(std::min(bytes->size(), kFrameBytes));
    if (Crc32(header) == frame->header_crc) {
      contents.entries.append(*bytes);
      visit({.segment = segment,
             .offset = static_cast<uint32_t>(offset),
             .bytes = static_cast<uint32_t>(frame->record_bytes())},
            frame->kind, header);
    } else {
      contents.damage.push_back(
          absl::StrFormat("%s: the record at byte %d has a damaged header; its %d bytes are lost",
                          name, offset, frame->record_bytes()));
    }
    offset += frame->record_bytes();
  }
  contents.end = offset;
  return contents;
}

}  // namespace derin::server
