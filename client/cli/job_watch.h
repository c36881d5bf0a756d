#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "client/cli/command_context.h"

namespace derin::cli {

// Shows the job `name` until it is over, then its result: what `derin train` and `derin jobs watch`
// share. Events up to number `since_sequence` are not shown.
//
// OK when the job succeeded. An error says how else it ended; after an interrupt, that the job goes
// on, and how to watch or cancel it.
absl::Status WatchJob(CommandContext& context, client::Client& client, const std::string& name,
                      int64_t since_sequence);

// "trainingJobs/x succeeded in 1m32s: perplexity 1.05 (training), 5.60 (validation, best 5.31);
// published models/m/versions/1", for a job that did.
std::string ResultLine(const client::TrainingJob& job);

}  // namespace derin::cli
