#pragma once

#include <map>
#include <ostream>
#include <string>

#include "absl/time/time.h"
#include "derin/client/training.h"

// Training jobs and their parts as people read them.
namespace derin::cli {

// "corpora/a", or of several "corpora/a = 3, corpora/b = 1", with their weights.
std::string CorporaText(const client::TrainingSpec& spec);

// "lstm 2 x 256": the cell, layers x units.
std::string NetworkText(const client::ModelConfig& config);

// "adam, rate 0.001 cosine to 0.1 of it, warm-up 100 steps, clip 1".
std::string OptimizerText(const client::TrainingSpec& spec);

// "after 20 epochs or 1,000 steps or 1h30m, at perplexity 2, after 3 epochs without a better one".
std::string EndsText(const client::TrainingSpec& spec);

// "owner=ada, team=verse"; empty when there are none.
std::string LabelsText(const std::map<std::string, std::string>& labels);

// All of a job, one fact a line.
void PrintJob(const client::TrainingJob& job, absl::TimeZone zone, std::ostream& out);

// What a job would be: its resolved specification only, one fact a line.
void PrintSpec(const client::TrainingJob& job, std::ostream& out);

}  // namespace derin::cli
