#include "model/backend/cuda/known_algorithms.h"

#include <fstream>
#include <system_error>
#include <utility>

#include "absl/strings/str_format.h"

namespace derin::cuda {

// A line is a key, a tabulator and a name.
KnownAlgorithms::KnownAlgorithms(std::filesystem::path file, std::string machine)
    : file_(std::move(file)), machine_(std::move(machine)) {
  if (file_.empty()) return;
  std::ifstream lines(file_);
  for (std::string line; std::getline(lines, line);) {
    const size_t tabulator = line.rfind('\t');
    if (tabulator != std::string::npos) {
      names_[line.substr(0, tabulator)] = line.substr(tabulator + 1);
    }
  }
}

std::optional<WindowAlgorithm> KnownAlgorithms::Find(const StackConfig& config,
                                                     const StackExtent& extent) const {
  const auto found = names_.find(KeyOf(config, extent));
  return found == names_.end() ? std::nullopt : FindAlgorithm(found->second);
}

void KnownAlgorithms::Keep(const StackConfig& config, const StackExtent& extent,
                           WindowAlgorithm algorithm) {
  names_[KeyOf(config, extent)] = std::string(AlgorithmName(algorithm));
  if (file_.empty()) return;
  const std::filesystem::path beside = file_.string() + ".new";
  std::ofstream lines(beside);
  for (const auto& [key, name] : names_) lines << key << '\t' << name << '\n';
  lines.close();
  std::error_code ignored;
  if (lines) std::filesystem::rename(beside, file_, ignored);
}

std::string KnownAlgorithms::KeyOf(const StackConfig& config, const StackExtent& extent) const {
  return absl::StrFormat("%s: %s %s, %d x %d of %d tokens, %d steps of %d", machine_,
                         std::string(CellName(config.cell)),
                         std::string(PrecisionName(config.precision)), config.layers, config.hidden,
                         config.vocabulary, extent.steps, extent.batch);
}

}  // namespace derin::cuda
