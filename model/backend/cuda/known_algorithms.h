#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "model/backend/cuda/window_algorithm.h"
#include "model/backend/stack_config.h"

namespace derin::cuda {

// What was measured of algorithms, kept in a file: a shape is timed once on a machine, and its
// trainings have the same bits after a restart.
class KnownAlgorithms {
 public:
  // `machine` names what measurements hold for, the GPU and cuDNN's version; what the file has of
  // others stays there. Without a `file`, known as long as the object lives.
  KnownAlgorithms(std::filesystem::path file, std::string machine);

  std::optional<WindowAlgorithm> Find(const StackConfig& config, const StackExtent& extent) const;
  // A file that cannot be written costs another measurement, and no more.
  void Keep(const StackConfig& config, const StackExtent& extent, WindowAlgorithm algorithm);

 private:
  std::string KeyOf(const StackConfig& config, const StackExtent& extent) const;

  const std::filesystem::path file_;
  const std::string machine_;
  std::map<std::string, std::string> names_;  // of algorithms, by machine and shape
};

}  // namespace derin::cuda
