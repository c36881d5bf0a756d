#include "server/backup_command.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "server/storage/backup.h"
#include "server/storage/restore.h"

namespace derin::server {
namespace {

constexpr absl::Duration kProgressInterval = absl::Milliseconds(100);

std::string BytesText(int64_t bytes) {
  return absl::StrFormat("%.1f MiB", static_cast<double>(bytes) / (1 << 20));
}

// One line on a terminal that is written over and over; nothing elsewhere.
class ProgressLine {
 public:
  ~ProgressLine() { Clear(); }

  void Show(const CopyProgress& progress) {
    const absl::Time now = absl::Now();
    if (!terminal_ || now - shown_ < kProgressInterval) return;
    shown_ = now;
    // Digests are long.
    absl::FPrintF(stderr, "\r\033[K%d files, %s: %s", progress.files, BytesText(progress.bytes),
                  std::string(progress.next.substr(0, 40)));
    std::fflush(stderr);
  }
  void Clear() {
    if (shown_ != absl::InfinitePast()) absl::FPrintF(stderr, "\r\033[K");
    shown_ = absl::InfinitePast();
  }

 private:
  const bool terminal_ = isatty(STDERR_FILENO) == 1;
  absl::Time shown_ = absl::InfinitePast();
};

}  // namespace

int RunBackupCommand(const CommandLine& line) {
  const bool restore = !line.restore.empty();
  const std::filesystem::path& data = line.server.data_directory;
  const absl::Time start = absl::Now();
  ProgressLine progress;
  const CopyListener listener = [&progress](const CopyProgress& now) { progress.Show(now); };
  const absl::StatusOr<CopyReport> report = restore
                                                ? RestoreBackup(line.restore, data, listener)
                                                : WriteBackup(data, line.backup, start, listener);
  progress.Clear();
  if (!report.ok()) {
    spdlog::critical("Cannot {}: {}", restore ? "restore" : "back up",
                     std::string(report.status().message()));
    return 1;
  }
  const std::filesystem::path& from = restore ? line.restore : data;
  const std::filesystem::path& to = restore ? data : line.backup;
  spdlog::info("{} {} to {}: {} files, {}{}, in {}", restore ? "Restored" : "Copied", from.string(),
               to.string(), report->files, BytesText(report->bytes),
               restore ? "" : " (" + BytesText(report->linked_bytes) + " linked)",
               absl::FormatDuration(absl::Trunc(absl::Now() - start, absl::Milliseconds(1))));
  return 0;
}

}  // namespace derin::server
